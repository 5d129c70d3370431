"""Renames that plain rename(2) cannot do in one atomic step: swap two files, and never replace one.

renameat2(2) on Linux, renamex_np(2) on macOS; where system or file system cannot, the caller is told.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_UNSUPPORTED: Final = frozenset([errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM])
_AT_FDCWD: Final = -100
_DARWIN: Final = sys.platform == "darwin"
_SWAP: Final = 2
_KEEP_TARGET: Final = 4 if _DARWIN else 1


def exchange(one: str, other: str) -> bool:
    """Swap the files at two paths. False when system or file system cannot, and nothing happened.

    Raises FileNotFoundError when one of them does not exist, OSError for everything else.
    """
    return _rename(one, other, _SWAP)


def rename_new(source: str, target: str) -> bool:
    """Rename a file to a name that is free. False when system or file system cannot, and nothing happened.

    Raises FileExistsError when the name is taken, OSError for everything else.
    """
    return _rename(source, target, _KEEP_TARGET)


def _rename(source: str, target: str, flags: int) -> bool:
    call = _call()
    if call is None:
        return False
    failure = call(os.fsencode(source), os.fsencode(target), flags)
    if failure in _UNSUPPORTED:
        return False
    if failure:
        raise OSError(failure, os.strerror(failure), source, None, target)
    return True


@cache
def _call() -> Callable[[bytes, bytes, int], int] | None:
    import ctypes  # 3 ms that only writers pay

    libc = ctypes.CDLL(None, use_errno=True)
    function: Any = getattr(libc, "renamex_np" if _DARWIN else "renameat2", None)
    if function is None:
        return None

    def darwin(source: bytes, target: bytes, flags: int) -> int:
        return ctypes.get_errno() if function(source, target, flags) else 0

    def linux(source: bytes, target: bytes, flags: int) -> int:
        return ctypes.get_errno() if function(_AT_FDCWD, source, _AT_FDCWD, target, flags) else 0

    return darwin if _DARWIN else linux
