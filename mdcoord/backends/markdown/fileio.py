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
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Final

from mdcoord.backends.markdown.attributes import copy_attributes, mark, marked, tolerant
from mdcoord.backends.markdown.descriptors import (
    APPEND,
    READ,
    TEMP,
    close_quietly,
    read_all,
    write_all,
    write_or_take_back,
    writing,
)
from mdcoord.backends.markdown.exchange import rename_new
from mdcoord.backends.markdown.flock import Lock, peek
from mdcoord.backends.markdown.oserrors import not_durable, translated
from mdcoord.backends.markdown.swap import Leftover, Swap, content, content_of, wait_for_writers
from mdcoord.errors import BackendUnavailable, NotDurable
from mdcoord.formats.yamltext.limits import MAX_FILE
from mdcoord.layout import STATE

_SETTLE: Final = 0.25
"""Seconds for which an empty or changing file is taken to be in the middle of being saved."""
_YOUNG: Final = 2.0
"""Only a file changed this many seconds ago can be in the middle of being saved."""
_PAUSE: Final = 0.01
_NO_DIRECTORY_SYNC: Final = frozenset([errno.EINVAL, errno.ENOTSUP, errno.EBADF])
_CANNOT_LINK: Final = frozenset([errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])


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
            self._hide()

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
        return marked(path)

    def saved_at(self, path: str) -> int:
        """When somebody wrote to a file last, in nanoseconds, as far as the system tells."""
        with translated(path):
            return os.stat(path, follow_symlinks=False).st_mtime_ns

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
            with writing(path, APPEND) as descriptor:
                write_or_take_back(descriptor, data)
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
                tolerant(os.rmdir, path)
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

    def _hide(self) -> None:
        """Keep the state, which may hold a password, from git: also where a repository is made later."""
        path = os.path.join(self.state, ".gitignore")
        if os.path.basename(self.state) == STATE and not os.path.lexists(path):
            with suppress(FileExistsError), writing(path, TEMP, 0o666) as descriptor:
                write_all(descriptor, b"*\n")

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
            file = writing(temp, TEMP, mode)
        except FileExistsError:
            raise Leftover(temp) from None
        try:
            with file as descriptor:
                write_all(descriptor, data)
                if like is not None:
                    copy_attributes(like, descriptor)
                if version:
                    mark(descriptor, version)
                if sync and self.durability != "none":
                    os.fsync(descriptor)
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
                data = read_all(descriptor, before.st_size)
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


def _require_plain(path: str, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise BackendUnavailable(f"{path} is not a regular file", hint="put a plain file there", path=path)
    if info.st_size > MAX_FILE:
        raise BackendUnavailable(
            f"{path} has {info.st_size} bytes; the limit is {MAX_FILE}", hint="split the document", path=path
        )


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
        os.close(os.open(target, TEMP, 0o666))
        os.rename(source, target)
    else:
        os.unlink(source)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
