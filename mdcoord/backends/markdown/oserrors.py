"""What a failed call of the system means to a caller of the store."""

from __future__ import annotations

import errno
from types import TracebackType
from typing import Final

from mdcoord.errors import BackendUnavailable, NotDurable

_NO_ROOM: Final = frozenset([errno.ENOSPC, errno.EDQUOT])
_NOT_ALLOWED: Final = frozenset([errno.EACCES, errno.EPERM, errno.EROFS])
_NO_LOCKS: Final = frozenset([errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])


def unavailable(path: str, error: OSError) -> BackendUnavailable:
    """The error for a call that failed before anything was changed."""
    where = error.filename if isinstance(error.filename, str) else path
    return BackendUnavailable(
        f"{where}: {error.strerror or error}", hint=_advice(error.errno), path=where, errno=error.errno
    )


def not_durable(path: str, error: OSError) -> NotDurable:
    """The error for a call that failed when the change was visible already."""
    return NotDurable(
        f"{path}: written and visible, but the disk did not confirm it ({error.strerror or error})",
        hint="check the disk before you rely on it",
        path=path,
        errno=error.errno,
    )


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


def _advice(number: int | None) -> str:
    if number in _NO_ROOM:
        return "make room on the disk and try again; nothing was changed"
    if number in _NOT_ALLOWED:
        return "check the permissions of the folder; nothing was changed"
    if number == errno.ELOOP:
        return "symbolic links are not followed: put the real file there"
    if number in _NO_LOCKS:
        return "keep the workspace's state folder on a file system that has locks"
    return "nothing was changed; try again"
