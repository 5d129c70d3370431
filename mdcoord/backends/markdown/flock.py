"""Exclusive locks on files that are never removed.

A lock is flock(2) on a file of its own: it dies with its holder, is shared with flock(1) and filelock, and every
acquisition opens the file anew, so it excludes threads as well as processes. The file's content is one line of small
volatile state that only the holder changes (see `Lock.store`); it never decides who holds the lock.
"""

from __future__ import annotations

import fcntl
import io
import os
import random
import time
from types import TracebackType
from typing import Final, Self

from mdcoord.errors import BackendUnavailable, Busy

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.05

_held: set[Lock] = set()


class Lock:
    """One acquisition of one lock file; a context manager. Raises Busy when the wait (seconds) is over.

    Not re-entrant: taking it twice in one thread ends in Busy, never in a hang.
    """

    __slots__ = ("_file", "_pid", "_size", "name", "path", "wait")

    def __init__(self, path: str, name: str, wait: float) -> None:
        self.path = path
        self.name = name
        self.wait = wait
        self._file: io.FileIO | None = None
        self._pid = 0
        self._size = 0

    def __enter__(self) -> Self:
        try:
            self._acquire()
            _held.add(self)
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _acquire(self) -> None:
        deadline: float | None = None
        pause = _FIRST_PAUSE
        while True:
            # FileIO rather than a bare number: an interrupt between open and the assignment closes it.
            self._file = io.FileIO(self.path, "r+", opener=_open)
            descriptor = self._file.fileno()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                if _same_file(descriptor, self.path):
                    self._pid = os.getpid()
                    return
                # Somebody removed the lock file while we waited: what we hold excludes nobody.
            self._close()
            now = time.monotonic()
            deadline = now + self.wait if deadline is None else deadline
            if now >= deadline:
                raise _busy(self.path, self.name, self.wait)
            time.sleep(min(pause * (0.5 + random.random()), deadline - now))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        _held.discard(self)
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @property
    def intact(self) -> bool:
        """Whether the lock still excludes others: the file was neither removed nor replaced since it was taken."""
        return self._file is not None and _same_file(self._file.fileno(), self.path)

    def load(self) -> bytes:
        """The state line; empty when there is none yet."""
        data = os.pread(self._descriptor(), 65536, 0)
        self._size = len(data)
        return data.partition(b"\n")[0]

    def store(self, line: bytes) -> None:
        """Replace the state line, in place and unsynced: it may be lost in a power cut, never in a crash."""
        data = line + b"\n"
        descriptor = self._descriptor()
        if os.pwrite(descriptor, data, 0) != len(data):
            raise OSError(28, "No space left on device", self.path)
        if len(data) < self._size:
            os.ftruncate(descriptor, len(data))
        self._size = len(data)

    def _descriptor(self) -> int:
        if self._file is None:
            raise RuntimeError(f"the lock {self.name} is not held")
        return self._file.fileno()


def peek(path: str) -> bytes:
    """The state line of a lock file without taking the lock; empty when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, 65536).partition(b"\n")[0]
    finally:
        os.close(descriptor)


def _open(path: str, _flags: int) -> int:
    return os.open(path, _FLAGS, 0o666)


def _same_file(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev)


def _busy(path: str, name: str, wait: float) -> Busy:
    pid = holder_of(path) if wait else None  # who does not wait does not ask either: it goes on elsewhere
    who = f"process {pid}" if pid else "another process"
    return Busy(
        f"{name} is locked by {who}; waited {wait:g} s",
        hint="try again; if it stays so, look at what that process does",
        lock=path,
        holder_pid=pid,
    )


def holder_of(path: str) -> int | None:
    """The id of the process that holds a lock file, as far as the system tells (Linux, same pid namespace)."""
    try:
        there = os.stat(path)
        with open("/proc/locks", encoding="ascii", errors="replace") as table:
            lines = table.read().splitlines()
    except OSError:
        return None
    wanted = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}:{there.st_ino}"
    for line in lines:
        words = line.split()
        if "FLOCK" in words and "->" not in words and wanted in words:
            return int(words[words.index(wanted) - 1]) or None
    return None


def _forget_after_fork() -> None:
    """A forked child must neither hold nor release its parent's locks: close its copies of the descriptors."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_after_fork)


def unsupported(path: str) -> BackendUnavailable:
    """The error for a file system on which flock does not work."""
    return BackendUnavailable(
        f"{path}: this file system has no working locks",
        hint="keep the workspace's state folder on a local file system",
        path=path,
    )
