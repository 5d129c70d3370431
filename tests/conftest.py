"""Options of the test run, whose servers it may use, and the command line in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from commands import Mdcoord, call
from redis_servers import Server, Start, some_program

# A server that happens to run here, or that the developer's shell names, is nobody's to write to.
for _name in (
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "TASK_MANAGER_FILE_PATH",
    "MDCOORD_MODE",
    "MDCOORD_BACKEND",
):
    os.environ.pop(_name, None)
if _command := os.environ.pop("MDCOORD_TASKQUEUE_COMMAND", None):
    os.environ["TEST_TASKQUEUE_COMMAND"] = _command


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-transcripts",
        action="store_true",
        help="write what the commands in tests/transcripts print now into their files",
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and an environment that says only who calls."""
    for name in os.environ:
        if name.startswith(("MDCOORD_", "CLAUDE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MDCOORD_SESSION", "here")
    monkeypatch.setenv("MDCOORD_DURABILITY", "none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mdcoord(project: Path) -> Mdcoord:
    """The command line, in a workspace that was made just now."""
    assert call("init").code == 0
    return call


@pytest.fixture(scope="module")
def server(request: Any) -> Iterator[Server]:
    """A Redis server for the tests of one module; a parameter may name which one."""
    server = Server(some_program(getattr(request, "param", None)))
    yield server
    server.close()


@pytest.fixture
def url(server: Server) -> str:
    """The address of a new workspace on that server."""
    return server.new_url()


@pytest.fixture
def others(server: Server) -> Iterator[Any]:
    """How other programs look at that server."""
    redis = pytest.importorskip("redis")
    with redis.Redis(unix_socket_path=str(server.socket), decode_responses=True) as client:
        yield client


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts a server with such settings, for one test."""
    with ExitStack() as stack:

        def start(*options: str) -> Server:
            server = Server(some_program(), *options)
            stack.callback(server.close)
            return server

        yield start
