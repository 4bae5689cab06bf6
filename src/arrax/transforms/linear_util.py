"""Functions with a list of transformations to apply, as programs outside arrax write them.

    @transformation2
    def scaled(f, factor, *args): return factor * f(*args)       # f: the function before

    wrapped = scaled(wrap_init(fun), 2.0)
    wrapped.call_wrapped(x)                                      # 2.0 * fun(x)

A `WrappedFun` is a value: equal functions with equal transformations and arguments are equal and
hash alike, which is what `cache` keys on. A transformation *with auxiliary output* gives, next to
the new function, a thunk that gives what the transformation stored when the function ran.
arrax itself uses plain functions; this module serves interpreters that are written for JAX.
"""
from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from arrax.core import config
from arrax.core.caching import generation
from arrax.core.jaxpr import DebugInfo
from arrax.transforms import calls


class StoreException(Exception):
    """Auxiliary output was read before the function ran, or written twice."""


_EMPTY = object()


class Store:
    """Where a transformation leaves its auxiliary output: written once."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = _EMPTY

    def store(self, value: Any) -> None:
        if self._value is not _EMPTY:
            raise StoreException("Store occupied")
        self._value = value

    def reset(self) -> None:
        """Empty it, so that the function can run again."""
        self._value = _EMPTY

    @property
    def val(self) -> Any:
        if self._value is _EMPTY:
            raise StoreException("Store empty")
        return self._value


class EqualStore(Store):
    """A store that takes the same value again."""

    __slots__ = ()

    def store(self, value: Any) -> None:
        if self._value is not _EMPTY and self._value != value:
            raise StoreException(f"Store occupied with not-equal value: {self._value} != {value}")
        self._value = value


class WrappedFun:
    """A function and the transformations to apply to it, innermost last.

    `call_wrapped(*args, **kwargs)` calls the transformed function.
    """

    __slots__ = ("f", "f_transformed", "transforms", "stores", "params", "in_type", "debug_info")

    def __init__(self, f: Callable[..., Any], f_transformed: Callable[..., Any],
                 transforms: tuple[tuple[Callable[..., Any], tuple[Hashable, ...]], ...],
                 stores: tuple[Store | None, ...], params: tuple[tuple[str, Hashable], ...],
                 in_type: Any, debug_info: DebugInfo | None):
        self.f, self.f_transformed, self.transforms = f, f_transformed, transforms
        self.stores, self.params, self.in_type = stores, params, in_type
        self.debug_info = debug_info

    @property
    def __name__(self) -> str:
        return calls.function_name(self.f)

    def wrap(self, gen: Callable[..., Any], static: tuple[Any, ...], store: Store | None,
             ) -> WrappedFun:
        """This function with one more transformation, `gen(f, [store,] *static, *args)`."""
        before = self.f_transformed
        head = (before, *static) if store is None else (before, store, *static)
        return WrappedFun(self.f, functools.partial(gen, *head), ((gen, static), *self.transforms),
                          (store, *self.stores), self.params, None, self.debug_info)

    def populate_stores(self, stores: Sequence[Store | None]) -> None:
        """Give our stores what the equal function with `stores` has left there."""
        for ours, theirs in zip(self.stores, stores, strict=True):
            if ours is not None and theirs is not None:
                ours.store(theirs.val)

    def call_wrapped(self, *args: Any, **kwargs: Any) -> Any:
        return self.f_transformed(*args, **kwargs)

    def replace_debug_info(self, debug_info: DebugInfo) -> WrappedFun:
        return WrappedFun(self.f, self.f_transformed, self.transforms, self.stores, self.params,
                          self.in_type, debug_info)

    def with_unknown_names(self) -> WrappedFun:
        return self

    def _key(self) -> tuple[Any, ...]:
        return self.f, self.transforms, self.params, self.in_type

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WrappedFun) and self._key() == other._key()

    def __repr__(self) -> str:
        steps = "".join(f"\n  {calls.function_name(gen)}{static}"
                        for gen, static in self.transforms)
        return f"Wrapped function:{steps}\nCore: {self.__name__}"


def wrap_init(f: Callable[..., Any], params: dict[str, Any] | None = None, *,
              debug_info: DebugInfo | None = None) -> WrappedFun:
    """`f` without transformations; `params` are keyword arguments of every call."""
    fixed = params or {}
    called = functools.partial(f, **fixed) if fixed else f
    if debug_info is None:
        debug_info = DebugInfo("wrap_init", calls.function_name(f), calls.function_location(f))
    return WrappedFun(f, called, (), (), tuple(sorted(fixed.items())), None, debug_info)


def _curried(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(gen)` gives what takes the other arguments; with them it is called at once."""
    @functools.wraps(function)
    def call(gen: Callable[..., Any], *rest: Any, **options: Any) -> Any:
        if rest:
            return function(gen, *rest, **options)
        return functools.wraps(gen)(lambda *args, **more: function(gen, *args, **options, **more))
    return call


