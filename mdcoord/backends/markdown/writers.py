"""Whether a program has a file open for writing: that tells a save that goes on from one that is over.

Linux grants a read lease (fcntl(2), F_SETLEASE) on a file only while nobody has it open for writing. So a
lease that is taken and given back at once is a question, and its refusal the answer.
"""

from __future__ import annotations

import fcntl
import os
from functools import cache
from typing import Final

_SET_LEASE: Final = getattr(fcntl, "F_SETLEASE", None)


def has_writer(descriptor: int) -> bool | None:
    """Whether anybody has the file open for writing; None when the system does not tell.

    The file must be open for reading only here. Files of other users are told about to root only.
    """
    if _SET_LEASE is None:
        return None
    try:
        # The default signal would end this process, should a program open the file in this very moment.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, _harmless_signal())
        fcntl.fcntl(descriptor, _SET_LEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    try:
        fcntl.fcntl(descriptor, _SET_LEASE, fcntl.F_UNLCK)
    except OSError:
        pass  # closing the file ends it, too
    return False


@cache
def _harmless_signal() -> int:
    import signal

    return int(signal.SIGURG)


def writer_of(descriptor: int) -> int | None:
    """A process that has the file open for writing, as far as /proc shows it to us."""
    mine = os.fstat(descriptor)
    for pid in _numbers("/proc"):
        for number in _numbers(f"/proc/{pid}/fd"):
            try:
                there = os.stat(f"/proc/{pid}/fd/{number}")
                if os.path.samestat(mine, there) and _writes(pid, number):
                    return pid
            except OSError:
                continue
    return None


def _writes(pid: int, number: int) -> bool:
    with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as table:
        flags = next((line.split()[1] for line in table if line.startswith("flags:")), "0")
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]
    except OSError:
        return []
