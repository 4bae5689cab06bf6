"""`debug.breakpoint`: stop a program where it runs, and look around as in `pdb`.

When the call is traced, the stack's frames are recorded: names of functions, lines, and the values
of local variables. Those among them that are traced become arguments of a debug callback, which
puts the values of the run in their places and hands the frames to a debugger. So frames show values
inside compiled programs too, one stop for each instance of a batch.
"""
from __future__ import annotations

import builtins
import cmd
import inspect
import pprint
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from arrax.core import pytree
from arrax.core.record import Record
from arrax.core.trace import Tracer
from arrax.ops.callback import debug_callback

_OWN_FILES = str(Path(__file__).parent)
_BEFORE, _AFTER = 5, 5  # lines shown around the current one


class Frame(Record):
    """A frame of the stack as it was when the breakpoint was traced."""

    file: str
    line: int
    function: str
    source: tuple[str, ...]  # lines of the function
    first_line: int
    globals: dict[str, Any]
    locals: dict[str, Any]

    def header(self) -> str:
        return f"> {self.file}({self.line})"

    def listing(self) -> str:
        """The lines around the current one, which an arrow points at."""
        at = self.line - self.first_line
        start = max(at - _BEFORE, 0)
        shown = textwrap.dedent("".join(self.source[start:at + _AFTER + 1])).rstrip("\n")
        lines = [("->      " if start + i == at else " " * 8) + line
                 for i, line in enumerate(shown.split("\n"))]
        return "\n".join([self.header(), *lines, ""])

    def summary(self) -> str:
        """As tracebacks show it."""
        at = self.line - self.first_line
        code = self.source[at].strip() if at < len(self.source) else ""
        return f'  File "{self.file}", line {self.line}, in {self.function}\n    {code}'


def _frame(frame: FrameType) -> Frame:
    try:
        source, first = inspect.getsourcelines(frame.f_code)
    except (OSError, TypeError):  # typed in, or made by `exec`
        source, first = [], frame.f_lineno
    if frame.f_code.co_name == "<module>":
        first = 1
    return Frame(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, tuple(source),
                 first, frame.f_globals, dict(frame.f_locals))


def _stack(frame: FrameType | None, filter_frames: bool, num_frames: int | None) -> list[Frame]:
    """The frames from `frame` outwards; without arrax's own, if they are filtered."""
    found: list[Frame] = []
    while frame is not None and (num_frames is None or len(found) < num_frames):
        if not (filter_frames and frame.f_code.co_filename.startswith(_OWN_FILES)):
            found.append(_frame(frame))
        frame = frame.f_back
    return found


class TextDebugger(cmd.Cmd):
    """A small `pdb` on recorded frames. `stdin` and `stdout` are those of the process by default.
    """

    prompt = "(jdb) "

    def __init__(self, frames: Sequence[Frame], stdin: IO[str] | None = None,
                 stdout: IO[str] | None = None):
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None
        self.frames = list(frames)
        self.index = 0

    @property
    def frame(self) -> Frame:
        return self.frames[self.index]

    def say(self, *lines: Any) -> None:
        builtins.print(*lines, sep="\n", file=self.stdout)

    def run(self) -> None:
        """Read commands until one goes on."""
        self.say("Entering jdb:")
        self.cmdloop()

    def _evaluated(self, text: str) -> Any:
        return eval(text, self.frame.globals, self.frame.locals)

    def _tell(self, text: str, show: Any) -> None:
        try:
            self.say(show(self._evaluated(text)))
        except Exception as error:  # of what was typed in
            self.say(f"*** {''.join(traceback.format_exception_only(error)).strip()}")

    def do_p(self, arg: str) -> None:
        """p expression: print the value of an expression."""
        self._tell(arg, repr)

    def do_pp(self, arg: str) -> None:
        """pp expression: print the value of an expression, laid out in lines."""
        self._tell(arg, pprint.pformat)

    def do_l(self, arg: str) -> None:
        """l(ist): print the source around the current line."""
        self.say(self.frame.listing())

    def do_u(self, arg: str) -> None:
        """u(p): to the frame that called this one."""
        self._move(1, "At topmost frame.")

    def do_d(self, arg: str) -> None:
        """d(own): to the frame that this one called."""
        self._move(-1, "At bottommost frame.")

    def _move(self, by: int, at_the_end: str) -> None:
        if not 0 <= self.index + by < len(self.frames):
            self.say(at_the_end)
            return
        self.index += by
        self.say(self.frame.listing())

    def do_bt(self, arg: str) -> None:
        """bt, w(here): print the stack."""
        self.say("Traceback:", *(frame.summary() for frame in reversed(self.frames)))

    def do_c(self, arg: str) -> bool:
        """c(ontinue): let the program run on."""
        return True

    def do_q(self, arg: str) -> None:
        """q(uit): end the process."""
        sys.exit(0)

    def do_EOF(self, arg: str) -> None:
        """End of the input: end the process."""
        sys.exit(0)

    def default(self, line: str) -> None:
        self.say(f"*** unknown command: {line} (h for help)")

    def emptyline(self) -> bool:
        return False

    do_list, do_up, do_down, do_continue, do_cont = do_l, do_u, do_d, do_c, do_c
    do_w, do_where, do_quit, do_exit, do_h = do_bt, do_bt, do_q, do_q, cmd.Cmd.do_help


