"""This machine as a claim sees it: its clocks, its boot, its dice, and whether a process still lives.

One object, handed in wherever time, chance or liveness matters, so that tests set them instead of waiting.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import cached_property, lru_cache

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as `2026-01-31T09:30:00.000Z`."""
    whole, rest = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    # One claim writes half a dozen stamps of the same second.
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"


def seconds_of(stamp: object) -> float | None:
    """Seconds since 1970 of an ISO 8601 text (a missing zone means UTC); None when it is no such text."""
    if not isinstance(stamp, str):
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Host:
    """Clocks, chance and identity of the machine that this process runs on."""

    def now(self) -> float:
        """Wall clock, seconds since 1970. May jump; only for stamps that people read."""
        return time.time()

    def stamp(self) -> str:
        """The wall clock as text."""
        return timestamp(self.now())

    def uptime(self) -> float:
        """Seconds since boot, counting sleep where the system can; comparable within one `boot` only."""
        return time.clock_gettime(_BOOT_CLOCK)

    def chance(self) -> float:
        """A random number from 0 to below 1, for jitter."""
        import random

        return random.random()

    @cached_property
    def name(self) -> str:
        """The host's name, for people."""
        return os.uname().nodename

    @cached_property
    def boot(self) -> str:
        """Names one boot of one machine and its clock; `uptime` of two holders compares only when it is
        equal.
        """
        return _read("/proc/sys/kernel/random/boot_id") + _namespace("time") or self.name

    @cached_property
    def processes(self) -> str:
        """Names the set of process ids that this process sees: a pid means something only within it."""
        return self.boot + _namespace("pid")

    def started(self, pid: int) -> str:
        """When a process started, as an opaque text that tells it from a later one with the same id; "" if
        unknown.
        """
        return _own_start(pid) if pid == os.getpid() else _start_of(_stat(pid))

    def alive(self, pid: int, started: str) -> bool:
        """Whether this very process still runs; a zombie counts as gone, a doubt as alive."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        fields = _stat(pid)
        if not fields:
            return True
        return fields[0] not in "ZX" and (not started or _start_of(fields) in ("", started))


class Elsewhere(Host):
    """A machine that goes by a clock elsewhere: a subclass tells `now`, `uptime` and `boot`.

    Processes and chance are the machine's.
    """

    def __init__(self, machine: Host) -> None:
        self._machine = machine

    def chance(self) -> float:
        """A random number from 0 to below 1, for jitter."""
        return self._machine.chance()

    @cached_property
    def name(self) -> str:
        """The machine's name, for people."""
        return self._machine.name

    @cached_property
    def processes(self) -> str:
        """Names the set of process ids that this process sees."""
        return self._machine.processes

    def started(self, pid: int) -> str:
        """When a process of this machine started."""
        return self._machine.started(pid)

    def alive(self, pid: int, started: str) -> bool:
        """Whether a process of this machine still runs."""
        return self._machine.alive(pid, started)


@lru_cache(1)  # the pid tells a forked child from its parent
def _own_start(pid: int) -> str:
    return _start_of(_stat(pid))


def _start_of(fields: list[str]) -> str:
    return fields[19] if len(fields) > 19 else ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name, which may hold blanks and brackets."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 4096).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)


def _namespace(kind: str) -> str:
    try:
        return "/" + os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return ""
