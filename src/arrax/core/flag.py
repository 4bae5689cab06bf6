"""What a flag is. The table of flags is `core.config`.

A flag has a process-wide value (its default, then `ARRAX_NAME` or `JAX_NAME` in the environment,
then `config.update`) and may be overridden in one thread by `with flag(value):`. Overrides nest,
end on any exit, and are invisible to other threads.

A flag either changes what it says, or is one of JAX's that means nothing here: then its row says
why (`no_effect`), and the first time it is given another value than its default a warning does.

Flags declared with `in_key=True` change what is traced or compiled. `context_key()` is one object
per combination of their values: same values, same object.
"""
from __future__ import annotations

import functools
import os
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from arrax.core.forking import fork_lock

_Function = TypeVar("_Function", bound=Callable[..., Any])
_lock = fork_lock()
flags: dict[str, Flag] = {}
by_name: dict[str, Flag] = {}  # with and without the prefixes jax_ and arrax_
key_flags: list[Flag] = []
_keys: dict[tuple[Any, ...], ContextKey] = {}
_version = 0  # counts the process-wide changes; a thread's key is stale when it saw another count
_UNSET: Any = object()


class Change(NamedTuple):
    """What `on_change` callbacks are told."""

    flag: Flag
    value: Any
    everywhere: bool  # False: only in the current thread


class ContextKey:
    """Identifies the values of all flags that change tracing or compilation; compared by `is`."""

    __slots__ = ("values", "__weakref__")

    def __init__(self, values: tuple[Any, ...]):
        self.values = values

    def __repr__(self) -> str:
        changed = [f"{flag.name}={value!r}" for flag, value in
                   zip(key_flags, self.values, strict=False) if value != flag.default]
        return f"ContextKey({', '.join(changed)})"


class _ThreadKey(threading.local):
    version = -1
    key: Any = None


class _Overrides(threading.local):
    def __init__(self) -> None:
        self.stack: list[Any] = []


_thread = _ThreadKey()
_callbacks: list[Callable[[Change], None]] = []


class Flag:
    """One setting. `flag.value` reads it; `with flag(value):` overrides it in this thread.

    Example:
      >>> with enable_x64(True):
      ...   x = jnp.arange(3.0)   # float64
    """

    __slots__ = ("name", "default", "help", "in_key", "no_effect", "_warned", "_check", "_global",
                 "_overridden", "_local")

    def __init__(self, name: str, default: Any, help: str, check: Callable[[Any], Any],
                 in_key: bool = False, no_effect: str = ""):
        self.name, self.default, self.help, self.in_key = name, default, help, in_key
        self.no_effect, self._warned = no_effect, False
        self._check = check
        self._global = default
        self._overridden = 0  # how many overrides are active in all threads together
        self._local = _Overrides()

    @property
    def value(self) -> Any:
        """The value in this thread."""
        if self._overridden:
            stack = self._local.stack
            if stack:
                return stack[-1]
        return self._global

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return self.help

    def set(self, value: Any) -> None:
        """Set the process-wide value; ValueError when the flag does not take `value`."""
        global _version
        value = self._checked(value)
        with _lock:
            self._global = value
            _version += 1
        _notify(Change(self, value, True))

    def push(self, value: Any) -> None:
        """Override the (checked) value in this thread until `pop`."""
        self._local.stack.append(value)
        with _lock:
            self._overridden += 1
        self._changed_here()

    def pop(self) -> None:
        """End this thread's innermost override."""
        self._local.stack.pop()
        with _lock:
            self._overridden -= 1
        self._changed_here()

    def _changed_here(self) -> None:
        if self.in_key:
            _thread.version = -1
        if _callbacks:
            _notify(Change(self, self.value, False))

    def __call__(self, new_val: Any = _UNSET) -> Override:
        """A context manager and decorator that sets the flag to `new_val` in this thread.

        A boolean flag may be called without a value, which means True.
        """
        if new_val is _UNSET:
            if self._check is not boolean:
                raise TypeError(f"{self.name} needs a value: `with {self.name}(value):`")
            new_val = True
        return Override(self, self._checked(new_val))

    def _checked(self, value: Any) -> Any:
        """`value` as the flag takes it; a warning where it has no effect."""
        value = self._check(value)
        if self.no_effect and value != self.default and not self._warned:
            self._warned = True
            warnings.warn(f"jax_{self.name}={value!r} is accepted and has no effect: "
                          f"{self.no_effect}.", UserWarning, stacklevel=4)
        return value

    def __repr__(self) -> str:
        return f"<flag {self.name}={self.value!r}>"

    def __reduce__(self) -> Any:
        return flags.__getitem__, (self.name,)


