"""A workspace on a real cluster of three nodes: all its keys on one of them, found again when that moves."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import run_all
from redis_servers import end_with_parent, some_program
from waiting import until

from mdcoord.backends.redis.store import RedisBackend
from mdcoord.errors import NothingReady, UsageError
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

pytestmark = pytest.mark.long

NODES = 3
SLOTS = 16384


def free_ports(count: int) -> list[int]:
    """Ports of which the one that the nodes use among themselves is free, too."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 10000))
            except (OSError, OverflowError):
                continue
        if port not in found:
            found.append(port)
    return found


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    redis = pytest.importorskip("redis")
    ports = free_ports(NODES)
    processes = [_start(port, tmp_path_factory.mktemp(f"node-{port}")) for port in ports]
    clients = [redis.Redis(port=port, decode_responses=True) for port in ports]
    try:
        for client in clients:
            until(lambda client=client: _answers(client))  # type: ignore[misc]
        step = SLOTS // NODES
        for number, client in enumerate(clients):
            last = SLOTS - 1 if number == NODES - 1 else (number + 1) * step - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * step, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for client, port in zip(clients[1:], ports, strict=False):
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        for client in clients:
            until(lambda client=client: "cluster_state:ok" in str(_state(client)))  # type: ignore[misc]
        yield clients
    finally:
        for client in clients:
            client.close()
        for process in processes:
            process.kill()
            process.wait()


def _start(port: int, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *some_program(),
            "--port",
            str(port),
            "--cluster-enabled",
            "yes",
            "--dir",
            str(folder),
            "--save",
            "",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except Exception:
        return False


def _state(client: Any) -> Any:
    info = client.execute_command("CLUSTER", "INFO")
    return info if isinstance(info, str) else "".join(f"{name}:{value}\n" for name, value in info.items())


def port_of(client: Any) -> int:
    port: int = client.connection_pool.connection_kwargs["port"]
    return port


def test_a_prefix_without_a_hash_tag_is_refused(nodes: list[Any]) -> None:
    with pytest.raises(UsageError, match="is a cluster") as caught:
        RedisBackend(f"redis://127.0.0.1:{port_of(nodes[0])}/0?prefix=team:")
    assert "{team}" in caught.value.hint


@pytest.mark.parametrize("team", ["{red}:", "{green}:", "{blue}:", "{grey}:"])
def test_work_through_any_node(nodes: list[Any], tmp_path: Path, team: str) -> None:
    urls = [f"redis://127.0.0.1:{port_of(node)}/0?prefix={team}" for node in nodes]
    with Workspace.open(urls[0]) as w:
        for number in range(60):
            w.tasks.create("x", id=f"n{number}", depends_on=[f"n{number - 1}"] if number % 7 == 1 else [])

    def work(number: int) -> list[str]:
        done = []
        with Workspace.open(urls[number % NODES], agent=f"w{number}") as w:
            while True:
                try:
                    claim = w.tasks.claim(heartbeat=False)
                except NothingReady:
                    if w.status()["tasks"] == {"completed": 60}:
                        return done
                    continue
                w.events.publish("done", "done", task=claim.id)
                claim.complete()
                done.append(claim.id)

    found = run_all([lambda n=n: work(n) for n in range(4)], tmp_path)  # type: ignore[misc]
    assert sorted(name for part in found for name in part) == sorted(f"n{number}" for number in range(60))
    with Workspace.open(urls[1]) as w:
        assert len([*w.events.tail("done")]) == 60
    holding = [node for node in nodes if any(node.scan_iter(f"{team}*"))]
    assert len(holding) == 1


def test_the_keys_move_to_another_node_under_work(nodes: list[Any]) -> None:
    team = "{moving}:"
    slot = nodes[0].execute_command("CLUSTER", "KEYSLOT", team)
    names = [node.execute_command("CLUSTER", "MYID") for node in nodes]
    first = next(node for node in nodes if _owns(node, slot))
    second = nodes[(nodes.index(first) + 1) % NODES]
    key = Key("task", "one")
    with RedisBackend(f"redis://127.0.0.1:{port_of(nodes[2])}/0?prefix={team}") as backend:
        backend.create("task", {"n": 0}, name="one")
        for number in range(1, 4):
            backend.write(key, lambda r: Change(set={("n",): r.fields["n"] + 1}))
            _move(first, second, slot, names[nodes.index(first)], names[nodes.index(second)], nodes)
            first, second = second, nodes[(nodes.index(second) + 1) % NODES]
            assert backend.read(key).fields["n"] == number
        assert [record.key for record in backend.list("task").records] == [key]


def _owns(node: Any, slot: int) -> bool:
    node_id = node.execute_command("CLUSTER", "MYID")
    for first, last, owner, *_ in node.execute_command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return bool(owner[2] == node_id)
    return False


def _move(source: Any, target: Any, slot: int, source_id: str, target_id: str, nodes: list[Any]) -> None:
    target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.execute_command("MIGRATE", "127.0.0.1", port_of(target), "", 0, 5000, "KEYS", *keys)
    for node in [target, source, *nodes]:
        node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