def breakpoint(*, backend: str | None = None, filter_frames: bool = True,
               num_frames: int | None = None, ordered: bool = False, token: Any = None,
               **kwargs: Any) -> None:
    """Stop here whenever the program runs, under `jit`, `vmap` and `grad` too, and read commands.

    Commands, as in `pdb`: `p expression`, `pp expression`, `l(ist)`, `u(p)`, `d(own)`, `bt`,
    `c(ontinue)`, `q(uit)`, `h(elp)`. Expressions see the local variables of the chosen frame, with
    their values in this run.

    Args:
      backend: "cli" (the default), the text debugger.
      filter_frames: leave out the frames of arrax itself.
      num_frames: record so many frames at most.
      ordered: keep the order of the program among ordered breakpoints and prints.
      token: must be None: programs here have no tokens that a breakpoint could wait for.
      kwargs: `stdin` and `stdout`, files that the text debugger reads from and writes to.

    Raises:
      ValueError: another backend. TypeError: other arguments.

    Example:
      >>> import io
      >>> @jit
      ... def f(x):
      ...     y = x + 1
      ...     arrax.debug.breakpoint(stdin=io.StringIO("p y\\nc\\n"))
      ...     return y
      >>> _ = f(jnp.array(2))
      Entering jdb:
      (jdb) Array(3, dtype=int32)
      (jdb)
    """
    if backend not in (None, "cli"):
        raise ValueError(f"breakpoint: backend must be 'cli' or None, got {backend!r}")
    if token is not None:
        raise ValueError("breakpoint: token must be None")
    unknown = kwargs.keys() - {"stdin", "stdout"}
    if unknown:
        raise TypeError(f"breakpoint: unexpected arguments {sorted(unknown)}")
    here = inspect.currentframe()
    frames = _stack(here.f_back if here is not None else None, filter_frames, num_frames)
    leaves: list[Any] = []
    structures = []
    for frame in frames:
        found, tree = pytree.tree_flatten([_known(v) for v in frame.locals.values()])
        structures.append((len(found), tree))
        leaves += found
    traced = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tracer) and _is_alive(leaf)]

    def stop(*values: Any) -> None:
        now = list(leaves)
        for i, value in zip(traced, values, strict=True):
            now[i] = value
        rest = iter(now)
        shown = [Frame(frame.file, frame.line, frame.function, frame.source, frame.first_line,
                       frame.globals, dict(zip(frame.locals, tree.unflatten(
                           [next(rest) for _ in range(count)]), strict=True)))
                 for frame, (count, tree) in zip(frames, structures, strict=True)]
        TextDebugger(shown, **kwargs).run()
    debug_callback(stop, *(leaves[i] for i in traced), ordered=ordered)


class _Unknown:
    """Stands for a value whose parts cannot be told, so that traced ones could not be replaced."""

    def __repr__(self) -> str:
        return "<cant_flatten>"


def _known(value: Any) -> Any:
    try:
        pytree.tree_flatten(value)
    except Exception:  # a class of the user's may raise anything
        return _Unknown()
    return value


def _is_alive(tracer: Tracer) -> bool:
    """Whether the function that made a traced value still runs."""
    return tracer._trace.is_valid()
