"""einops: patches of images, attention heads, reductions, and einsum under grad and jit."""
import jax
import jax.numpy as jnp
from einops import einsum, pack, rearrange, reduce, repeat, unpack

from show import show

images = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))


@jax.jit
def patches(x):
    return rearrange(x, "b (h p) (w q) c -> b (h w) (p q c)", p=4, q=4)


show("patches", patches(images))
show("pooled", reduce(images, "b (h 2) (w 2) c -> b h w c", "max"))
show("repeated", repeat(images[0, 0], "w c -> w c k", k=2))
show("grad", jax.grad(lambda x: jnp.sum(einsum(x, x, "b h w c, b h w d -> b c d") ** 2))(images))
packed, shapes = pack([images, images[..., 0]], "b h w *")
show("packed", packed)
show("unpacked", unpack(packed, shapes, "b h w *")[1])
show("vmap", jax.vmap(lambda x: rearrange(x, "h w c -> c (h w)"))(images))
