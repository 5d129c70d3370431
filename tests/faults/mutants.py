"""Stores with one safeguard taken out, to show that the tests notice.

Each mutant is a function that breaks the store for the length of a test.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from mdcoord.backends.markdown import catalog, fileio, flock, logappend, reader, swap
from mdcoord.rules import lifecycle

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def no_lock(patch: Patch) -> None:
    """Everybody gets the lock."""

    def enter(lock: flock.Lock) -> flock.Lock:
        if lock._file is None:
            lock._file = flock.io.FileIO(lock.path, "r+", opener=flock._open)
        return lock

    patch.setattr(flock.Lock, "__enter__", enter)


def lock_file_removed_on_release(patch: Patch) -> None:
    """Cleaning up behind oneself."""
    release = flock.Lock.release

    def tidy(lock: flock.Lock) -> None:
        if lock._file is not None:
            os.unlink(lock.path)
        release(lock)

    patch.setattr(flock.Lock, "release", tidy)


def no_sync_of_the_file(patch: Patch) -> None:
    prepare = fileio.FileIO._prepare
    patch.setattr(fileio.FileIO, "_prepare", lambda *a, **k: prepare(*a, **{**k, "sync": False}))


def no_sync_of_the_folder(patch: Patch) -> None:
    patch.setattr(fileio.FileIO, "_sync_folder", lambda files, path: None)


def written_in_place(patch: Patch) -> None:
    def overwrite(files: fileio.FileIO, path: str, data: bytes, expected: bytes, **_: Any) -> bool:
        descriptor = fileio.os.open(path, os.O_WRONLY)
        fileio.os.ftruncate(descriptor, 0)
        fileio.os.write(descriptor, data)
        fileio.os.fsync(descriptor)
        fileio.os.close(descriptor)
        return True

    patch.setattr(fileio.FileIO, "swap", overwrite)


def no_look_at_what_came_out(patch: Patch) -> None:
    def run(this: swap.Swap, expected: bytes, confirm: Callable[[], Any]) -> bool:
        swap._drop(this._displace())
        return True

    patch.setattr(swap.Swap, "run", run)


def no_look_for_open_files(patch: Patch) -> None:
    patch.setattr(swap, "has_writer", lambda descriptor: False)


def no_memory_of_versions(patch: Patch) -> None:
    patch.setattr(reader.Reader, "_merged", lambda *_: None)


def no_mark_of_own_versions(patch: Patch) -> None:
    patch.setattr(fileio, "mark", lambda descriptor, version: None)


def no_repair_of_logs(patch: Patch) -> None:
    patch.setattr(logappend, "mend", lambda file, view: True)


def no_fence(patch: Patch) -> None:
    """Whoever comes is taken for the holder."""
    patch.setattr(lifecycle, "held", lambda lease, *_: lease)


def modification_time_trusted(patch: Patch) -> None:
    stamps = catalog.stamps

    def by_time(folder: str, prefix: str) -> Any:
        for name, _ in stamps(folder, prefix):
            info = os.stat(os.path.join(folder, name))
            yield name, (info.st_mtime_ns, info.st_size, info.st_ino)

    patch.setattr(catalog, "stamps", by_time)
    patch.setattr(catalog, "RACY", -(10**18))
