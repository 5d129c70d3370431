"""The only place that writes files: locks, temporary files, atomic replacement, durability.

What is promised, per durability policy: `full` – an acknowledged write survives a crash of the system (file and directory
synced); `data` – the file's content is synced, the directory entry is left to the system; `none` – only crashes of
processes are survived. Under every policy a reader sees the old or the new content, never a mixture, except after
`append`, whose readers ignore an unfinished last block.

People's editors take no lock. So a replacement *swaps* the new file in and looks at what it got out: content
that is not the expected one is a save that came in between, and it is handed to the caller instead of being lost.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Final

from mdcoord.backends.markdown.exchange import exchange
from mdcoord.backends.markdown.flock import Lock, peek
from mdcoord.errors import BackendUnavailable, MdcoordError, NotDurable

DURABILITY: Final = ("full", "data", "none")
MAX_BYTES: Final = 10 * 1024 * 1024
"""A larger file is refused before it is read."""

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_TEMP: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_SETTLE: Final = 0.25
"""Seconds for which an empty or changing file is taken to be in the middle of being saved."""
_YOUNG: Final = 2.0
"""Only a file changed this many seconds ago can be in the middle of being saved."""
_PAUSE: Final = 0.01
_NO_DIRECTORY_SYNC: Final = frozenset([errno.EINVAL, errno.ENOTSUP, errno.EBADF])
_CANNOT_LINK: Final = frozenset([errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])


class Leftover(Exception):
    """A temporary file of an earlier, killed writer stands where ours should go; its path is the argument."""


class FileIO:
    """File operations of one workspace: `root` holds the documents, `state` the locks and what is never in git."""

    def __init__(self, root: str, state: str, durability: str = "full") -> None:
        self.root = root
        self.state = state
        self.durability = durability
        self._locks = os.path.join(state, "locks")

    def prepare(self) -> None:
        """Make the state folders. Only writers need them; reading works without."""
        with translated(self.state):
            os.makedirs(self._locks, exist_ok=True)
            os.makedirs(os.path.join(self.state, "history"), exist_ok=True)

    def lock(self, name: str, wait: float = 10.0) -> Lock:
        """The exclusive lock of this name, to be used with `with`; waits up to `wait` seconds, then Busy."""
        return Lock(os.path.join(self._locks, name), name, wait)

    def peek(self, name: str) -> bytes:
        """The state line of a lock, without taking it."""
        return peek(os.path.join(self._locks, name))

    def read(self, path: str) -> bytes:
        """The file's content, read while nobody changed it. Raises FileNotFoundError, BackendUnavailable.

        An empty file that was changed just now is looked at again for a moment: editors truncate before they write.
        """
        deadline = None
        while True:
            data, settled = _read_once(path)
            if settled:
                return data
            now = time.monotonic()
            deadline = now + _SETTLE if deadline is None else deadline
            if now >= deadline:
                return data
            time.sleep(_PAUSE)

    def await_file(self, path: str) -> bool:
        """Wait a moment for a file that somebody is replacing by removing it first, as git does."""
        deadline = time.monotonic() + _SETTLE
        while not os.path.lexists(path):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def temporary(self, path: str, slot: int = 0) -> str:
        """Where a new version of a file is prepared: the same folder, and the same name for every writer.

        The caller holds the file's lock, so a file that stands there was left behind by a killed writer.
        """
        folder, name = os.path.split(path)
        return os.path.join(folder, f".mdc-{sha256(f'{slot}/{name}'.encode()).hexdigest()[:16]}.tmp")

    def swap(self, path: str, data: bytes, expected: bytes, slot: int = 0) -> str | None:
        """Replace a file's content. Returns None, or the path of a foreign version that was there instead.

        `expected` is the content that `data` was made from. In both cases `data` is in place afterwards; a foreign version
        is the caller's to merge and then to `discard`. Raises Leftover, FileNotFoundError (the file went away; nothing
        was changed), BackendUnavailable (nothing was changed), NotDurable (done, not confirmed).
        """
        temp = self.temporary(path, slot)
        with translated(path):
            self._prepare(temp, data, like=path)
            try:
                if not exchange(temp, path):
                    self._replace_keeping(temp, path, self.temporary(path, slot + 1))
                    temp = self.temporary(path, slot + 1)
            except FileNotFoundError:
                _unlink(temp)
                raise
            except BaseException:
                # Whether the swap took place is unknown: what lies at `temp` may be somebody's work.
                self._drop_if(temp, data)
                raise
            out = os.open(temp, _READ)
            try:
                if _whole(out) != expected:
                    return temp
                problem = self._sync_folder(path)
                # An editor that had opened the old file just before the swap writes into what is now at `temp`.
                if _whole(out) != expected:
                    return temp
            finally:
                os.close(out)
            _unlink(temp)
        if problem:
            raise problem
        return None

    def create(self, path: str, data: bytes) -> None:
        """Make a new file. Raises FileExistsError where there is one (it stays as it is), Leftover."""
        temp = self.temporary(path)
        with translated(path):
            self._prepare(temp, data)
            try:
                _link_or_rename(temp, path)
            finally:
                _unlink(temp)
            problem = self._sync_folder(path)
        if problem:
            raise problem

    def replace(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Put a file in place of another, whatever that contains: for files that only the tool writes, under its lock."""
        temp = self.temporary(path)
        with translated(path):
            _unlink(temp)
            self._prepare(temp, data, like=path, sync=sync)
            try:
                os.rename(temp, path)
            except BaseException:
                _unlink(temp)
                raise
            problem = self._sync_folder(path) if sync else None
        if problem:
            raise problem

    def append(self, path: str, data: bytes, *, sync: bool = True) -> int:
        """Add bytes to the end in one write and return the new size. The caller holds the file's lock.

        A write that fails or is cut short is taken back. Raises NotDurable when only the sync failed.
        """
        with translated(path):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o666)
            try:
                size = os.fstat(descriptor).st_size
                _write_or_take_back(descriptor, data, size)
                if sync and self.durability != "none":
                    try:
                        os.fsync(descriptor)
                    except OSError as error:
                        raise _not_durable(path, error) from error
                return size + len(data)
            finally:
                os.close(descriptor)

    def move(self, source: str, target: str) -> None:
        """Move a file to another folder. Raises FileExistsError when the name is taken there by something else.

        A crash half-way leaves both names; doing it again finishes it.
        """
        with translated(source):
            try:
                _link_or_rename(source, target)
            except FileExistsError:
                if not os.path.samefile(source, target):
                    raise
            _unlink(source)
            problem = self._sync_folder(target) or self._sync_folder(source)
        if problem:
            raise problem

    def remove(self, path: str) -> None:
        """Remove a file; no error when there is none."""
        with translated(path):
            _unlink(path)
            problem = self._sync_folder(path)
        if problem:
            raise problem

    def discard(self, temp: str) -> None:
        """Remove a temporary file whose content is safe elsewhere."""
        with translated(temp):
            _unlink(temp)

    def keep(self, temp: str) -> None:
        """Put a file that nobody can read aside, in the state folder, where `check` reports it."""
        folder = os.path.join(self.state, "kept")
        with translated(temp):
            os.makedirs(folder, exist_ok=True)
            os.rename(temp, os.path.join(folder, f"{os.path.basename(temp)}-{time.time_ns()}"))

    def _prepare(self, temp: str, data: bytes, like: str | None = None, sync: bool = True) -> None:
        """Write `data` to a new temporary file, with the mode, owner and attributes of `like` if that exists."""
        try:
            descriptor = os.open(temp, _TEMP, 0o666)
        except FileExistsError:
            raise Leftover(temp) from None
        try:
            try:
                _write_all(descriptor, data)
                if like is not None:
                    _copy_attributes(like, temp, descriptor)
                if sync and self.durability != "none":
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            _unlink(temp)
            raise

    def _replace_keeping(self, temp: str, path: str, kept: str) -> None:
        """Without an atomic swap: keep the old file under a second name, then rename over it.

        A save by rename that falls exactly between the two calls is not noticed.
        """
        _unlink(kept)
        os.link(path, kept, follow_symlinks=False)
        os.rename(temp, path)

    def _drop_if(self, temp: str, data: bytes) -> None:
        try:
            if _content(temp) == data:
                _unlink(temp)
        except OSError:
            pass  # it stays and is looked at by the next writer

    def _sync_folder(self, path: str) -> NotDurable | None:
        if self.durability != "full":
            return None
        try:
            descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                return _not_durable(path, error)
        return None


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the system's errors into ours; names that exist or not stay FileExistsError and FileNotFoundError."""
    try:
        yield
    except (MdcoordError, FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise BackendUnavailable(
            f"{where}: {error.strerror or error}", hint=_advice(error.errno), path=where, errno=error.errno
        ) from error


def _advice(number: int | None) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "make room on the disk and try again; nothing was changed"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "check the permissions of the folder; nothing was changed"
    if number == errno.ELOOP:
        return "symbolic links are not followed: put the real file there"
    return "nothing was changed; try again"


def _not_durable(path: str, error: OSError) -> NotDurable:
    return NotDurable(
        f"{path}: written and visible, but the disk did not confirm it ({error.strerror or error})",
        hint="check the disk before you rely on it",
        path=path,
        errno=error.errno,
    )


def _read_once(path: str) -> tuple[bytes, bool]:
    """The content, and whether it can be believed."""
    with translated(path):
        descriptor = os.open(path, _READ)
        try:
            before = os.fstat(descriptor)
            _require_plain(path, before)
            data = _read_all(descriptor, before.st_size)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    changed = (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size)
    if changed or not data or data.isspace():
        return data, not changed and time.time() - after.st_mtime > _YOUNG
    return data, True


def _require_plain(path: str, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise BackendUnavailable(f"{path} is not a regular file", hint="put a plain file there", path=path)
    if info.st_nlink > 1:
        raise BackendUnavailable(
            f"{path} has {info.st_nlink} hard links; replacing it would part them",
            hint="copy it to a file of its own",
            path=path,
        )
    if info.st_size > MAX_BYTES:
        raise BackendUnavailable(
            f"{path} has {info.st_size} bytes; the limit is {MAX_BYTES}", hint="split the document", path=path
        )


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while data:
        data = os.read(descriptor, 1 << 20)
        parts.append(data)
    return b"".join(parts)


def _content(path: str) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        return _whole(descriptor)
    finally:
        os.close(descriptor)


def _whole(descriptor: int) -> bytes:
    """All of an open file, whatever was read from it before."""
    return os.pread(descriptor, os.fstat(descriptor).st_size + 1, 0)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_or_take_back(descriptor: int, data: bytes, size: int) -> None:
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _copy_attributes(source: str, target: str, descriptor: int) -> None:
    """Mode, then owner and extended attributes as far as we may. A file that is read-only is refused."""
    try:
        info = os.stat(source, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not info.st_mode & 0o222:
        raise BackendUnavailable(
            f"{source} is read-only", hint="make it writable for its owner first", path=source
        )
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (info.st_uid, info.st_gid):
        _tolerant(os.fchown, descriptor, info.st_uid, info.st_gid)
    if mine.st_mode != info.st_mode:
        _tolerant(os.fchmod, descriptor, stat.S_IMODE(info.st_mode))
    if hasattr(os, "listxattr"):
        _tolerant(_copy_extended, source, descriptor)


def _copy_extended(source: str, descriptor: int) -> None:
    for name in os.listxattr(source, follow_symlinks=False):
        if name.startswith(("user.", "system.posix_acl")):
            os.setxattr(descriptor, name, os.getxattr(source, name, follow_symlinks=False))


def _tolerant(function: object, *arguments: object) -> None:
    try:
        function(*arguments)  # type: ignore[operator]
    except OSError:
        pass  # not ours to give away, or not known to this file system: content matters more


def _link_or_rename(source: str, target: str) -> None:
    """Give `source` the name `target` unless that is taken; it may or may not keep its old name."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        # No links here (FAT, some network mounts): reserve the name, then rename over the empty file.
        os.close(os.open(target, _TEMP, 0o666))
        os.rename(source, target)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
