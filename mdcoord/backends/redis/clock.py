"""The clock of the server, by which all its clients measure claims."""

from __future__ import annotations

from collections.abc import Callable

from mdcoord.backends.redis.link import Link
from mdcoord.host import Elsewhere, Host


class ServerHost(Elsewhere):
    """A machine whose time is the server's, so that claims of other machines are measured like its own.

    `name_data` tells what names the server's data, and names them when they are new.
    """

    def __init__(self, link: Link, name_data: Callable[[], str], machine: Host) -> None:
        super().__init__(machine)
        self._link = link
        self._name_data = name_data

    @property
    def boot(self) -> str:
        """Names the server's data, which live as long as its clock counts for them."""
        return self._name_data()

    def now(self) -> float:
        """Wall clock of the server, seconds since 1970."""
        return self._link.now()

    def uptime(self) -> float:
        """The same clock: it goes on when the server is started again."""
        return self._link.now()
