"""The only place that writes files: locks, temporary files, atomic replacement, durability.

What is promised, per durability policy: `full` – an acknowledged write survives a crash of the system
(file and directory synced); `data` – the file's content is synced, the directory entry is left to the
system; `none` – only crashes of processes are survived. Under every policy a reader sees the old or the
new content, never a mixture, except after `append`, whose readers ignore an unfinished last block.

People's editors take no lock. So a replacement *swaps* the new file in and looks at what it got out. When
that is not what it expected, or somebody still writes to it, a save came in between: the very same file
is swapped back, and the caller starts again from what was saved.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from types import TracebackType
from typing import Final
from weakref import WeakSet

from mdcoord.backends.markdown.exchange import rename_new
from mdcoord.backends.markdown.flock import Lock, peek
from mdcoord.backends.markdown.oserrors import not_durable, unavailable
from mdcoord.backends.markdown.swap import READ, Leftover, Swap, content, content_of, wait_for_writers
from mdcoord.errors import BackendUnavailable, NotDurable
from mdcoord.formats.yamltext.limits import MAX_FILE

_TEMP: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_SETTLE: Final = 0.25
"""Seconds for which an empty or changing file is taken to be in the middle of being saved."""
_YOUNG: Final = 2.0
"""Only a file changed this many seconds ago can be in the middle of being saved."""
_PAUSE: Final = 0.01
_MARK: Final = "user.mdcoord.version"
"""The attribute in which a file tells which version of it the tool wrote."""
_NO_DIRECTORY_SYNC: Final = frozenset([errno.EINVAL, errno.ENOTSUP, errno.EBADF])
_CANNOT_LINK: Final = frozenset([errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])


_written: WeakSet[io.FileIO] = WeakSet()
"""Files that are being written; a forked child that kept one open would pass for an editor."""


class FileIO:
    """File operations of one workspace.

    `root` holds the documents, `state` the locks and what is never in git. `writable` is asked by whoever has
    got a lock; while it says no, the lock is let go and waited for.
    """

    def __init__(self, root: str, state: str, durability: str = "full") -> None:
        self.root = root
        self.state = state
        self.durability = durability
        self.writable: Callable[[], bool] | None = None
        self._locks = os.path.join(state, "locks")
        self._aside = os.path.join(state, "kept")

    def prepare(self) -> None:
        """Make the state folders. Only writers need them; reading works without."""
        with translated(self.state):
            os.makedirs(self._locks, exist_ok=True)
            os.makedirs(os.path.join(self.state, "history"), exist_ok=True)

    def lock(self, name: str, wait: float = 10.0) -> Lock:
        """The exclusive lock of this name, to be used with `with`; waits up to `wait` seconds, then Busy."""
        return Lock(self.lock_path(name), name, wait, self.writable)

    def lock_path(self, name: str) -> str:
        """The file of a lock."""
        return f"{self._locks}{os.sep}{name}"

    def locked_names(self) -> list[str]:
        """The names of all locks that were ever taken."""
        return [os.path.basename(path) for path in self._files_in(self._locks, "")]

    def peek(self, name: str) -> bytes:
        """The state line of a lock, without taking it."""
        return peek(self.lock_path(name))

    def read(self, path: str) -> bytes:
        """The file's content, read while nobody changed it. Raises FileNotFoundError, BackendUnavailable.

        An empty file that was changed just now is looked at again for a moment: editors truncate before
        they write.
        """
        deadline = None
        while True:
            data, settled = self._read_once(path)
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

    def swap(self, path: str, data: bytes, expected: bytes, *, version: str = "", slot: int = 0) -> bool:
        """Replace a file's content, which is `expected`. False when somebody saved another one meanwhile.

        What he saved is in place then. `version` is what `marked` will tell. Raises FileNotFoundError
        (the file went away), Busy (somebody keeps it open for writing), BackendUnavailable, all with
        nothing changed; NotDurable (done, not confirmed); Leftover.
        """
        temp = self.temporary(path, slot)
        with translated(path):
            self._prepare(temp, data, like=path, version=version)
            swap = Swap(path, temp, partial(self.temporary, path, slot + 1), data)
            return swap.run(expected, partial(self._sync_folder, path))

    def marked(self, path: str) -> str:
        """The version that the tool wrote to this file, if it still tells; its content may differ."""
        try:
            return os.getxattr(path, _MARK, follow_symlinks=False).decode("ascii", "replace")
        except (OSError, AttributeError):
            return ""

    def leftover(self, temp: str) -> bytes:
        """The content of a file that others wrote, as of a temporary one that a killed writer left.

        Raises Busy while somebody writes to it.
        """
        with translated(temp):
            descriptor = os.open(temp, READ)
            try:
                wait_for_writers(descriptor, temp)
                return content(descriptor)
            finally:
                os.close(descriptor)

    def create(self, path: str, data: bytes, *, version: str = "") -> None:
        """Make a new file. Raises FileExistsError where there is one (it stays as it is), Leftover."""
        temp = self.temporary(path)
        with translated(path):
            self._prepare(temp, data, version=version)
            try:
                _give_name(temp, path)
            except BaseException:
                _unlink(temp)
                raise
            problem = self._sync_folder(path)
        if problem:
            raise problem

    def replace(self, path: str, data: bytes, *, sync: bool = True, private: bool = False) -> None:
        """Put a file in place of another, whatever that contains.

        For files that only the tool writes, under its lock. A `private` one is for its owner's eyes.
        """
        temp = self.temporary(path)
        with translated(path):
            _unlink(temp)
            self._prepare(temp, data, like=path, sync=sync, mode=0o600 if private else 0o666)
            try:
                os.rename(temp, path)
            except BaseException:
                _unlink(temp)
                raise
            problem = self._sync_folder(path) if sync else None
        if problem:
            raise problem

    def append(self, path: str, data: bytes, *, sync: bool = True) -> int:
        """Add bytes to the end in one write and return where they end. The caller holds the file's lock.

        A write that fails or is cut short is taken back. Raises NotDurable when only what follows it
        failed.
        """
        with translated(path):
            with _writing(path, _APPEND) as descriptor:
                _write_or_take_back(descriptor, data)
                try:
                    end = os.lseek(descriptor, 0, os.SEEK_CUR)
                    if sync and self.durability != "none":
                        os.fsync(descriptor)
                except OSError as error:
                    raise not_durable(path, error) from error
            return end

    def move(self, source: str, target: str) -> None:
        """Move a file to another folder. Raises FileExistsError when the name is taken there."""
        with translated(source):
            _give_name(source, target)
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

    def make_folder(self, path: str) -> None:
        """Make a folder, unless it is there, as durably as its files."""
        with translated(path):
            try:
                os.mkdir(path)
            except FileExistsError:
                return
            problem = self._sync_folder(path)
            if problem:
                _tolerant(os.rmdir, path)
                raise BackendUnavailable(problem.message, hint="nothing was changed; try again", path=path)

    def keep(self, temp: str, path: str) -> None:
        """Put what nobody can merge into `path` aside, in the state folder, for a person to look at."""
        target = os.path.join(self._aside, f"{os.path.basename(path)}-{time.time_ns()}")
        with translated(temp):
            os.makedirs(self._aside, exist_ok=True)
            try:
                os.rename(temp, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self.replace(target, content_of(temp))
                _unlink(temp)
            self._sync_folder(target)

    def set_aside(self) -> list[str]:
        """The files that `keep` put aside."""
        return self._files_in(self._aside, "")

    def temporaries(self, folder: str) -> list[str]:
        """All temporary files in a folder, of living and of killed writers."""
        return [path for path in self._files_in(folder, ".mdc-") if path.endswith(".tmp")]

    def _files_in(self, folder: str, prefix: str) -> list[str]:
        try:
            with translated(folder), os.scandir(folder) as entries:
                return sorted(entry.path for entry in entries if entry.name.startswith(prefix))
        except FileNotFoundError:
            return []

    def _prepare(
        self,
        temp: str,
        data: bytes,
        like: str | None = None,
        version: str = "",
        sync: bool = True,
        mode: int = 0o666,
    ) -> None:
        """Write `data` to a new temporary file, with mode, owner and attributes of `like` if it exists."""
        try:
            with _writing(temp, _TEMP, mode) as descriptor:
                _write_all(descriptor, data)
                if like is not None:
                    _copy_attributes(like, temp, descriptor)
                if version:
                    _mark(descriptor, version)
                if sync and self.durability != "none":
                    os.fsync(descriptor)
        except FileExistsError:
            raise Leftover(temp) from None
        except BaseException:
            _unlink(temp)
            raise

    def _read_once(self, path: str) -> tuple[bytes, bool]:
        """The content, and whether it can be believed."""
        with translated(path):
            descriptor = os.open(path, READ)
            try:
                before = os.fstat(descriptor)
                _require_plain(path, before)
                if before.st_nlink > 1:
                    self._require_own_links(path, before)
                data = _read_all(descriptor, before.st_size)
                after = os.fstat(descriptor)
            finally:
                close_quietly(descriptor)
        changed = (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size)
        if changed or not data or data.isspace():
            return data, not changed and time.time() - after.st_mtime > _YOUNG
        return data, True

    def _require_own_links(self, path: str, info: os.stat_result) -> None:
        for slot in (0, 1):
            try:
                if os.path.samestat(info, os.stat(self.temporary(path, slot), follow_symlinks=False)):
                    return  # of a writer that gives the file its name right now, or was killed when it did
            except FileNotFoundError:
                pass
        raise BackendUnavailable(
            f"{path} has {info.st_nlink} hard links; replacing it would part them",
            hint="copy it to a file of its own",
            path=path,
        )

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
                return not_durable(path, error)
        return None


class translated:
    """Turns the system's errors into ours, but for FileExistsError and FileNotFoundError."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, FileExistsError | FileNotFoundError):
            raise unavailable(self._path, error) from error


