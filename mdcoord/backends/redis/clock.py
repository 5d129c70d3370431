"""The clock of the server, by which all its clients measure claims."""

from __future__ import annotations

from mdcoord.backends.redis.link import Link
from mdcoord.host import Elsewhere, Host


class ServerHost(Elsewhere):
    """A machine whose time is the server's, so that claims of other machines are measured like its own.

    `boot` names the server's data, which live as long as its clock counts for them.
    """

    def __init__(self, link: Link, data: str, machine: Host) -> None:
        super().__init__(machine)
        self._link = link
        self.boot = f"redis-{data}"

    def now(self) -> float:
        """Wall clock of the server, seconds since 1970."""
        return self._link.now()

    def uptime(self) -> float:
        """The same clock: it goes on when the server is started again."""
        return self._link.now()
