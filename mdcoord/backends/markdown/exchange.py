"""Swap two files in one atomic step, where the system can: renameat2(2) on Linux, renamex_np(2) on macOS."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_UNSUPPORTED: Final = frozenset([errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM])
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_RENAME_SWAP: Final = 2


def exchange(one: str, other: str) -> bool:
    """Swap the files at two paths. False when system or file system cannot, and nothing happened.

    Raises FileNotFoundError when one of them does not exist, OSError for everything else.
    """
    call = _call()
    if call is None:
        return False
    failure = call(os.fsencode(one), os.fsencode(other))
    if failure in _UNSUPPORTED:
        return False
    if failure:
        raise OSError(failure, os.strerror(failure), one, None, other)
    return True


@cache
def _call() -> Callable[[bytes, bytes], int] | None:
    import ctypes  # 3 ms that only writers pay

    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        function: Any = getattr(libc, "renamex_np", None)
        tail: tuple[int, ...] = (_RENAME_SWAP,)
    else:
        function = getattr(libc, "renameat2", None)
        tail = (_RENAME_EXCHANGE,)
    if function is None:
        return None

    def darwin(one: bytes, other: bytes) -> int:
        return ctypes.get_errno() if function(one, other, *tail) else 0

    def linux(one: bytes, other: bytes) -> int:
        return ctypes.get_errno() if function(_AT_FDCWD, one, _AT_FDCWD, other, *tail) else 0

    return darwin if sys.platform == "darwin" else linux
