"""Object files of compiled programs on disk, so that a second process starts warm.

A file is named by the SHA-256 of the program's text, the CPU with its features, and the versions
of LLVM and llvmlite; it holds the SHA-256 of the object code, then the code. It is read only when
folder and file belong to this user and nobody else can write them, and only when the checksum fits;
it appears by an atomic rename.

The folder is the flag `compilation_cache_dir`, or the variable `ARRAX_CACHE`, or `~/.cache/arrax`;
`ARRAX_CACHE=off`, or the flag `enable_compilation_cache` set to False, switches the cache off.
"""
from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from arrax.core import config

LARGEST = 256 * 1024 * 1024  # bytes of the folder from which nothing more is written
_DIGEST = 32


def cached(parts: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
    """The object code for a program described by `parts`: from disk, or made and written there."""
    folder = _folder()
    if folder is None:
        return make()
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    code = _read(folder / name)
    if code is None:
        code = make()
        _write(folder, name, code)
    return code


def _folder() -> Path | None:
    """The cache's folder, private to this user; None where the cache is off or cannot be."""
    setting = os.environ.get("ARRAX_CACHE", "")
    if setting == "off" or not config.enable_compilation_cache.value:
        return None
    chosen = config.compilation_cache_dir.value or setting
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "arrax"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except (OSError, RuntimeError):
        return None


def _is_private(status: os.stat_result) -> bool:
    others = stat.S_IWGRP | stat.S_IWOTH
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid()
                                         and not status.st_mode & others)


def _read(path: Path) -> bytes | None:
    """The code in a file, or None if there is none that can be trusted."""
    try:
        with path.open("rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    digest, code = content[:_DIGEST], content[_DIGEST:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(folder: Path, name: str, code: bytes) -> None:
    """Put the code into the folder; a full or read-only disk is no error."""
    try:
        if sum(entry.stat().st_size for entry in os.scandir(folder)) > LARGEST:
            return
        handle, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(temporary, folder / name)
    except OSError:
        return
