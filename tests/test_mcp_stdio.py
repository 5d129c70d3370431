"""`mdcoord mcp` as a process: both protocol eras, what ends it, and what it survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp_peer import ERAS, REPOSITORY, WAIT, Refused, run, started
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, OLDEST_SUPPORTED_VERSION

from mdcoord import Workspace
from mdcoord.interfaces.mcp.tools import TOOLS


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path, agent="human") as found:
        found.tasks.create("Train", id="train")
        yield found


def root_of(workspace: Workspace) -> Path:
    assert workspace.root
    return workspace.root


class Wire:
    """A server process, and the lines that go to it and come from it."""

    def __init__(self, root: Path, *options: str, **variables: str) -> None:
        command = [sys.executable, "-m", "mdcoord", "mcp", "--root", str(root), *options]
        pipe, env = subprocess.PIPE, {**os.environ, **variables}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env)
        self._number = 0

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The response to a request; everything that comes before it must be protocol."""
        assert self.process.stdout
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self.send(json.dumps(request).encode())
        while True:
            response: dict[str, Any] = json.loads(self.process.stdout.readline())
            assert response["jsonrpc"] == "2.0"
            if response.get("id") == self._number:
                return response

    def shake_hands(self, version: str = "2025-11-25") -> dict[str, Any]:
        client = {"name": "wire", "version": "1"}
        response = self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo=client)
        self.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode())
        found: dict[str, Any] = response["result"]
        return found

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        answer: dict[str, Any] = json.loads(result["content"][0]["text"])
        return answer

    def end(self) -> tuple[int, bytes]:
        """The exit code, and what is left on stdout."""
        rest, _ = self.process.communicate(timeout=WAIT)
        return self.process.returncode, rest

    def close(self) -> None:
        """Kill it, whatever became of it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream
            with suppress(OSError):
                stream.close()


@pytest.fixture
def wire(workspace: Workspace) -> Iterator[Wire]:
    found = Wire(root_of(workspace), "--agent", "ada")
    yield found
    found.close()


@pytest.mark.parametrize("era", ERAS)
def test_the_official_client(workspace: Workspace, era: str) -> None:
    async def story() -> None:
        async with started(root_of(workspace), "--agent", "ada", era=era) as peer:
            assert (peer.client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS) == (era == "handshake")
            assert peer.client.server_info.name == "mdcoord"
            assert [tool.name for tool in (await peer.client.list_tools()).tools] == [*TOOLS]
            assert (await peer.call("claim_task"))["id"] == "train"
            with pytest.raises(Refused) as refused:
                await peer.call("claim_task")
            assert refused.value.code == "nothing_ready"
            assert workspace.tasks.get("train").assigned_agent == "ada"

    run(story)
    task = workspace.tasks.get("train")
    assert (task.status, task.holder) == ("pending", None), "its claim ended with it"


def test_the_oldest_protocol(wire: Wire) -> None:
    assert wire.shake_hands(OLDEST_SUPPORTED_VERSION)["protocolVersion"] == "2024-11-05"
    assert len(wire.ask("tools/list")["result"]["tools"]) == len(TOOLS)
    assert wire.call("coord_status")["agent"] == "ada"


def test_the_end_of_stdin_ends_it(workspace: Workspace) -> None:
    server = Wire(root_of(workspace), CLAUDE_INSTANCE_ID="backend")
    server.shake_hands()
    assert server.call("coord_claim_task")["id"] == "train"
    assert workspace.tasks.get("train").assigned_agent == "backend"
    assert server.end() == (0, b"")
    assert workspace.tasks.get("train").status == "pending"


def test_a_signal_ends_it(workspace: Workspace) -> None:
    signals = (signal.SIGTERM, signal.SIGINT)
    servers = {number: Wire(root_of(workspace)) for number in signals}
    for number, server in servers.items():
        server.shake_hands()
        assert server.call("coord_claim_task")["id"] == "train"
        server.process.send_signal(number)
        assert server.process.wait(WAIT) == 0
        assert workspace.tasks.get("train").status == "pending"
        assert server.end() == (0, b"")


def test_what_a_killed_one_held_is_free_at_once(wire: Wire, workspace: Workspace) -> None:
    wire.shake_hands()
    claimed = wire.call("coord_claim_task")
    wire.process.kill()
    wire.process.wait(WAIT)
    assert workspace.tasks.get("train").status == "in_progress"
    with workspace.tasks.claim("train") as claim:
        assert claim.attempt == claimed["attempt"] + 1
        claim.complete()


def test_a_client_that_stops_reading_ends_it(wire: Wire, workspace: Workspace) -> None:
    wire.shake_hands()
    assert wire.call("coord_claim_task")["id"] == "train"
    assert wire.process.stdout
    wire.process.stdout.close()
    wire.send(json.dumps({"jsonrpc": "2.0", "id": 99, "method": "tools/list"}).encode())
    assert wire.process.stdin
    wire.process.stdin.close()
    assert wire.process.wait(WAIT) == 141
    assert workspace.tasks.get("train").status == "pending"


def test_garbage_does_not_stop_it(wire: Wire) -> None:
    wire.shake_hands()
    for line in (b"", b"hello", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 50_000, b'{"jsonrpc":"2.0"}'):
        wire.send(line)
    wire.send(b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":7}}')
    wire.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/nothing", "params": {}}).encode())
    assert wire.ask("nothing/at/all")["error"]["code"] == -32601
    assert wire.call("coord_query", kind="task", where="x" * 2_000_000)["error"]
    assert wire.call("coord_status")["ready"] == 1


def test_two_servers_share_the_work(workspace: Workspace) -> None:
    for number in range(9):
        workspace.tasks.create(f"Task {number}", id=f"t{number}")
    claimed: list[str] = []

    async def story() -> None:
        async with started(root_of(workspace)) as one, started(root_of(workspace)) as other:

            async def take(peer: Any) -> None:
                for _ in range(5):
                    claimed.append((await peer.call("claim_task"))["id"])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take, one)
                tasks.start_soon(take, other)

    run(story)
    assert sorted(claimed) == sorted(task.id for task in workspace.tasks.list())


def test_stdout_is_protocol_only_and_stderr_is_quiet(wire: Wire, workspace: Workspace) -> None:
    wire.shake_hands()
    (root_of(workspace) / "task-broken.md").write_text("---\nstatus: [\n---\n")
    assert wire.call("coord_query", kind="task")["count"] == 1
    out, err = wire.process.communicate(timeout=WAIT)
    assert (out, err) == (b"", b"")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['mcp_types'] = None; from mdcoord.__main__ import main; main()"
    command = [sys.executable, "-c", program, "mcp", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=WAIT)
    assert (done.returncode, done.stdout) == (2, b"")
    assert json.loads(done.stderr)["hint"] == "pip install 'mdcoord[mcp]'"


def test_no_other_command_loads_the_sdk(workspace: Workspace) -> None:
    program = (
        "import sys; from mdcoord.interfaces.cli.app import cli\n"
        "cli(['mcp', '--help'], standalone_mode=False)\n"
        "cli(['task', 'list'], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    env = {**os.environ, "MDCOORD_ROOT": str(workspace.root)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=WAIT
    )
    assert done.returncode == 0, done.stderr
    assert not {"mcp", "mcp_types", "pydantic", "anyio", "asyncio"} & set(done.stderr.split())
    assert os.listdir(root_of(workspace))
