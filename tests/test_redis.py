"""What only the Redis backend has: addresses, lost connections, restarts, and what others read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from claimants import Claimants
from redis_servers import JSON, Cutter, Relay, Server, Start
from storms.processes import run_all

from mdcoord.backends.redis import arrivals
from mdcoord.backends.redis import log as redis_log
from mdcoord.backends.redis.address import parse_address
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.backends.values import Copy
from mdcoord.errors import BackendUnavailable, NotFound, UsageError
from mdcoord.model import Change, Key
from mdcoord.services.claim import Claim
from mdcoord.upkeep.settle import caveat
from mdcoord.workspace import Workspace

NUMBERS = count()
TIME = "2026-01-31T09:30:00.000Z"
TASK = Key("task", "one")


@pytest.fixture
def prefix() -> str:
    return f"team{next(NUMBERS)}:"


@pytest.fixture
def backend(server: Server, prefix: str) -> Iterator[RedisBackend]:
    with RedisBackend(server.url(prefix)) as backend:
        yield backend


def grow(backend: RedisBackend) -> int:
    record = backend.write(TASK, lambda r: Change(set={("n",): r.fields["n"] + 1}))
    return int(record.fields["n"])


# -- addresses


@pytest.mark.parametrize(
    ("url", "shown", "prefix"),
    [
        ("redis://", "redis://localhost:6379/0", ""),
        ("redis://h", "redis://h:6379/0", ""),
        ("redis://me:secret@h:7/3", "redis://h:7/3", ""),
        ("rediss://:secret@h/?db=2&prefix={team}:", "rediss://h:6379/2?prefix={team}:", "{team}:"),
        ("redis://[::1]:7", "redis://[::1]:7/0", ""),
        ("unix:///tmp/s.sock?prefix=a:&db=1", "unix:///tmp/s.sock/1?prefix=a:", "a:"),
        ("unix://me:secret@/tmp/s.sock", "unix:///tmp/s.sock/0", ""),
    ],
)
def test_addresses(url: str, shown: str, prefix: str) -> None:
    address = parse_address(url, {})
    assert (address.shown, address.prefix) == (shown, prefix)
    assert ("secret" in address.url) == ("secret" in url)
    assert "secret" not in repr(address.shown)


def test_what_an_address_leaves_out() -> None:
    environ = {"REDIS_HOST": "far", "REDIS_PORT": "7000", "REDIS_DB": "5"}
    assert parse_address("redis://", environ).shown == "redis://far:7000/5"
    assert parse_address("redis://near:1/2", environ).shown == "redis://near:1/2"
    assert parse_address("unix:///s", environ).shown == "unix:///s/5"


@pytest.mark.parametrize(
    "url",
    ["http://x", "redis://h:x", "redis://h/name", "redis://h?timeout=0", "redis://h?timeout=x", "redis"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError):
        parse_address(url, {})


# -- servers that are not there


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="does not answer") as caught:
        RedisBackend(f"unix://me:secret@{tmp_path}/none?timeout=60")
    assert "secret" not in f"{caught.value} {caught.value.as_dict()}"


def test_a_password_that_is_wrong(tmp_path: Path, started: Start) -> None:
    server = started("--requirepass", "right")
    with pytest.raises(BackendUnavailable, match="refused") as caught:
        RedisBackend(f"unix://:wrong@{server.socket}")
    assert "wrong" not in str(caught.value)
    assert "password" in caught.value.hint
    with RedisBackend(f"unix://:right@{server.socket}") as backend:
        backend.create("task", {}, name="one")
        assert "right" not in backend.location


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate")
def test_a_line_that_nobody_reads(tmp_path: Path, started: Start) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    more = ("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*made.split(), *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
    relay = Relay(started("--requirepass", "secret"), listener)
    url = f"rediss://:secret@localhost:{listener.getsockname()[1]}/0"
    try:
        with RedisBackend(f"{url}?ssl_ca_certs={certificate}") as backend:
            backend.create("task", {"n": 0}, name="one")
            assert grow(backend) == 1
        with pytest.raises(BackendUnavailable, match="certificate") as caught:
            RedisBackend(url)
        assert "secret" not in f"{caught.value}"
    finally:
        relay.close()


def test_a_server_that_forgets(started: Start) -> None:
    server = started("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with pytest.raises(BackendUnavailable, match="forgets keys"):
        RedisBackend(server.url())


def test_a_server_that_hangs(server: Server, prefix: str) -> None:
    with RedisBackend(server.url(prefix, timeout=0.3)) as backend:
        backend.create("task", {"n": 0}, name="one")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for step in (lambda: backend.read(TASK), lambda: grow(backend), lambda: backend.list("task")):
                with pytest.raises(BackendUnavailable, match="does not answer"):
                    step()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        # What was given up may have been done all the same, when the server came to it.
        assert grow(backend) in (1, 2)


def test_a_full_memory_is_told(server: Server, backend: RedisBackend, others: Any) -> None:
    backend.create("task", {"n": 0}, name="one")
    others.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(BackendUnavailable, match="memory") as caught:
            backend.append("log", "x", {"a": "b" * 2_000_000}, time=TIME)
        assert "its log" in caught.value.hint
    finally:
        others.config_set("maxmemory", "0")
    assert grow(backend) == 1


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        (["--appendonly", "yes"], "appendonly"),
        (["--save", "3600", "1"], "snapshots"),
        ([], "memory"),
        (["--rename-command", "CONFIG", ""], "unknown"),
    ],
)
def test_what_a_server_keeps(started: Start, settings: list[str], kept: str) -> None:
    with RedisBackend(started(*settings).url()) as backend:
        assert backend.durability == kept
        assert ("memory only" in caveat(backend)) == (kept == "memory")


# -- answers that are lost


def test_nothing_is_done_twice_when_answers_are_lost(server: Server, prefix: str, tmp_path: Path) -> None:
    cutter = Cutter(server, tmp_path)
    try:
        with RedisBackend(f"unix://{cutter.path}?prefix={prefix}") as backend:
            backend.create("task", {"n": 0}, name="one")
            for number in range(1, 60):
                assert grow(backend) == number
                backend.append("log", "counted", {"n": number}, time=TIME)
                backend.keep("topic", "memo", lambda value: (value or 0) + 1)
                backend.create("agent", {}, name=f"n{number}")
            for number in range(1, 60, 2):
                backend.archive(Key("agent", f"n{number}"))
            assert cutter.cut > 50
            assert [event.data["n"] for event in backend.tail("log")] == [*range(1, 60)]
            assert backend.memo("topic", "memo") == 59
            assert len(backend.list("agent").records) == 29
            assert len(backend.archived()) == 30
    finally:
        cutter.close()


def test_what_this_process_wrote_is_only_a_guess(server: Server, backend: RedisBackend, prefix: str) -> None:
    """Each step of one is followed by a step of the other on the same document and the same memo."""
    backend.create("task", {"n": 0}, name="one")
    with RedisBackend(server.url(prefix)) as other:
        for number in range(6):
            one = (backend, other)[number % 2]
            assert grow(one) == number + 1
            assert one.keep("topic", "memo", lambda value: (value or 0) + 1) == number + 1
        for one in (backend, other, backend):
            assert one.keep("topic", "memo", lambda value: None if value else 1) in (None, 1)
        assert backend.memo("topic", "memo") is None
        other.delete(TASK)
        with pytest.raises(NotFound):
            grow(backend)


# -- restarts


def test_a_registered_agent_costs_one_round_trip_more(w: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    trips, exchange = [0], Link._exchange

    def counted(link: Link, *given: Any, **more: Any) -> Any:
        trips[0] += 1
        return exchange(link, *given, **more)

    def fewest(end: Callable[[Claim], object]) -> int:
        found = []
        for _ in range(6):
            w.tasks.create("x", retry_limit=1)
            before = trips[0]
            end(w.tasks.claim(heartbeat=False))
            found.append(trips[0] - before)
        return min(found)

    monkeypatch.setattr(Link, "_exchange", counted)
    completed, failed = fewest(Claim.complete), fewest(lambda claim: claim.fail("no"))
    w.agents.register(max_concurrent_tasks=1, circuit_breaker={"threshold": 0})
    assert fewest(Claim.complete) <= completed + 1
    assert fewest(lambda claim: claim.fail("no")) <= failed + 1
    assert w.agents.get().circuit_breaker["failure_count"] == 6


def test_a_restart_in_the_middle_of_work(tmp_path: Path, started: Start) -> None:
    """The server is killed and started again under writers; what it had acknowledged is there, once."""
    server = started("--appendonly", "yes", "--appendfsync", "always")
    url = server.url("t:", timeout=20)
    with RedisBackend(url) as backend:
        backend.create("task", {"n": 0}, name="one")
    done = [0] * 4
    enough = threading.Event()

    def work(number: int) -> None:
        with RedisBackend(url) as backend:
            while not enough.is_set():
                grow(backend)
                backend.append("log", f"w{number}", {"n": done[number]}, time=TIME)
                done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = sum(done)
        while sum(done) < before + 40:
            assert any(thread.is_alive() for thread in threads)
        server.kill()
        server.start()
    enough.set()
    for thread in threads:
        thread.join()
    with RedisBackend(url) as backend:
        assert backend.read(TASK).fields["n"] == sum(done)
        for number in range(4):
            events = [event.data["n"] for event in backend.tail("log") if event.name == f"w{number}"]
            assert events == [*range(done[number])]
        assert backend.durability == "appendonly"


def test_claims_outlive_a_server_that_is_killed(tmp_path: Path, started: Start) -> None:
    """Every attempt has one claimant, and every task is completed once, by who was told so."""
    server, tasks = started("--appendonly", "yes", "--appendfsync", "always"), 80
    url = server.url("t:", timeout=20)
    with Workspace.open(url) as w:
        for number in range(tasks):
            w.tasks.create("x", id=f"n{number:02}", depends_on=[f"n{number - 1:02}"] if number % 4 else [])
    claimants = Claimants(url, tasks)
    for goal in (15, 35, 55):
        claimants.wait_for(goal)
        server.kill()
        server.start()
    claimants.end()
    assert sorted(claimants.done) == [(f"n{number:02}", 1) for number in range(tasks)]
    with Workspace.open(url) as w:
        assert {(task.status, task.attempt) for task in w.tasks.list()} == {("completed", 1)}


def test_a_forked_process_has_a_line_of_its_own(backend: RedisBackend, tmp_path: Path) -> None:
    backend.create("task", {"n": 0}, name="one")
    run_all([lambda: [grow(backend) for _ in range(25)] for _ in range(4)], tmp_path)
    assert backend.read(TASK).fields["n"] == 100


# -- clocks


def test_one_clock_for_all(server: Server, backend: RedisBackend, prefix: str, others: Any) -> None:
    here = Workspace(backend)
    with Workspace.open(server.url(prefix)) as there, Workspace.open(server.url("another:")) as elsewhere:
        assert here.host.boot == there.host.boot != elsewhere.host.boot
        assert here.host.now() == pytest.approx(there.host.uptime(), abs=5)
    seconds, micros = others.time()
    assert abs(here.host.now() - seconds - micros / 1e6) < 5


def test_a_restore_meanwhile_leaves_the_names_of_the_others(
    server: Server, backend: RedisBackend, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        backend.create("task", {"title": name}, name=name)
        backend.archive(Key("task", name))
    call = backend._link.call

    def overtaken(*command: Any) -> Any:
        found = call(*command)
        if command[0] == "HKEYS":
            with RedisBackend(server.url(prefix)) as other:
                other.restore("task-a")
        return found

    monkeypatch.setattr(backend._link, "call", overtaken)
    found = [copy for copy in backend.copies("task", archived=True) if isinstance(copy, Copy)]
    assert [(copy.archived, copy.key.id) for copy in found] == [("task-b", "b"), ("task-c", "c")]


def test_who_is_too_late_to_restore_is_told_where_to_look(
    server: Server, backend: RedisBackend, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.create("task", {"title": "x"}, name="one")
    backend.archive(TASK)
    arrival = backend._documents.arrival

    def overtaken(copy: Copy) -> Any:
        with RedisBackend(server.url(prefix)) as other:
            other.restore("task-one")
            other.archive(TASK)
            assert other._link.call("HDEL", other._keys.archive, "task-one")
        return arrival(copy)

    monkeypatch.setattr(backend._documents, "arrival", overtaken)
    with pytest.raises(NotFound, match="no task-one in the archive") as caught:
        backend.restore("task-one")
    assert "archive list" in caught.value.hint


def test_a_dead_process_on_this_machine_is_noticed(server: Server, prefix: str, tmp_path: Path) -> None:
    def claim() -> str:
        w = Workspace(RedisBackend(server.url(prefix)), agent="ada")
        w.tasks.create("x", id="one")
        return w.tasks.claim("one").token

    run_all([claim], tmp_path)
    with Workspace.open(server.url(prefix), agent="bob") as w:
        assert [found.reason for found in w.recover()] == ["its process is gone"]


# -- what others read


@pytest.fixture
def w(backend: RedisBackend) -> Workspace:
    return Workspace(backend, agent="ada", session="s1")


def test_a_claim_as_others_see_it(w: Workspace, others: Any, prefix: str) -> None:
    for name, priority in (("low", 1), ("high", 9), ("later", 5)):
        w.tasks.create("x", id=name, priority=priority)
    queue = f"{prefix}tasks:priority_queue"
    waiting = [json.loads(text)["id"] for text in others.zrevrange(queue, 0, -1)]
    assert waiting == ["high", "later", "low"]
    claim = w.tasks.claim(ttl=300, heartbeat=False)
    told = json.loads(others.get(f"{prefix}task:claim:high"))
    assert (told["agent_id"], told["session"], told["ttl"], told["attempt"]) == ("ada", "s1", 300, 1)
    assert 290 <= others.ttl(f"{prefix}task:claim:high") <= 300
    assert others.smembers(f"{prefix}agent:tasks:ada") == {"high"}
    assert [json.loads(text)["id"] for text in others.zrevrange(queue, 0, -1)] == ["later", "low"]
    claim.complete()
    assert others.exists(f"{prefix}task:claim:high", f"{prefix}agent:tasks:ada") == 0
    with w.tasks.claim("low", heartbeat=False) as second:
        second.fail("no")
    assert others.zcard(queue) == 2
    assert others.hgetall(f"{prefix}metrics:agents:stats:ada")["total_tasks"] == "2"
    ends = [json.loads(text) for text in others.zrange(f"{prefix}metrics:agents:completions", 0, -1)]
    assert sorted((end["task_id"], end["success"]) for end in ends) == [("high", True), ("low", False)]


def test_documents_as_others_see_them(w: Workspace, others: Any, prefix: str) -> None:
    w.agents.register("ada", can=["gpu"])
    w.agents.set("ada", status="busy")
    for text in (others.get(f"{prefix}agents:status:ada"), others.hget(f"{prefix}agents:registry", "ada")):
        assert (json.loads(text)["status"], json.loads(text)["capabilities"]) == ("busy", ["gpu"])
    assert 0 < others.ttl(f"{prefix}agents:status:ada") <= 3600
    w.context.set("api", {"port": 8080})
    (key,) = others.keys(f"{prefix}mdcoord:context:*")
    assert json.loads(others.hget(key, "json"))["data"] == {"port": 8080}
    assert others.hget(key, "text") == w.context.text("api")
    w.agents.remove("ada")
    assert others.exists(f"{prefix}agents:status:ada") == 0
    assert others.hget(f"{prefix}agents:registry", "ada") is None


@pytest.mark.parametrize("server", [JSON], indirect=True)
def test_the_json_type_where_the_server_has_it(w: Workspace, others: Any, prefix: str) -> None:
    w.agents.register("ada", can=["gpu"])
    w.tasks.create("Train", id="train", fields={"labels": ["a"]})
    w.tasks.create("Old", id="old")
    w.tasks.remove("old")
    found = others.execute_command("JSON.GET", f"{prefix}agents:status:ada", "$.status")
    assert json.loads(found) == ["available"]
    assert 0 < others.ttl(f"{prefix}agents:status:ada") <= 3600
    found = others.execute_command("JSON.GET", f"{prefix}mdcoord:json:task:train", "$.labels[0]")
    assert json.loads(found) == ["a"]
    assert others.exists(f"{prefix}mdcoord:json:task:old") == 0
    assert json.loads(others.hget(f"{prefix}mdcoord:task:train", "json"))["labels"] == ["a"]


def test_events_as_others_see_them(w: Workspace, others: Any, prefix: str) -> None:
    with others.pubsub(ignore_subscribe_messages=True) as feed:
        feed.subscribe(f"{prefix}training:events")
        feed.get_message(timeout=5)
        w.events.publish("training", "saved", step=3)
        heard = None
        while heard is None:
            heard = feed.get_message(timeout=5)
    w.events.publish("training", "done")
    newest, oldest = (json.loads(text) for text in others.lrange(f"{prefix}events:training:history", 0, -1))
    assert json.loads(heard["data"]) == oldest
    assert (oldest["event"], oldest["data"], newest["event"]) == ("saved", {"step": 3}, "done")


def test_of_long_documents_only_a_few_are_sent_at_once(w: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, run_all = list[int](), Link.run_all

    def noted(link: Link, script: Any, requests: Any) -> Any:
        sent.append(str(requests).count("LONG"))
        return run_all(link, script, requests)

    monkeypatch.setattr(arrivals, "FULL", 1000)
    monkeypatch.setattr(Link, "run_all", noted)
    copies = [Copy(Key("task", f"n{number}"), f"LONG{'.' * 400}\n") for number in range(7)]
    assert w.backend.put_all(copies) == [True] * 7
    assert sent == [3, 3, 1]
    assert {w.backend.text(copy.key) for copy in copies} == {copies[0].text}


def test_what_others_put_among_the_events_is_passed_over(
    w: Workspace, others: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_log, "PAGE", 3)
    place = f"{prefix}events:training:history"
    theirs = [
        b"mine",
        b"{}",
        b"[1]",
        b'{"id": "x", "event": "e", "timestamp": "t", "data": 1}',
        b"[" * 100_000,
    ]
    others.lpush(place, *theirs)
    events = []
    for number in range(4):
        events.append(w.events.publish("training", "step", number=number))
        others.lpush(place, *theirs)
    log, ids = w.backend, [event.id for event in events]
    assert [event.id for event in log.tail("training")] == ids
    assert [event.id for event in log.history("training")] == ids
    assert [event.id for event in log.tail("training", limit=2)] == ids[:2]
    for number, event in enumerate(events):
        assert [one.id for one in log.tail("training", event.cursor, 2)] == ids[number + 1 : number + 3]
        assert [one.id for one in log.tail("training", f"training:1:{event.id}")] == ids[number + 1 :]
        assert [one.id for one in log.last("training", number)] == ids[4 - number :]
    assert [one.id for one in log.last("training", 9)] == ids
    assert [(one.path, one.message) for one in w.check()] == [
        (place, "25 entries of this list are no event of mdcoord, and passed over")
    ]
    log.rotate("training", 7)
    assert [event.id for event in log.history("training")] == ids


def test_messages_as_others_see_them(w: Workspace, others: Any, prefix: str) -> None:
    sent = w.messages.send("NOTIFICATION", "look", "here", to="bob")
    everybody = w.messages.send("GENERAL", "hello")
    ids = [message.record.key.id for message in (sent, everybody)]
    assert json.loads(others.get(f"{prefix}coord:msg:{ids[0]}"))["subject"] == "look"
    assert {*others.zrange(f"{prefix}coord:timeline", 0, -1)} == {*ids}
    assert others.zrange(f"{prefix}coord:inbox:bob", 0, -1) == ids[:1]
    assert others.smembers(f"{prefix}coord:pending") == {*ids}
    assert others.lrange(f"{prefix}coord:notifications:bob", 0, -1) == ids[:1]
    w.messages.ack(ids[0], by="bob")
    assert others.smembers(f"{prefix}coord:pending") == {ids[1]}
    assert others.exists(f"{prefix}coord:notifications:bob") == 0


def test_prefixes_keep_workspaces_apart(server: Server, backend: RedisBackend) -> None:
    backend.create("task", {}, name="one")
    with RedisBackend(server.url("another:")) as other:
        assert other.list("task").records == []
        with pytest.raises(NotFound):
            other.read(TASK)


# -- being told


def test_changes_are_told(server: Server, backend: RedisBackend, prefix: str) -> None:
    rung = threading.Event()
    changes = backend.changes(rung.set)
    try:
        assert rung.wait(30), "that it listens is a change, too"
        rung.clear()
        count = changes.count
        with RedisBackend(server.url(prefix)) as other:
            other.create("task", {}, name="one")
        assert rung.wait(30)
        assert changes.count > count
    finally:
        changes.close()
        changes.close()


def test_a_listener_outlives_its_connection(server: Server, backend: RedisBackend, others: Any) -> None:
    rung = threading.Event()
    changes = backend.changes(rung.set, "training")
    try:
        assert rung.wait(30)
        rung.clear()
        others.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert rung.wait(30), "what happened meanwhile was not told, so it rings"
        rung.clear()
        backend.append("training", "saved", {}, time=TIME)
        assert rung.wait(30)
    finally:
        changes.close()


def test_a_subscription_is_woken(server: Server, backend: RedisBackend, prefix: str) -> None:
    w = Workspace(backend)
    found: list[str] = []

    def follow() -> None:
        with w.events.subscribe("training", consumer="reader") as events:
            for event in events:
                found.append(event.name)
                if event.name == "last":
                    return

    reader = threading.Thread(target=follow)
    reader.start()
    for name in ("first", "second", "last"):
        w.events.publish("training", name)
    reader.join(30)
    assert found == ["first", "second", "last"]


# -- the command line


def test_the_command_line(server: Server, prefix: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MDCOORD_BACKEND": server.url(prefix),
        "MDCOORD_AGENT": "ada",
    }

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "mdcoord", *words]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    run("task", "create", "Train", "--id", "train")
    claimed = json.loads(run("task", "claim", "--json"))
    run("task", "complete", "train", "--token", claimed["_claim"]["token"])
    run("event", "publish", "training", "saved", "step=3")
    assert json.loads(run("event", "tail", "training", "--json"))["name"] == "saved"
    assert json.loads(run("status", "--json"))["tasks"] == {"completed": 1}
    assert [*tmp_path.iterdir()] == []
