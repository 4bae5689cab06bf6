"""Object files of compiled programs on disk, so that a second process starts warm.

A file is named by the SHA-256 of what its code depends on: arrax's version, the `ARRAX_` variables
that may change code, and the caller's parts (the program's text, the CPU with its features, the
compiler's settings and versions). It holds a mark, the SHA-256 of its name and code, and the code.
It is read only when it is a regular file, when folder and file belong to this user and nobody else
can write them, when the checksum fits and the code passes the caller's check; it appears by an
atomic rename. Whatever the disk does (full, read-only, files that vanish or turn out to be pipes)
costs a compile at most, unless the flag `raise_persistent_cache_errors` makes failed writes errors.

Files lie in folders by the first digits of their names. Each has a bound on its bytes and on its
files, and a write looks at one folder only, so it takes the same time however much was ever
written; what was read or written longest ago goes first, leftovers of killed processes too.

The cache is in the flag `compilation_cache_dir`, or the variable `ARRAX_CACHE`, or
`~/.cache/arrax`; without a home there is none. `ARRAX_CACHE=off`, or the flag
`enable_compilation_cache` set to False, switches it off.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from arrax.core import config
from arrax.version import __version__

FOLDERS = 64
MOST_BYTES = 4 << 20  # of the files of a folder
MOST_FILES = 128
LARGE_BYTES = 64 << 20  # of the folder of files that are larger than MOST_BYTES / 4
LARGE = "large"
_LEFTOVER_SECONDS = 3600  # after which a temporary file belongs to nobody
_TEMPORARY = "writing-"
_MARK = b"arrax object 1\n"
_DIGEST = 32
# Variables that say where and how much, not what code does.
_INDIFFERENT = {"ARRAX_CACHE", "ARRAX_DEBUG", "ARRAX_NUM_THREADS"}


def cached(parts: tuple[str, ...], make: Callable[[], bytes],
           check: Callable[[bytes], bool] = lambda code: True) -> bytes:
    """The object code for a program described by `parts`: from disk, where `check` accepts it, or
    made and written there."""
    folder = _folder()
    if folder is None:
        return make()
    name = _name(parts)
    for place in _places(folder, name):
        code = _read(place / name)
        if code is not None and check(code):
            return code
    start = time.perf_counter()
    code = make()
    if time.perf_counter() - start >= config.persistent_cache_min_compile_time_secs.value \
            and len(code) >= config.persistent_cache_min_entry_size_bytes.value:
        _write(folder, name, code)
    return code


def discard(parts: tuple[str, ...]) -> None:
    """Remove the code for `parts`, which turned out to be of no use."""
    folder = _folder()
    for place in _places(folder, _name(parts)) if folder is not None else ():
        _remove(place / _name(parts))


def _name(parts: tuple[str, ...]) -> str:
    flags = sorted(f"{name}={value}" for name, value in os.environ.items()
                   if name.startswith("ARRAX_") and name not in _INDIFFERENT)
    whole = hashlib.sha256()
    for part in (__version__, *flags, "", *parts):
        data = part.encode("utf-8", "surrogateescape")
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()


def _places(folder: Path, name: str) -> tuple[Path, Path]:
    """The folders in which a file of this name may be."""
    return folder / f"{int(name[:2], 16) % FOLDERS:02x}", folder / LARGE


def _folder() -> Path | None:
    """The cache's folder, private to this user; None where the cache is off or cannot be."""
    setting = os.environ.get("ARRAX_CACHE", "")
    if setting == "off" or not config.enable_compilation_cache.value:
        return None
    chosen = config.compilation_cache_dir.value or setting
    try:
        folder = Path(chosen) if chosen else Path.home() / ".cache" / "arrax"
        return folder if _make_private(folder) else None
    except (OSError, RuntimeError, ValueError):  # no home; a name that no file can have
        return None


def _make_private(folder: Path) -> bool:
    """Make a folder unless it is there; whether only this user can write to it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _is_private(folder.stat())


def _is_private(status: os.stat_result) -> bool:
    others = stat.S_IWGRP | stat.S_IWOTH
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid()
                                         and not status.st_mode & others)


def _read(path: Path) -> bytes | None:
    """The code in a file, or None if there is none that can be trusted. Marks the file as used."""
    try:
        # Without blocking: opening a pipe would wait for a writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
                         | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError), os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or not _is_private(status):
            return None
        content = file.read()
        start = len(_MARK) + _DIGEST
        code = content[start:]
        if content[:start] == _MARK + _digest(path.name, code):
            os.utime(handle if os.utime in os.supports_fd else path)
            return code
    return None


def _digest(name: str, code: bytes) -> bytes:
    return hashlib.sha256(name.encode() + code).digest()


def _write(folder: Path, name: str, code: bytes) -> None:
    """Put the code into its folder; a full or read-only disk is no error."""
    size = len(_MARK) + _DIGEST + len(code)
    usual, large = _places(folder, name)
    place, most = (usual, MOST_BYTES) if size <= MOST_BYTES // 4 else (large, LARGE_BYTES)
    if size > most:
        return
    temporary = place / f"{_TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}"
    try:
        if not _make_private(place):
            return
        make_room(place, most - size, MOST_FILES - 1)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL
                         | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o600)
    except OSError:
        if config.raise_persistent_cache_errors.value:
            raise
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MARK + _digest(name, code) + code)
        os.replace(temporary, place / name)
    except BaseException as error:  # Ctrl-C must leave nothing behind either
        _remove(temporary)
        if not isinstance(error, OSError) or config.raise_persistent_cache_errors.value:
            raise


def make_room(place: Path, most_bytes: int, most_files: int) -> None:
    """Remove the files used longest ago from a folder until it is within bounds."""
    found = []
    leftover = time.time() - _LEFTOVER_SECONDS
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # another process removed it
                status = entry.stat(follow_symlinks=False)
                if entry.name.startswith(_TEMPORARY) and status.st_mtime < leftover:
                    _remove(Path(entry.path))
                elif not entry.is_dir(follow_symlinks=False):
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
    total, count = sum(size for _, size, _ in found), len(found)
    for _, size, path in sorted(found):
        if total <= most_bytes and count <= most_files:
            return
        if _remove(Path(path)):
            total, count = total - size, count - 1


def _remove(path: Path) -> bool:
    """Whether the file is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
