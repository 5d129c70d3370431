"""Exclusive locks on files that are never removed.

A lock is flock(2) on a file of its own: it dies with its holder, is shared with flock(1) and filelock,
and every acquisition opens the file anew, so it excludes threads as well as processes. The file's content
is one line of small volatile state that only the holder changes (see `Lock.store`); it never decides who
holds it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self
from weakref import WeakSet

from mdcoord.backends.markdown.oserrors import unavailable
from mdcoord.errors import Busy

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.02
_LONG_WAIT: Final = 1.0
"""Seconds after which one tries without long pauses: who writes without a break leaves only short gaps."""
_STATE_BYTES: Final = 65536


waits = 0
"""How often a lock was not free at once in this process, and somebody was ready to wait for it."""


class Lock:
    """One acquisition of one lock file; a context manager. Raises Busy when the wait (seconds) is over.

    Not re-entrant: taking it twice in one thread ends in Busy, never in a hang. `usable` is asked when it is
    taken, and may raise; while it says no, the lock is free for others, and waited for.
    """

    __slots__ = ("__weakref__", "_file", "_size", "name", "path", "usable", "wait")

    def __init__(self, path: str, name: str, wait: float, usable: Callable[[], bool] | None = None) -> None:
        self.path = path
        self.name = name
        self.wait = wait
        self.usable = usable
        self._file: io.FileIO | None = None
        self._size = 0

    def __enter__(self) -> Self:
        try:
            _held.add(self)
            self._acquire()
        except OSError as error:
            self.release()
            raise unavailable(self.path, error) from error
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
        while not self._try():
            now = time.monotonic()
            if deadline is None:
                deadline = now + self.wait
                _count(self.wait)
            if now >= deadline:
                raise _busy(self.path, self.name, self.wait)
            time.sleep(min(pause * (0.5 + os.urandom(1)[0] / 256), deadline - now))
            waited = self.wait - (deadline - now)
            pause = _FIRST_PAUSE if waited > _LONG_WAIT else min(pause * 2, _LONGEST_PAUSE)

    def _try(self) -> bool:
        if self._file is None:
            # FileIO rather than a bare number: it is closed whatever happens to us.
            self._file = io.FileIO(self.path, "r+", opener=_open)
        descriptor = self._file.fileno()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if _same_file(descriptor, self.path) and (self.usable is None or self.usable()):
            return True
        # It is not to be used now, or its file was removed: then what we hold excludes nobody.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._close()
        return False

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        try:
            if self._file is not None:
                # Closing would do, were there no threads that fork meanwhile: their children share the lock.
                fcntl.flock(self._file.fileno(), fcntl.LOCK_UN)
        except OSError:
            pass
        finally:
            self._close()
            _held.discard(self)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # it is closed all the same, and nothing was buffered

    @property
    def intact(self) -> bool:
        """Whether the lock still excludes others: its file was neither removed nor replaced."""
        try:
            return self._file is not None and _same_file(self._file.fileno(), self.path)
        except OSError as error:
            raise unavailable(self.path, error) from error

    def load(self) -> bytes:
        """The state line; empty when there is none yet. Raises BackendUnavailable."""
        try:
            data = os.pread(self._descriptor(), _STATE_BYTES, 0)
        except OSError as error:
            raise unavailable(self.path, error) from error
        self._size = len(data)
        return data.partition(b"\n")[0]

    def store(self, line: bytes) -> None:
        """Replace the state line, in place and unsynced: it may be lost in a power cut, never in a crash.

        Of a longer one blanks are left. Raises BackendUnavailable.
        """
        data = (line + b"\n").ljust(self._size)  # cutting the file off costs as much as four writes
        try:
            if os.pwrite(self._descriptor(), data, 0) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        except OSError as error:
            raise unavailable(self.path, error) from error
        self._size = len(data)

    def _descriptor(self) -> int:
        if self._file is None:
            raise RuntimeError(f"the lock {self.name} is not held")
        return self._file.fileno()


def _count(wait: float) -> None:
    global waits
    waits += wait > 0


_held: WeakSet[Lock] = WeakSet()
"""What a forked child must let go of. Weak: a lock ends whose `with` an interrupt kept from starting."""


def peek(path: str) -> bytes:
    """The state line of a lock file without taking the lock; empty when there is none.

    Raises BackendUnavailable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            return os.read(descriptor, _STATE_BYTES).partition(b"\n")[0]
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unavailable(path, error) from error


def _open(path: str, _flags: int) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except FileNotFoundError:
        # The state folder may be removed at any time; a lock file that is new excludes as well as an old one.
        os.makedirs(os.path.dirname(path), exist_ok=True)
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
    """The process that holds a lock file, as far as the system tells (Linux, same pid namespace)."""
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
    """A forked child must neither hold nor release its parent's locks: it closes its copies of them."""
    for lock in list(_held):
        lock._close()
    _held.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
