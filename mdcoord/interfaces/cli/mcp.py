"""`mdcoord mcp`."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

from mdcoord.errors import UsageError
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import note


@verb("mcp", example="mdcoord mcp --agent backend")
def mcp(call: Call) -> None:
    """Serve a coding agent (MCP) on stdin and stdout.

    Its client starts this, as .mcp.json says. The agent is --agent or the environment's, else what the client
    calls itself. Its claims are renewed while this runs, and released when it ends.
    """
    if find_spec("mcp_types") is None:  # which comes with version 2 of the package mcp
        raise UsageError("the MCP server needs an extra", hint="pip install 'mdcoord[mcp]'", extra="mcp")
    gc.enable()
    from mdcoord.interfaces.mcp.server import serve
    from mdcoord.interfaces.mcp.session import Session

    if sys.stdin.isatty():
        note("mdcoord: waiting for an MCP client on stdin; Ctrl-D ends this")
    serve(Session(lambda agent, session: call.open(agent=agent, session=session), call.agent))
