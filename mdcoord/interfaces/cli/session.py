"""Which session a command belongs to: two terminals with the same agent name are two claimants."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mdcoord.host import Host


def session_of(environ: Mapping[str, str], host: Host) -> str:
    """`MDCOORD_SESSION`, or else the terminal's session: the host, its leader's process id and start.

    All commands that one shell starts are in one session, also in scripts and pipes. A tool that gives each
    command a session of its own (`setsid`) has to set `MDCOORD_SESSION`, or to keep the claim's token.
    """
    named = environ.get("MDCOORD_SESSION", "").strip()
    if named:
        return named
    leader = os.getsid(0)
    return "-".join(filter(None, [host.name, str(leader), host.started(leader)]))