class Override:
    """`with` block or decorator in which a flag has another value in this thread."""

    __slots__ = ("flag", "new_value")

    def __init__(self, flag: Flag, new_value: Any):
        self.flag, self.new_value = flag, new_value

    def __enter__(self) -> None:
        self.flag.push(self.new_value)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.flag.pop()

    def __call__(self, function: _Function) -> _Function:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)
        return wrapped  # type: ignore[return-value]


def _notify(change: Change) -> None:
    for callback in tuple(_callbacks):
        callback(change)


def on_change(callback: Callable[[Change], None]) -> None:
    """Call `callback(change)` after each change of a flag, in the thread that changed it."""
    _callbacks.append(callback)


def context_key() -> ContextKey:
    """The object that stands for this thread's values of all flags with `in_key`."""
    if _thread.version == _version:
        return _thread.key  # type: ignore[no-any-return]
    with _lock:
        version = _version
        values = tuple(flag.value for flag in key_flags)
        key = _keys.get(values)
        if key is None:
            key = _keys[values] = ContextKey(values)
    _thread.key, _thread.version = key, version
    return key


def boolean(value: Any) -> bool:
    if isinstance(value, bool) or (hasattr(value, "__index__") and int(value) in (0, 1)):
        return bool(value)
    raise ValueError(f"new bool config value must be True or False, got {value!r} "
                     f"of type {type(value)}")


def integer(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"new int config value must be None or of type int, got {value} "
                     f"of type {type(value)}")


def number(value: Any) -> float | None:
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return None if value is None else float(value)
    raise ValueError(f"new float config value must be None or of type float, got {value} "
                     f"of type {type(value)}")


def string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"new string config value must be None or of type str, got {value} "
                     f"of type {type(value)}.")


def path(value: Any) -> str | None:
    return string(os.fspath(value) if isinstance(value, os.PathLike) else value)


def anything(value: Any) -> Any:
    return value


def choice(*names: str, optional: bool = False) -> Callable[[Any], Any]:
    """A check that the value is one of `names` (or None)."""
    def check(value: Any) -> Any:
        if (type(value) is str and value in names) or (optional and value is None):
            return value
        raise ValueError(f"new enum value must be {'None or ' if optional else ''}in "
                         f"{list(names)}, got {value} of type {type(value)}.")
    return check


def declare(name: str, default: Any, check: Callable[[Any], Any], help: str,
          in_key: bool = False, no_effect: str = "") -> Flag:
    """Declare a flag; its first value comes from the environment where that has one."""
    flag = Flag(name, default, help, check, in_key, no_effect)
    for alias in (name, f"jax_{name}", f"arrax_{name}"):
        by_name[alias] = flag
    flags[name] = flag
    if in_key:
        key_flags.append(flag)
    for variable in (f"ARRAX_{name.upper()}", f"JAX_{name.upper()}"):
        text = os.environ.get(variable)
        if text is not None:
            flag._global = flag._checked(_from_environment(variable, text, flag))
            break
    return flag


_TRUTH = {"y": True, "yes": True, "t": True, "true": True, "on": True, "1": True,
          "n": False, "no": False, "f": False, "false": False, "off": False, "0": False, "": False}


def _from_environment(variable: str, text: str, flag: Flag) -> Any:
    try:
        if flag._check is boolean:
            if text.lower() not in _TRUTH:
                raise ValueError(f"invalid truth value {text!r} for environment {variable!r}")
            return _TRUTH[text.lower()]
        if flag._check is integer:
            return int(text)
        return flag._check(float(text) if flag._check is number else text or flag.default)
    except ValueError as error:
        if "truth" in str(error):
            raise
        raise ValueError(f"Invalid value \"{text}\" for JAX flag jax_{flag.name} "
                         f"(environment variable {variable})") from error


class UserContext(Flag):
    """A value of the user's that functions under `jit` may read; a new value means a new trace."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError("a user context cannot be pickled")


def make_user_context(default_value: Any = None) -> UserContext:
    """A thread-local value that takes part in the cache keys of `jit`.

    Args:
      default_value: a hashable value, seen outside all `with context(value):` blocks.

    Example:
      >>> context = make_user_context("plain")
      >>> with context("fancy"):
      ...   context.value
      'fancy'
    """
    global _version
    context = UserContext("user_context", default_value, "A user's context.", anything, True)
    with _lock:
        key_flags.append(context)
        _version += 1
    return context
