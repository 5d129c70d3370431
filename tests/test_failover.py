"""Replicas: which address can be used, and what becomes of those who work when one becomes the primary."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from claimants import Claimants
from commands import call
from redis_servers import Relay, Server, Start, some_program

from mdcoord.backends.redis.store import RedisBackend
from mdcoord.errors import AlreadyExists, BackendUnavailable
from mdcoord.workspace import Workspace

redis = pytest.importorskip("redis")

TASKS = 60


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def asked(server: Server, *command: str) -> Any:
    with redis.Redis(unix_socket_path=str(server.socket), decode_responses=True) as client:
        return client.execute_command(*command)


class Pair(NamedTuple):
    primary: Server
    replica: Server

    def switch(self) -> None:
        """Let them change places; nothing that was acknowledged is lost."""
        asked(self.primary, "FAILOVER")
        while asked(self.replica, "ROLE")[0] != "master" or asked(self.primary, "ROLE")[0] != "slave":
            pass


@pytest.fixture(params=["valkey", "redis"])
def pair(request: pytest.FixtureRequest, started: Start) -> Pair:
    def listening(port: str, *options: str) -> Server:
        return started("--port", port, "--bind", "127.0.0.1", *options, program=request.param)

    first = free_port()
    primary = listening(first, "--repl-diskless-sync-delay", "0")
    replica = listening(free_port(), "--replicaof", "127.0.0.1", first)
    while asked(replica, "ROLE")[3] != "connected":
        pass
    return Pair(primary, replica)


@pytest.fixture
def relay(pair: Pair, tmp_path: Path) -> Iterator[Relay]:
    """What stands at the one address of both."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    relay = Relay(pair.primary, listener)
    yield relay
    relay.close()


def test_a_replica_is_no_place_for_a_workspace(pair: Pair) -> None:
    with pytest.raises(BackendUnavailable, match="is a replica, which takes no writes") as caught:
        RedisBackend(pair.replica.url(timeout=0.1))
    assert "name its primary" in caught.value.hint


def test_a_sentinel_is_no_place_either(tmp_path: Path) -> None:
    settings = tmp_path / "sentinel.conf"
    settings.write_text("sentinel monitor team 127.0.0.1 1 1\n")
    server = Server([some_program()[0], str(settings), "--sentinel"])
    try:
        with pytest.raises(BackendUnavailable, match="is a Sentinel, which keeps no data") as caught:
            RedisBackend(server.url())
        assert "name the primary" in caught.value.hint
    finally:
        server.close()


def test_who_works_behind_one_address_goes_on_after_a_fail_over(
    pair: Pair, relay: Relay, tmp_path: Path
) -> None:
    url = f"unix://{tmp_path}/s?prefix=t:&timeout=20"
    with Workspace.open(url) as w:
        for number in range(TASKS):
            w.tasks.create("x", id=f"n{number:02}")
    claimants = Claimants(url, TASKS)
    claimants.wait_for(TASKS // 3)
    pair.switch()
    relay.server = pair.replica
    claimants.end()
    assert sorted(claimants.done) == [(f"n{number:02}", 1) for number in range(TASKS)]
    with Workspace.open(pair.replica.url("t:")) as w:
        assert {(task.status, task.attempt) for task in w.tasks.list()} == {("completed", 1)}


@pytest.mark.parametrize("primary", ["demoted", "lost"])
def test_a_new_primary_at_another_address_is_named_by_init(
    pair: Pair, primary: str, project: Path, started: Start
) -> None:
    with Workspace.create(backend=pair.primary.url("t:", timeout=1)) as w:
        w.tasks.create("Train", id="train")
    assert call("mirror", "copy", "--once").code == 0
    with Workspace.open(agent="ada", session="s1") as w:
        claim = w.tasks.claim("train", heartbeat=False)
        pair.switch()
        if primary == "lost":
            pair.primary.kill()
        with pytest.raises(BackendUnavailable):
            claim.progress(0.5)
    for other in (started().url("t:"), pair.replica.url("another:")):
        with Workspace.open(other) as w:
            w.tasks.create("Theirs")
        with pytest.raises(AlreadyExists, match="has other data"):
            Workspace.create(backend=other)
    Workspace.create(backend=pair.replica.url("t:")).close()
    with Workspace.open(agent="ada", session="s1") as w:
        assert w.tasks.progress("train", 0.5).progress == 0.5
    assert call("mirror", "copy", "--once").out == "1 document, 1 event brought here\n"
