"""Open files of a workspace: how they are opened, read and written."""

from __future__ import annotations

import errno
import io
import os
from typing import Final
from weakref import WeakSet

READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
TEMP: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""How files are opened: following no link, and to be read, waiting for nobody."""

_written: WeakSet[io.FileIO] = WeakSet()
"""Files that are being written; a forked child that kept one open would pass for an editor."""


def read_all(descriptor: int, size: int) -> bytes:
    """All of an open file, which had so many bytes just now."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while data:
        data = os.read(descriptor, 1 << 20)
        parts.append(data)
    return b"".join(parts)


class writing:
    """A file open for writing, as a descriptor, for the length of a `with`."""

    def __init__(self, path: str, flags: int, mode: int = 0o666) -> None:
        # FileIO rather than a bare number: an interrupt between open and the assignment closes it.
        self._file = io.FileIO(path, "w", opener=lambda path, _flags: os.open(path, flags, mode))

    def __enter__(self) -> int:
        _written.add(self._file)
        return self._file.fileno()

    def __exit__(self, *_: object) -> None:
        self._file.close()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_or_take_back(descriptor: int, data: bytes) -> None:
    """Write the data at the end in one write, or nothing of them."""
    size = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        # Only what is ours: a shell may have appended something of its own just now.
        if data.startswith(os.pread(descriptor, len(data) + 1, size)):
            os.ftruncate(descriptor, size)
        raise


def close_quietly(descriptor: int) -> None:
    """Close a file that was only read, or is synced already."""
    try:
        os.close(descriptor)
    except OSError:
        pass  # it is closed all the same, and what matters was synced


def _forget_after_fork() -> None:
    for file in list(_written):
        file.close()


os.register_at_fork(after_in_child=_forget_after_fork)
