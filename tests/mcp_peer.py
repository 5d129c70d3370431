"""A client of the MCP server, for tests: the official one, with a plain `call` that reads the answers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import Implementation

from mdcoord import Workspace
from mdcoord.interfaces.mcp.server import make_server
from mdcoord.interfaces.mcp.session import Session

REPOSITORY = Path(__file__).resolve().parents[1]

ERAS = {"handshake": "legacy", "stateless": "auto"}
"""How the official client is told to speak the protocols of each era."""

WAIT = 60
"""Seconds after which a test gives up; far more than anything here takes."""


class Refused(Exception):
    """The answer to a call was an error."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self.answer = answer
        self.code = answer.get("error")


class Peer:
    """One client that is connected. `session` is the server's side where that runs in this process."""

    def __init__(self, client: Client, session: Session | None = None) -> None:
        self.client = client
        self.session = session

    async def text(self, tool: str, **arguments: Any) -> tuple[str, bool]:
        """The text of an answer, and whether it is an error."""
        result = await self.client.call_tool(tool, arguments)
        assert len(result.content) == 1
        assert result.structured_content is None
        return result.content[0].text, bool(result.is_error)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer of the tool `coord_…`. Raises Refused."""
        text, failed = await self.text(f"coord_{tool}", **arguments)
        answer = json.loads(text)
        if failed:
            raise Refused(answer)
        return answer


@asynccontextmanager
async def connected(
    root: Path,
    agent: str | None = None,
    *,
    era: str = "stateless",
    client: str = "Test Client",
    session: Callable[..., Session] = Session,
) -> AsyncIterator[Peer]:
    """A client of a server in this process."""
    served = session(lambda agent, id: Workspace.open(root, agent=agent, session=id), agent)
    info = Implementation(name=client, version="1")
    async with Client(make_server(served), mode=ERAS[era], client_info=info) as found:
        yield Peer(found, served)


@asynccontextmanager
async def started(root: Path, *options: str, era: str = "stateless") -> AsyncIterator[Peer]:
    """A client of a server process of its own."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mdcoord", "mcp", "--root", str(root), *options],
        env={**os.environ},
        cwd=root,
    )
    async with Client(stdio_client(parameters), mode=ERAS[era]) as found:
        yield Peer(found)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story to its end, within bounds."""

    async def bounded() -> None:
        with anyio.fail_after(WAIT):
            await story()

    anyio.run(bounded)
