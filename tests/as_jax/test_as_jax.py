"""`import jax` means arrax: facades, private names, metadata, the command line, and its undoing."""
from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import arrax
import pytest
from arrax.as_jax import private_names

FINDABLE = "import arrax.as_jax; arrax.as_jax.install()\n"


def run(program: str, *arguments: str) -> str:
    """The output of a program in a new process."""
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(program), *arguments],
                         capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    return out.stdout


EXPRESSIONS = [
    "jax.numpy.sin is arrax.numpy.sin",
    "jax.grad is arrax.grad",
    "jax.lax.linalg.cholesky is arrax.lax.linalg.cholesky",
    "jax.config is arrax.config",
    "jax.__version__ == '0.10.2' and jax.__version_info__ == (0, 10, 2)",
    "jax.version.__version_info__ == (0, 10, 2)",
    "isinstance(jax.numpy.ones(3), jax.Array)",
    "importlib.metadata.version('jax') == importlib.metadata.version('jaxlib') == '0.10.2'",
    "importlib.util.find_spec('jax') is not None",
    "importlib.util.find_spec('jax.not_there') is None",
    "jaxlib.version.__version__ == '0.10.2'",
    "jax._src.core.ShapedArray is arrax.core.ShapedArray",
    "jax._src.traceback_util.register_exclusion('/x.py') is None",
    "list in jax._src.tree_util._registry and str not in jax._src.tree_util._registry",
    "hasattr(jax.numpy, 'sin') and not hasattr(jax.numpy, 'no_such_function')",
    "'sin' in dir(jax.numpy)",
]


def test_expressions() -> None:
    """One process evaluates them all."""
    out = run(FINDABLE + textwrap.dedent("""
        import importlib.metadata, importlib.util, sys, arrax, jax, jaxlib.version
        import jax.numpy, jax._src.core
        print([e for e in sys.argv[1:] if not eval(e)])
    """), *EXPRESSIONS)
    assert out.strip() == "[]"


def test_forms_of_import() -> None:
    run(FINDABLE + textwrap.dedent("""
        import jax.numpy as jnp
        from jax import grad, lax, random as jr
        from jax.numpy import *
        from jax.scipy.special import logsumexp
        from jax._src import core
        from jax.extend.core import Primitive
        assert sin is jnp.sin and lax.add(1, 2) == 3
    """))


def test_what_a_program_sets_stays_in_the_facade() -> None:
    run(FINDABLE + textwrap.dedent("""
        import arrax, jax
        before = arrax.numpy.sin
        jax.numpy.sin = 5
        assert jax.numpy.sin == 5 and arrax.numpy.sin is before
    """))


def test_uninstall_leaves_nothing() -> None:
    run("""
        import sys, importlib.metadata, arrax, arrax.as_jax
        finders = list(sys.meta_path)
        specs = {n: m.__spec__ for n, m in sys.modules.items() if n.startswith('arrax')}
        arrax.as_jax.install(); arrax.as_jax.install()
        import jax, jax.numpy, jax._src.core, jaxlib
        arrax.as_jax.uninstall(); arrax.as_jax.uninstall()
        assert sys.meta_path == finders
        assert not [n for n in sys.modules if n.partition('.')[0] in ('jax', 'jaxlib')]
        assert all(sys.modules[n].__spec__ is s for n, s in specs.items())
    """)


def test_another_jax_that_is_imported_is_refused() -> None:
    run("""
        import sys, types, arrax.as_jax
        sys.modules["jax"] = types.ModuleType("jax")
        try:
            arrax.as_jax.install()
        except ImportError as error:
            assert "jax is already imported" in str(error)
        else:
            raise AssertionError
        assert not arrax.as_jax.is_installed()
    """)


def test_unknown_private_names_say_what_to_report() -> None:
    run(FINDABLE + textwrap.dedent("""
        import jax._src.core
        try:
            jax._src.core.no_such_name
        except AttributeError as error:
            assert '"as_jax: jax._src.core.no_such_name"' in str(error), error
    """))


def test_notebook_extension() -> None:
    run("""
        import arrax.as_jax
        arrax.as_jax.load_ipython_extension(None)
        import jax
        arrax.as_jax.unload_ipython_extension(None)
    """)


# ---- the command line ----------------------------------------------------------------------------

PROGRAM = "import sys, jax, helper_of_program; print(jax.numpy.arange(3).sum(), *sys.argv[1:], " \
          "__name__)"


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "arrax.as_jax", *arguments], cwd=cwd,
                          capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("form", [["program.py"], ["-m", "program"], ["-c", PROGRAM]])
def test_command_line(form: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "helper_of_program.py").write_text("")
    out = command(*form, "a", "--b", cwd=tmp_path)
    assert out.stdout.split() == ["3", "a", "--b", "__main__"], out.stderr


def test_command_line_without_a_program() -> None:
    assert command().returncode == 2
    assert "usage" in command("--help").stdout
    assert "unknown option --x" in command("--x").stderr


# ---- the table -----------------------------------------------------------------------------------

PLANNED = {"distributed", "experimental.checkify", "ref"}  # rooms that come with later parts


def test_every_line_has_a_reason_and_a_home() -> None:
    assert len(private_names.names()) > 60
    for (module, name), line in private_names.names().items():
        assert line.reason, (module, name)
        assert private_names.is_table_module(module) or importlib.import_module(
            "arrax" + module.removeprefix("jax")), module
        line.value()


def test_every_room_is_there() -> None:
    for module, (rooms, reason) in private_names.modules().items():
        assert reason, module
        for room in set(rooms) - PLANNED:
            importlib.import_module("arrax" if room == "." else f"arrax.{room}")
        parent = module.rpartition(".")[0]
        assert parent in ("", "jax", "jax.experimental") or private_names.is_table_module(
            parent), module


def test_names_are_the_objects_of_arrax() -> None:
    from arrax.transforms.jit import jit_p
    assert private_names.resolve("jax._src.pjit", "jit_p") is jit_p
    assert private_names.resolve("jax._src.linear_util", "wrap_init") is \
        arrax.extend.linear_util.wrap_init


def test_programs_may_read_the_names_of_a_module() -> None:
    """As libraries do that wrap all of `jax.numpy`; nothing is loaded for it."""
    code = """
import sys
import arrax.as_jax; arrax.as_jax.install()
import jax.numpy as jnp
before = set(sys.modules)
names = {n for n, v in jnp.__dict__.items() if callable(v) and not n.startswith("_")}
assert {"abs", "sum", "einsum", "float32"} <= names, names
assert set(sys.modules) == before
import jax.experimental.pallas.ops.tpu.splash_attention as unused
try:
    unused.kernel
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "it can only be imported in this version of arrax" in done.stdout


def test_arguments_by_position_and_name() -> None:
    infer = private_names.resolve("jax._src.api_util", "infer_argnums_and_argnames")
    signature = inspect.signature(lambda x, y, *, z: x)
    assert infer(signature, None, None) == ((), ())
    assert infer(signature, 1, None) == ((1,), ("y",))
    assert infer(signature, None, ["x", "z"]) == ((0,), ("x", "z"))