@_curried
def transformation2(gen: Callable[..., Any], fun: WrappedFun, *gen_static_args: Any) -> WrappedFun:
    """`fun` transformed by `gen(f, *static, *args, **kwargs)`, which calls `f` as it likes."""
    return fun.wrap(gen, gen_static_args, None)


@_curried
def transformation_with_aux2(gen: Callable[..., Any], fun: WrappedFun, *gen_static_args: Any,
                             use_eq_store: bool = False, unk_names: bool = False,
                             ) -> tuple[WrappedFun, Callable[[], Any]]:
    """As `transformation2` for `gen(f, store, *static, *args)`; also a thunk for what it stored."""
    store = EqualStore() if use_eq_store else Store()
    return fun.wrap(gen, gen_static_args, store), lambda: store.val


@_curried
def transformation(gen: Callable[..., Any], fun: WrappedFun, *gen_static_args: Any) -> WrappedFun:
    """`fun` transformed by a generator function `gen(*static, *args, **kwargs)`.

    It yields (args, kwargs) for the function before, is sent the result, and yields its own.
    """
    def direct(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        steps = gen(*args, **kwargs)
        inner, keywords = next(steps)
        out = steps.send(f(*inner, **keywords))
        steps.close()
        return out
    return fun.wrap(_Named(direct, gen), gen_static_args, None)


@_curried
def transformation_with_aux(gen: Callable[..., Any], fun: WrappedFun, *gen_static_args: Any,
                            ) -> tuple[WrappedFun, Callable[[], Any]]:
    """As `transformation`; the generator's last yield is (result, auxiliary output)."""
    def direct(f: Callable[..., Any], out: Store, *args: Any, **kwargs: Any) -> Any:
        steps = gen(*args, **kwargs)
        inner, keywords = next(steps)
        result, extra = steps.send(f(*inner, **keywords))
        out.store(extra)
        steps.close()
        return result
    store = Store()
    return fun.wrap(_Named(direct, gen), gen_static_args, store), lambda: store.val


class _Named:
    """A function that is equal to another where what both were made from is one function."""

    __slots__ = ("function", "source")

    def __init__(self, function: Callable[..., Any], source: Callable[..., Any]):
        self.function, self.source = function, source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def __name__(self) -> str:
        return calls.function_name(self.source)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self.source is other.source

    def __hash__(self) -> int:
        return hash(self.source)


def merge_linear_aux(aux1: Callable[[], Any], aux2: Callable[[], Any]) -> tuple[bool, Any]:
    """The auxiliary output of whichever of two alternatives ran: (whether the first did, it)."""
    try:
        first = aux1()
    except StoreException:
        try:
            return False, aux2()
        except StoreException:
            raise StoreException("neither store occupied") from None
    try:
        aux2()
    except StoreException:
        return True, first
    raise StoreException("both stores occupied")


def cache(call: Callable[..., Any], *, explain: Callable[..., Any] | None = None,
          ) -> Callable[..., Any]:
    """Memoize `call(fun: WrappedFun, *args)` as long as the function inside `fun` lives.

    Args:
      call: what to memoize; `args` must be hashable.
      explain: called as `explain(fun, known, keys, key, seconds)` on misses; None for nothing.
    """
    if explain is not None and not callable(explain):
        raise TypeError(f"cache: `explain` must be callable or None, got {explain!r}")
    kept: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()

    @functools.wraps(call)
    def memoized(fun: WrappedFun, *args: Any) -> Any:
        known = kept.setdefault(fun.f, {})
        key = (fun.transforms, fun.params, fun.in_type, args, config.context_key(), generation())
        if key in known:
            answer, stores = known[key]
            fun.populate_stores(stores)
            return answer
        answer = call(fun, *args)
        if explain is not None:
            explain(fun, bool(known), known, key, 0.0)
        known[key] = answer, fun.stores
        return answer
    memoized.cache_clear = kept.clear  # type: ignore[attr-defined]
    memoized.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    return memoized


__all__ = ["EqualStore", "Store", "StoreException", "WrappedFun", "cache", "merge_linear_aux",
           "transformation", "transformation2", "transformation_with_aux",
           "transformation_with_aux2", "wrap_init"]