def _require_plain(path: str, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise BackendUnavailable(f"{path} is not a regular file", hint="put a plain file there", path=path)
    if info.st_size > MAX_FILE:
        raise BackendUnavailable(
            f"{path} has {info.st_size} bytes; the limit is {MAX_FILE}", hint="split the document", path=path
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


class _writing:
    """A file open for writing, as a descriptor, for the length of a `with`."""

    def __init__(self, path: str, flags: int, mode: int = 0o666) -> None:
        # FileIO rather than a bare number: an interrupt between open and the assignment closes it.
        self._file = io.FileIO(path, "w", opener=lambda path, _flags: os.open(path, flags, mode))

    def __enter__(self) -> int:
        _written.add(self._file)
        return self._file.fileno()

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_or_take_back(descriptor: int, data: bytes) -> None:
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
        if name.startswith(("user.", "system.posix_acl")) and name != _MARK:
            os.setxattr(descriptor, name, os.getxattr(source, name, follow_symlinks=False))


def _tolerant(function: object, *arguments: object) -> None:
    try:
        function(*arguments)  # type: ignore[operator]
    except OSError:
        pass  # not ours to give away, or not known to this file system: content matters more


def _mark(descriptor: int, version: str) -> None:
    if hasattr(os, "setxattr"):
        _tolerant(os.setxattr, descriptor, _MARK, version.encode())


def _give_name(source: str, target: str) -> None:
    """Rename a file to a name that must be free. Raises FileExistsError."""
    if rename_new(source, target):
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        # No links either (FAT, some network mounts): reserve the name, then rename over the empty file.
        os.close(os.open(target, _TEMP, 0o666))
        os.rename(source, target)
    else:
        os.unlink(source)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _forget_after_fork() -> None:
    for file in list(_written):
        file.close()


os.register_at_fork(after_in_child=_forget_after_fork)
