"""The disk cache: read back, refused when damaged or open to others, off on request."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from arrax.engines.cpu import object_cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Path:
    path = tmp_path / "cache"
    monkeypatch.setenv("ARRAX_CACHE", str(path))
    return path


def fail() -> bytes:
    raise AssertionError("made again")


def test_the_second_time_code_comes_from_disk(folder: Path) -> None:
    assert object_cache.cached(("program", "cpu"), lambda: b"code") == b"code"
    assert object_cache.cached(("program", "cpu"), fail) == b"code"
    assert object_cache.cached(("program", "other cpu"), lambda: b"other") == b"other"
    assert len(list(folder.iterdir())) == 2


def test_damaged_files_are_made_again(folder: Path) -> None:
    object_cache.cached(("p",), lambda: b"code")
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert object_cache.cached(("p",), lambda: b"new") == b"new"
    assert object_cache.cached(("p",), fail) == b"new"


def test_what_others_can_write_is_not_trusted(folder: Path) -> None:
    object_cache.cached(("p",), lambda: b"code")
    (file,) = folder.iterdir()
    os.chmod(file, 0o666)
    assert object_cache.cached(("p",), lambda: b"new") == b"new"
    os.chmod(folder, 0o777)
    assert object_cache.cached(("p",), lambda: b"again") == b"again"


def test_the_cache_can_be_off(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ARRAX_CACHE", "off")
    assert object_cache.cached(("p",), lambda: b"code") == b"code"
    assert not folder.exists()
