"""The disk cache: read back, refused when damaged or open to others, bounded, never in the way."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax.engines.cpu import machine, object_cache
from arrax.engines.cpu.object_cache import cached


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Path:
    path = tmp_path / "cache"
    monkeypatch.setenv("ARRAX_CACHE", str(path))
    return path


def fail() -> bytes:
    raise AssertionError("made again")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def file_of(folder: Path, *parts: str) -> Path:
    """Where the code for these parts is kept."""
    before = set(files(folder)) if folder.exists() else set()
    cached(parts, lambda: b"code")
    (file,) = set(files(folder)) - before
    return file


def test_the_second_time_code_comes_from_disk(folder: Path) -> None:
    assert cached(("program", "cpu"), lambda: b"code") == b"code"
    assert cached(("program", "cpu"), fail) == b"code"
    assert cached(("program", "other cpu"), lambda: b"other") == b"other"
    assert cached(("programcpu",), lambda: b"third") == b"third"
    assert len(files(folder)) == 3


def test_names_depend_on_the_version_the_flags_and_the_compilers_settings(
        folder: Path, monkeypatch: Any) -> None:
    cached(("p",), lambda: b"code")
    monkeypatch.setenv("ARRAX_SOME_FLAG", "1")
    assert cached(("p",), lambda: b"flagged") == b"flagged"
    monkeypatch.setenv("ARRAX_DEBUG", "0")
    assert cached(("p",), fail) == b"flagged"
    monkeypatch.delenv("ARRAX_SOME_FLAG")
    monkeypatch.setattr(object_cache, "__version__", "next")
    assert cached(("p",), lambda: b"newer") == b"newer"
    assert str(machine.OPTIMIZATION) in machine._identity()


@pytest.mark.parametrize("damage", [
    lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x"),
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(file.read_bytes()[:20]),
    lambda file: (file.unlink(), file.mkdir()),
    lambda file: (file.unlink(), os.mkfifo(file)),
    lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    lambda file: (file.unlink(), file.symlink_to(file)),
    lambda file: os.chmod(file, 0o666)])
def test_damaged_files_are_made_again(folder: Path, damage: Any) -> None:
    """Pipes and devices too, at which reading would hang."""
    damage(file_of(folder, "p"))
    assert cached(("p",), lambda: b"new") == b"new"
    assert cached(("q",), lambda: b"other") == b"other" and cached(("q",), fail) == b"other"


def test_a_file_under_another_name_is_not_trusted(folder: Path) -> None:
    first, second = file_of(folder, "p"), file_of(folder, "q")
    second.write_bytes(first.read_bytes())
    assert cached(("q",), lambda: b"new") == b"new"


def test_an_open_folder_is_not_trusted(folder: Path) -> None:
    cached(("p",), lambda: b"code")
    os.chmod(folder, 0o777)
    assert cached(("p",), lambda: b"again") == b"again"


@pytest.mark.parametrize("content", [b"no object", b"\x7fELF\x02\x01" + bytes(10) + b"\x01\0"
                                     + b"\xff" * 300])
def test_what_is_no_object_file_is_compiled_again(folder: Path, content: bytes) -> None:
    """Also what looks like one until the linker reads it, with a checksum that fits."""
    program = jax.jit(lambda x: x * 3 + len(content))
    x, expected = jnp.ones(3), np.full(3, 3 + len(content), np.float32)
    assert np.array_equal(program(x), expected)
    (file,) = files(folder)
    file.write_bytes(object_cache._MARK + object_cache._digest(file.name, content) + content)
    machine._known.clear()
    program.clear_cache()
    jax.clear_caches()
    assert np.array_equal(jax.jit(lambda x: x * 3 + len(content))(x), expected)
    assert len(files(folder)) <= 1


def test_the_cache_can_be_off(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ARRAX_CACHE", "off")
    assert cached(("p",), lambda: b"code") == b"code"
    assert not folder.exists()


def test_without_a_home_there_is_no_cache(monkeypatch: Any) -> None:
    monkeypatch.delenv("ARRAX_CACHE", raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")
    monkeypatch.setattr(Path, "home", no_home)
    assert cached(("p",), lambda: b"code") == b"code"


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x", "a\0b", "/dev/full"])
def test_impossible_folders_cost_nothing(monkeypatch: Any, place: str) -> None:
    monkeypatch.setattr(object_cache.os, "environ", {"ARRAX_CACHE": place})
    assert cached(("p",), lambda: b"code") == b"code"


# ---- bounds -------------------------------------------------------------------------------------

def test_what_was_used_longest_ago_goes_first(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(object_cache, "FOLDERS", 1)
    monkeypatch.setattr(object_cache, "MOST_FILES", 8)
    paths = [file_of(folder, str(i)) for i in range(8)]
    for age, path in enumerate(reversed(paths)):
        os.utime(path, (0, 1000 - age))  # the first is the oldest
    assert cached(("0",), fail) == b"code"  # a read makes it the newest
    for i in range(8, 12):
        cached((str(i),), lambda: b"code")
    assert [path.exists() for path in paths] == [True, *[False] * 4, *[True] * 3]
    assert len(files(folder)) == 8


def test_bytes_are_bounded(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(object_cache, "FOLDERS", 4)
    monkeypatch.setattr(object_cache, "MOST_BYTES", 40_000)
    monkeypatch.setattr(object_cache, "LARGE_BYTES", 100_000)
    for i in range(300):
        size = 1000 * (1 + i % 9 + 40 * (i % 7 == 0))
        assert len(cached((str(i),), lambda: bytes(size))) == size  # noqa: B023
        assert len(cached((str(i),), fail)) == size
        assert sum(f.stat().st_size for f in files(folder)) <= 4 * 40_000 + 100_000
    large = cached(("large",), lambda: bytes(100_001))
    assert len(large) == 100_001 and not [f for f in files(folder) if f.stat().st_size > 100_000]


def test_writes_look_at_a_bounded_number_of_files(folder: Path, monkeypatch: Any) -> None:
    """However many files there are: counted, not timed."""
    looked = []
    scan = os.scandir

    class Counted:
        def __init__(self, path: Any):
            self.entries = scan(path)

        def __enter__(self) -> Any:
            self.entries.__enter__()
            return iter([looked.append(entry.name) or entry for entry in self.entries])

        def __exit__(self, *info: Any) -> None:
            self.entries.__exit__(*info)
    monkeypatch.setattr(object_cache.os, "scandir", Counted)
    monkeypatch.setattr(object_cache, "FOLDERS", 8)
    monkeypatch.setattr(object_cache, "MOST_FILES", 16)
    most = 0
    for i in range(500):
        looked.clear()
        cached((str(i),), lambda: b"code")
        most = max(most, len(looked))
    assert most <= 16 and len(files(folder)) == 8 * 16


def test_failed_writes_leave_nothing(folder: Path, monkeypatch: Any) -> None:
    cached(("p",), lambda: b"code")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt
    monkeypatch.setattr(object_cache.os, "replace", full)
    assert cached(("q",), lambda: b"other") == b"other"
    monkeypatch.setattr(object_cache.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(("r",), lambda: b"third")
    assert len(files(folder)) == 1


def test_leftovers_of_killed_processes_go(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(object_cache, "FOLDERS", 1)
    place = file_of(folder, "p").parent
    old, new = place / "writing-1-a", place / "writing-2-b"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 7200))
    cached(("q",), lambda: b"code")
    assert not old.exists() and new.exists()


WRITER = """
import os, sys, warnings
warnings.simplefilter("error")
from arrax.engines.cpu import object_cache
object_cache.FOLDERS, object_cache.MOST_FILES = 2, 6
for i in range(int(sys.argv[1]), int(sys.argv[1]) + 400):
    part = str(i * 7 % 40)
    code = object_cache.cached((part,), lambda: part.encode() * 100)
    assert code == part.encode() * 100
print("good")
"""


def test_several_processes_share_a_folder(folder: Path) -> None:
    """Files vanish and appear while others look: nobody fails, warns, or reads a wrong file."""
    running = [subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", WRITER, str(start)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "ARRAX_CACHE": str(folder)}) for start in range(3)]
    for process in running:
        out, error = process.communicate(timeout=120)
        assert out == "good\n" and "Warning" not in error and "Error" not in error, error
    assert not [f for f in files(folder) if f.name.startswith("writing-")]
    assert len(files(folder)) <= 2 * (6 + 2)  # each of the others may be about to write one more
