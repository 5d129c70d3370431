"""A server whose memory is full, and one that is only looked at: reading writes nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import call
from redis_servers import Server, Start

from mdcoord.backends.redis.store import RedisBackend
from mdcoord.model import Key
from mdcoord.workspace import Workspace

redis = pytest.importorskip("redis")

READING = [
    *(["status"], ["check"], ["assess"], ["config"], ["task", "list"], ["task", "show", "train"]),
    *(["agent", "list"], ["event", "channels"], ["event", "tail", "training"], ["event", "consumers"]),
    *(["context", "list"], ["message", "list"], ["message", "presence"], ["query", "task"], ["log"]),
    *(["workflow", "list"], ["export", "out.jsonl"], ["migrate", "markdown", "--dry-run"]),
]


@pytest.fixture(params=["valkey", "redis"])
def full(request: pytest.FixtureRequest, project: Path, started: Start) -> Server:
    """The server of a workspace in use, which takes no more."""
    server: Server = started(program=request.param)
    with Workspace.create(backend=server.url("t:"), agent="ada", session="s1") as w:
        w.agents.register("ada")
        w.tasks.create("Train", id="train")
        w.tasks.create("Next", id="next", depends_on=["train"])
        w.tasks.claim("train", heartbeat=False)
        w.events.publish("training", "step", number=1)
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.script_flush()
        client.config_set("maxmemory", "100kb")
    return server


def test_a_full_server_can_be_read_and_left(full: Server, project: Path) -> None:
    refused = call("task", "create", "x")
    assert refused.code == 8
    assert "maxmemory" in refused.err
    for command in READING:
        done = call(*command)
        assert done.code == 0, (command, done.err)
    assert call("mirror", "copy", "--once").code == 0
    assert (project / "copy/task-train.md").is_file()
    moved = call("migrate", "markdown")
    assert moved.code == 0, moved.err
    with Workspace.open(agent="ada", session="s1") as w:
        assert w.backend.name == "markdown"
        assert w.tasks.complete("train").status == "completed"


def test_who_only_looks_leaves_nothing(server: Server, url: str, project: Path) -> None:
    with Workspace.create() as w:
        w.tasks.create("Train", id="train")
    server_is = redis.Redis(unix_socket_path=str(server.socket))
    with server_is as client:
        before = client.keys()
        assert call("migrate", "redis", url, "--dry-run").code == 0
        for command in READING[:-1]:
            call("--backend", url, *command)
        with Workspace.open(url) as w:
            assert w.backend.data is None
            assert client.keys() == before
            w.tasks.create("Evaluate")
            assert w.backend.data == w.host.boot
        assert client.get(f"{url.rpartition('=')[2]}mdcoord:id")


@pytest.mark.parametrize("write", ["create", "append", "extend", "keep"])
def test_the_first_write_names_the_data(url: str, write: str) -> None:
    with RedisBackend(url) as backend:
        if write == "create":
            backend.create("task", {}, name="train")
        elif write == "append":
            backend.append("log", "x", {}, time="2026-01-31T09:30:00.000Z")
        elif write == "extend":
            backend.extend("log", [])
        else:
            backend.keep("topic", "name", lambda _: 1)
        with RedisBackend(url) as other:
            assert other.data == backend.data is not None
            assert not other.exists(Key("task", "other"))
