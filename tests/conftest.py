"""What all tests share: their environment and options, stores, servers, the command line in an own folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from commands import Mdcoord, call
from hypothesis import HealthCheck, settings
from redis_servers import Server, Start, some_program

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.memory import MemoryBackend

if _command := os.environ.get("MDCOORD_TASKQUEUE_COMMAND"):
    os.environ["TEST_TASKQUEUE_COMMAND"] = _command
# What the developer's shell says is for no test: who calls, whose workspace, which server, which repository.
for _name in [*os.environ]:
    if _name.startswith(("MDCOORD_", "CLAUDE_", "REDIS_", "TASK_MANAGER_", "GIT_")):
        del os.environ[_name]
# Processes that tests start run this very mdcoord, and nothing has to survive a power cut.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
)
os.environ["MDCOORD_DURABILITY"] = "none"

# How long an example takes says only how busy the machine is.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-transcripts",
        action="store_true",
        help="write what the commands in tests/transcripts print now into their files",
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and an environment that says who calls."""
    monkeypatch.setenv("MDCOORD_SESSION", "here")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mdcoord(project: Path) -> Mdcoord:
    """The command line, in a workspace that was made just now."""
    assert call("init").code == 0
    return call


@pytest.fixture(params=["memory", "markdown"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A store in this process's memory, and one in files."""
    if request.param == "memory":
        return MemoryBackend()
    root = tmp_path / "root"
    root.mkdir()
    return MarkdownBackend(root, durability="none")


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

        def start(*options: str, program: str | None = None) -> Server:
            server = Server(some_program(program), *options)
            stack.callback(server.close)
            return server

        yield start
