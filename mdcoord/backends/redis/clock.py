"""The clock of the server, by which all its clients measure claims."""

from __future__ import annotations

from functools import cached_property

from mdcoord.backends.redis.link import Link
from mdcoord.host import Host


class ServerHost(Host):
    """A machine whose time is the server's, so that claims of other machines are measured like its own.

    `boot` names the server's data, which live as long as its clock counts for them. Processes and chance are
    the machine's.
    """

    def __init__(self, link: Link, data: str, machine: Host) -> None:
        self._link = link
        self._machine = machine
        self.boot = f"redis-{data}"

    def now(self) -> float:
        """Wall clock of the server, seconds since 1970."""
        return self._link.now()

    def uptime(self) -> float:
        """The same clock: it goes on when the server is started again."""
        return self._link.now()

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
