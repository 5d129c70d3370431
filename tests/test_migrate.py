"""Moving a workspace to Redis and back, while it is in use or after a move that was killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from redis_servers import JSON, Cutter, Server, Start
from taskqueue_peer import STANDIN

from mdcoord import Workspace
from mdcoord.backends.markdown.home import Home
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.redis import gate
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.errors import AlreadyExists, BackendUnavailable, Busy, Moved, NotFound, UsageError
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.migrate import _bar
from mdcoord.layout import state_folder
from mdcoord.model import Change, Key
from mdcoord.moving import leftbehind, plain, transfer
from mdcoord.upkeep import migrate

ODD = "---\r\n# mine\r\ntask_id: 'odd'\r\ntitle: x\r\nb: [2,  1]\r\n---\r\n\r\nMy  text, no end of line"
BOLD = "# Task: Train\n\n**Task ID**: task-bold\n**Status**: PENDING\n\nMy *words*.\n"
BROKEN = "---\na: [\n---\nnot closed\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with Workspace.create(".", agent="ada", session="s1") as w:
        fill(w)
    return folder


def root_of(project: Path) -> Path:
    return project / ".claude/coordination"


def fill(w: Workspace) -> None:
    assert w.root is not None
    for number in range(5):
        w.tasks.create(f"Task {number}", id=f"t{number}", priority=number, body="For people.\n")
    for name, text in (("odd", ODD), ("bold", BOLD)):
        (w.root / f"task-{name}.md").write_bytes(text.encode())
    w.agents.register("ada", can=["x"])
    w.context.set("proj-domain", {"a": 1})
    w.metrics.record("speed", loss=0.5)
    w.progress.set("proj", phase="one")
    w.messages.send("GENERAL", "hello", "to all")
    for number in range(8):
        w.events.publish("training", "step", number=number)
    w.rotate("training", keep=5)
    with (w.root / "events-training.md").open("a") as log:
        log.write("\n## Event: noted\n**Time**: 2026-01-31T09:30:00Z\n**By**: me\n\nSome *prose*.\n")
    with w.events.subscribe("training", consumer="reader", follow=False) as events:
        assert [event["number"] for event in islice(events, 2)] == [3, 4]
    w.tasks.create("Old", id="old")
    w.tasks.claim("old", heartbeat=False).complete()
    w.backend.archive(Key("task", "old"))


def texts(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("*-*.md")}


def said(w: Workspace) -> dict[str, Any]:
    """All that a workspace says, wherever it lives."""
    kinds = ["agent", "task", "context", "metrics", "message", "progress"]
    return {
        "documents": {
            record.key.name: (w.backend.text(record.key), w.backend.lease(record.key) is not None)
            for kind in kinds
            for record in w.backend.list(kind).records
        },
        "events": {
            name: [
                (event.id.split("-")[0], event.name, event.time, event.data) for event in w.backend.tail(name)
            ]
            for name in w.backend.channels()
        },
        "history": [event.id.split("-")[0] for event in w.backend.history("training")],
        "consumers": [(one.channel, one.consumer, one.lag) for one in w.events.consumers()],
        "presence": [(one.agent_id, one.presence) for one in w.messages.presence()],
    }


def test_there_and_back_byte_by_byte(project: Path, url: str) -> None:
    root = root_of(project)
    (root / "task-broken.md").write_bytes(BROKEN.encode())
    os.utime(root / "task-broken.md", (1, 1))  # a young one could be half saved, so that readers would wait
    before = texts(root)
    with Workspace.open() as w:
        wanted = said(w)
    there = Workspace.migrate(url)
    assert there.counts["task"] == 8
    assert (there.target, there.left_out, there.set_aside) == (there.target, (), ())
    assert texts(root) == {}
    assert {
        p.name: p.read_bytes() for p in (root / "archive/pre-redis").glob("*-*.md")
    }.items() >= before.items()
    with Workspace.open() as w:
        assert w.backend.name == "redis"
        assert said(w) == wanted
        assert w.backend.text(Key("task", "broken")) == BROKEN
    back = Workspace.migrate("markdown")
    assert back.counts["task"] == 8
    with Workspace.open() as w:
        assert w.backend.name == "markdown"
        assert said(w) == wanted
    logs = {name for name in before if name.startswith("events-")}
    assert {name: text for name, text in texts(root).items() if name not in logs} == {
        name: text for name, text in before.items() if name not in logs
    }
    with Workspace.open() as w:
        assert [Path(one.path).name for one in w.check()] == ["task-broken.md"]


def test_a_log_that_was_never_rotated_comes_back_byte_by_byte(project: Path, url: str) -> None:
    root = root_of(project)
    with Workspace.open() as w:
        for number in range(3):
            w.events.publish("plain", "step", number=number, text="a\nb")
    before = (root / "events-plain.md").read_bytes()
    Workspace.migrate(url)
    Workspace.migrate("markdown")
    assert (root / "events-plain.md").read_bytes() == before


def test_a_dry_run_counts_and_touches_nothing(project: Path, url: str) -> None:
    root = root_of(project)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    published = len(_events(project))
    found = Workspace.migrate(url, dry_run=True, archive=True)
    assert found.dry_run
    assert found.counts == {
        "agent": 1, "task": 7, "context": 1, "metrics": 1, "message": 1, "progress": 1,
        "event": published, "archived document": 1,
    }  # fmt: skip
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before
    assert RedisBackend(url).channels() == []
    done = Workspace.migrate(url, archive=True)
    assert done.counts == found.counts


def _events(project: Path) -> list[Any]:
    with Workspace.open(project) as w:
        return [event for name in w.backend.channels() for event in w.backend.history(name)]


def test_archived_documents_come_along_on_request(project: Path, url: str) -> None:
    Workspace.migrate(url, archive=True)
    with Workspace.open() as w:
        assert "task-old" in w.archived()
        assert w.restore("task-old").key.id == "old"
        w.archive(0)
    assert (root_of(project) / "archive/pre-redis/task-old.md").exists()
    Workspace.migrate("markdown")
    with Workspace.open() as w:
        assert "task-old" in w.archived()


def test_with_keep_the_files_stay_and_are_no_truth(project: Path, url: str) -> None:
    root = root_of(project)
    before = texts(root)
    Workspace.migrate(url, keep=True)
    assert texts(root) == before
    with Workspace.open() as w:
        w.tasks.update("t1", set={"title": "New"})
        assert not [one for one in w.check() if "pre-redis" in one.hint]
    Workspace.migrate("markdown")
    with Workspace.open() as w:
        assert w.tasks.get("t1").title == "New"
    assert b"title: New" in (root / "task-t1.md").read_bytes()
    assert (root / "archive/pre-redis/task-t1.md").read_bytes() == before["task-t1.md"]


def test_holders_go_on_with_their_token_and_their_time(project: Path, url: str) -> None:
    with Workspace.open(agent="ada", session="s1") as w:
        claim = w.tasks.claim("t4", ttl=600, heartbeat=False)
        Workspace.migrate(url)
        assert claim.progress(0.5).progress == 0.5
        lease = w.backend.lease(Key("task", "t4"))
        assert (lease.attempt, lease.holder.token) == (1, claim.token)
        assert 590 < lease.holder.uptime + 600 - w.host.uptime() < 601
        Workspace.migrate("markdown")
        assert w.tasks.get("t4").progress == 0.5
        claim.complete()
    assert b"status: completed" in (root_of(project) / "task-t4.md").read_bytes()


def test_attempts_never_go_back(project: Path, url: str) -> None:
    with Workspace.open(agent="ada", session="s1") as w:
        for name in ("gone", "put-away"):
            w.tasks.create("x", id=name)
            w.tasks.claim(name, heartbeat=False).release()
        w.backend.delete(Key("task", "gone"))
        w.backend.archive(Key("task", "put-away"))
        for place in (url, "markdown"):
            Workspace.migrate(place)
            for name in ("gone", "put-away"):
                assert not w.backend.exists(Key("task", name))
                w.backend.create("task", {"title": "x"}, name=name)
                attempt = 3 if place == "markdown" else 2
                assert w.tasks.claim(name, heartbeat=False).attempt == attempt
                w.backend.delete(Key("task", name))


def test_a_second_move_to_the_same_place_takes_over_what_is_there(project: Path, url: str) -> None:
    Workspace.migrate(url)
    with Workspace.open() as w:
        w.events.publish("training", "in redis")
    Workspace.migrate("markdown")
    with Workspace.open() as w:
        w.tasks.create("Later", id="later")
        w.backend.delete(Key("task", "t0"))
        w.events.publish("training", "in files")
        wanted = said(w)
    Workspace.migrate(url)
    with Workspace.open() as w:
        assert w.backend.name == "redis"
        assert said(w) == wanted


def test_a_terminal_is_told_how_far_it_is_by_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside another thread a move would not fork."""

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    before = threading.active_count()
    with _bar(Call()) as tell:
        assert tell is not None
        tell("task", 1, 2)
        assert threading.active_count() == before
    assert "50%" in terminal.getvalue()


def test_where_others_are_nobody_moves_in(project: Path, url: str) -> None:
    RedisBackend(url).create("task", {"title": "theirs"}, name="theirs")
    for dry_run in (True, False):
        with pytest.raises(AlreadyExists, match="there is a workspace in"):
            Workspace.migrate(url, dry_run=dry_run)
    with Workspace.open() as w:
        assert w.backend.name == "markdown"
    assert [record.key.id for record in RedisBackend(url).list("task").records] == ["theirs"]


def test_a_copy_of_the_folder_does_not_overwrite_the_team(project: Path, url: str, tmp_path: Path) -> None:
    import shutil

    Workspace.migrate(url)
    Workspace.migrate("markdown")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    Workspace.migrate(url)
    with pytest.raises(AlreadyExists):
        Workspace.migrate(url, copy)


@pytest.mark.parametrize("place", ["taskqueue", "here", "http://x", ""])
def test_places_that_are_none(project: Path, place: str) -> None:
    with pytest.raises(UsageError):
        Workspace.migrate(place)


def test_a_server_that_is_not_there_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(MarkdownBackend, "close", lambda source: closed.append(source))
    with pytest.raises(BackendUnavailable):
        Workspace.migrate("unix:///nowhere/x?timeout=0.1")
    assert len(closed) == 1
    with Workspace.open() as w:
        assert w.backend.name == "markdown"


def test_from_server_to_server(project: Path, url: str, started: Start) -> None:
    root, before = root_of(project), texts(root_of(project))
    Workspace.migrate(url, archive=True)
    with Workspace.open(agent="ada", session="s1") as worker:
        claim = worker.tasks.claim("t1", heartbeat=False)
        wanted = said(worker)
        other = started().new_url()
        assert Workspace.migrate(other, dry_run=True).counts["archived document"] == 1
        there = Workspace.migrate(other)
        assert (there.counts["task"], there.archived, there.already) == (7, 0, False)
        assert said(worker) == wanted
        claim.progress(0.5)
        assert worker.backend.location == there.target
    with Workspace.open() as w:
        assert w.backend.location == there.target
        assert w.tasks.get("t1").progress == 0.5
        assert w.archived() == ["events-training", "task-old"]
    with RedisBackend(url) as left, pytest.raises(Moved):
        left.read(Key("task", "t1"))
    assert Workspace.migrate(other).already
    assert Workspace.migrate(url).target != there.target, "and back"
    with Workspace.open() as w:
        assert w.tasks.get("t1").progress == 0.5
    Workspace.migrate("markdown")
    assert texts(root).keys() >= before.keys()
    assert {name: texts(root)[name] for name in ("task-odd.md", "task-bold.md")} == {
        name: before[name] for name in ("task-odd.md", "task-bold.md")
    }


def test_a_mirror_stays_whole_when_its_workspace_moves_to_another_server(
    project: Path, url: str, started: Start
) -> None:
    root = root_of(project)
    Workspace.migrate(url, archive=True)
    with Workspace.open(agent="ada", session="s1") as w:
        w.tasks.claim("t2", heartbeat=False).complete()
        w.archive(0)
        with w.mirror() as mirroring:
            mirroring.once()
    copied = {path: path.read_bytes() for path in root.glob("**/*-*.md") if "pre-redis" not in path.parts}
    assert {"task-t2.md", "events-training.md"} <= {path.name for path in copied}
    assert any(path.name.startswith("events-training-") for path in copied)
    assert Workspace.migrate(started().new_url(), archive=True).archived == 0
    assert {path: path.read_bytes() for path in copied} == copied


@pytest.mark.parametrize("step", ["arrive", "remember"])
def test_killed_between_two_servers(
    project: Path, url: str, server: Server, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the old one is left, and before the folder knows."""
    other = server.new_url()
    Workspace.migrate(url)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*{"arrive": (RedisBackend, "arrive"), "remember": (Home, "remember")}[step], killed)
        with pytest.raises(KeyboardInterrupt):
            Workspace.migrate(other)
    with Workspace.open() as w:
        w.tasks.create("Late", id="late")
    done = Workspace.migrate(other)
    assert done.already == (step == "remember")
    with Workspace.open() as w:
        assert (w.backend.location, w.tasks.get("late").title) == (done.target, "Late")
        assert len(w.tasks.list()) == 8


def test_only_one_moves_it_at_a_time(project: Path, url: str) -> None:
    with Home.of(state_folder(root_of(project))).alone(), pytest.raises(Busy):
        Workspace.migrate(url)
    assert not Workspace.migrate(url).already


def test_who_waits_too_long_for_a_move_is_told_so(project: Path, url: str) -> None:
    Workspace.migrate(url)
    with (
        RedisBackend(f"{url}&timeout=0.2") as store,
        store.moving(),
        pytest.raises(Busy, match="being moved"),
    ):
        store.write(Key("task", "t1"), Change(set={("n",): 1}))


def test_being_there_already(project: Path, url: str) -> None:
    assert Workspace.migrate("markdown").already
    Workspace.migrate(url)
    again = Workspace.migrate(url)
    assert (again.already, again.archived) == (True, 0)


def test_a_late_save_in_the_old_place_is_told(project: Path, url: str) -> None:
    root = root_of(project)
    Workspace.migrate(url)
    (root / "task-t1.md").write_text("---\ntask_id: t1\ntitle: Edited late\n---\n")
    with Workspace.open() as w:
        findings = [one for one in w.check() if one.path.endswith("task-t1.md")]
        assert len(findings) == 1
        assert "saved after" in findings[0].message
        assert w.status()["left_behind"] == [str(root / "task-t1.md")]
        assert w.tasks.get("t1").title == "Task 1"
    again = Workspace.migrate(url)
    assert (again.already, again.archived, (root / "task-t1.md").exists()) == (True, 0, True)
    back = Workspace.migrate("markdown")
    assert back.set_aside == ("archive/pre-redis/task-t1.1.md",)
    assert "Edited late" in (root / back.set_aside[0]).read_text()


def test_a_late_save_that_a_killed_mirror_merged_and_did_not_take_along_is_told(
    project: Path, url: str
) -> None:
    root = root_of(project)
    Workspace.migrate(url)
    with Workspace.open() as w:
        with w.mirror() as mirroring:
            mirroring.once()
        assert w.status()["left_behind"] == []
        files = MarkdownBackend(root, state=state_folder(root), elsewhere=True)
        text = (root / "task-t1.md").read_text().replace("For people.", "Edited late.")
        Path(files._files.temporary(str(root / "task-t1.md"))).write_text(text)
        files.sweep()
        assert "Edited late." in (root / "task-t1.md").read_text()
        assert w.status()["left_behind"] == [str(root / "task-t1.md")]


def test_a_file_that_goes_while_it_is_looked_at_is_nobodys_save(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace.migrate(url)
    gone = root_of(project) / "task-gone.md"
    monkeypatch.setattr(leftbehind.LeftBehind, "_documents", lambda _: [gone])
    with Workspace.open() as w:
        assert w.status()["left_behind"] == []


def test_a_file_that_is_no_text_stays_and_is_told(project: Path, url: str) -> None:
    root = root_of(project)
    binary = [root / "task-bin.md", root / "archive/task-bin.md"]
    for path in binary:
        path.write_bytes(b"\xff\xfe\x00bin")
    files = [str(path) for path in sorted(binary)]
    for dry_run in (True, False):
        found = Workspace.migrate(url, archive=True, dry_run=dry_run)
        assert (found.counts["task"], found.counts["archived document"]) == (7, 1)
        assert sorted(found.left_out) == files
    with Workspace.open() as w:
        assert w.status()["left_behind"] == [str(binary[0])]
        assert "nothing of it: line 1, column 1: the file is UTF-16" in w.check()[0].message
        with pytest.raises(NotFound):
            w.tasks.get("bin")
    back = Workspace.migrate("markdown")
    assert (back.counts["task"], back.set_aside) == (7, ())
    with Workspace.open() as w:
        assert [one.path for one in w.check()] == [str(binary[0])]
    assert {path.read_bytes() for path in binary} == {b"\xff\xfe\x00bin"}


def test_a_file_that_is_no_text_makes_room_for_a_document(project: Path, url: str) -> None:
    root = root_of(project)
    (root / "task-bin.md").write_bytes(b"\xff\xfe\x00bin")
    Workspace.migrate(url)
    with Workspace.open() as w:
        w.tasks.create("New", id="bin")
    assert Workspace.migrate("markdown").set_aside == ("archive/pre-redis/task-bin.md",)
    with Workspace.open() as w:
        assert w.tasks.get("bin").title == "New"
    assert (root / "archive/pre-redis/task-bin.md").read_bytes() == b"\xff\xfe\x00bin"


def test_many_moves_keep_each_file_once(project: Path, url: str) -> None:
    for title in ("one", "one", "two", "two"):
        with Workspace.open() as w:
            w.tasks.update("t1", set={"title": title})
        Workspace.migrate(url)
        Workspace.migrate("markdown")
    names = sorted(path.name for path in (root_of(project) / "archive/pre-redis").glob("task-*.md"))
    assert [name for name in names if "t1" not in name] == [
        "task-bold.md", *(f"task-{name}.md" for name in ("odd", "t0", "t2", "t3", "t4")),
    ]  # fmt: skip
    assert len([name for name in names if "t1" in name]) < 5


def test_what_a_mirror_cannot_read_is_told_in_its_words(tmp_path: Path, url: str) -> None:
    with Workspace.create(tmp_path, backend=url, agent="ada") as w:
        w.tasks.create("x", id="x")
        with w.mirror() as mirroring:
            mirroring.once()
            (w.root / "task-broken.md").write_bytes(BROKEN.encode())
            (w.root / "task-bin.md").write_bytes(b"\xff")
            (w.root / "task-new.md").write_text("---\ntitle: New\n---\n")
            os.utime(w.root / "task-broken.md", (1, 1))
            found = {Path(one.path).name: one.message for one in w.check()}
            assert "no mirror has looked since" in found.pop("task-new.md")
            assert found.keys() == {"task-broken.md", "task-bin.md"}
            assert all("the workspace has nothing of it: " in one for one in found.values())
            mirroring.once()
            assert {Path(one.path).name: one.message for one in w.check()} == found


def test_the_configuration_follows(project: Path, url: str) -> None:
    config = project / ".claude/workflow-config.yml"
    Workspace.migrate(url)
    assert "mode: redis" in config.read_text()
    Workspace.migrate("markdown")
    assert "mode: markdown" in config.read_text()


def test_the_place_is_remembered_with_what_the_environment_said(
    project: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_DB", "3")
    Workspace.migrate(server.url("env:"))
    monkeypatch.delenv("REDIS_DB")
    with Workspace.open() as w:
        assert w.tasks.get("t1").title == "Task 1"


# -- in use


def test_changes_of_the_first_pass_follow(project: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody works between the passes."""
    with Workspace.open(agent="bob", session="s2") as other:
        for name in ("one", "two"):
            other.events.publish("quiet", name)
        verify, done = transfer.Transfer.verify, []

        def meanwhile(self: transfer.Transfer) -> None:
            verify(self)
            if not done:
                done.append(True)
                other.tasks.create("Late", id="late")
                other.tasks.update("t0", set={"title": "Changed"})
                other.backend.delete(Key("task", "t1"))
                other.tasks.claim("t2", heartbeat=False)
                other.events.publish("training", "late")
                other.events.publish("fresh", "first")
                other.rotate("training", keep=2)
                other.rotate("quiet", keep=1)
                other.backend.keep("mine", "x", lambda _: 7)

        monkeypatch.setattr(transfer.Transfer, "verify", meanwhile)
        Workspace.migrate(url)
        assert other.backend.name in ("markdown", "redis")
        assert other.tasks.get("late").title == "Late"
        assert other.backend.name == "redis"
        assert other.tasks.get("t0").title == "Changed"
        assert not other.backend.exists(Key("task", "t1"))
        assert other.backend.lease(Key("task", "t2")).attempt == 1
        assert [event.name for event in other.events.tail("training")] == ["noted", "late"]
        assert [event.name for event in other.events.tail("fresh")] == ["first"]
        assert [event.name for event in other.events.tail("quiet")] == ["two"]
        assert other.backend.memo("mine", "x") == 7


def test_a_store_without_a_root_is_told(project: Path, url: str) -> None:
    Workspace.migrate(url)
    with Workspace.open(url) as far:
        far.tasks.get("t1")
        Workspace.migrate("markdown")
        with pytest.raises(Moved, match="markdown"):
            far.tasks.get("t1")


def test_a_cursor_is_good_on_both_sides(project: Path, url: str) -> None:
    with Workspace.open() as w:
        events = [*w.events.tail("training")]
    Workspace.migrate(url)
    with Workspace.open() as w:
        for number, event in enumerate(events):
            assert [one.name for one in w.events.tail("training", after=event.cursor)] == [
                one.name for one in events[number + 1 :]
            ]
        there = [*w.events.tail("training")]
    Workspace.migrate("markdown")
    with Workspace.open() as w:
        for number, event in enumerate(there):
            assert [one.name for one in w.events.tail("training", after=event.cursor)] == [
                one.name for one in events[number + 1 :]
            ]


# -- killed


STEPS = [
    (transfer.Transfer, "verify"),
    (transfer.Transfer, "changes"),
    (transfer.Transfer, "memos"),
    (transfer.Transfer, "verify_changes"),
    (migrate.Migration, "_settled"),
    (leftbehind.LeftBehind, "archive"),
    (leftbehind.LeftBehind, "clear"),
    (RedisBackend, "arrive"),
    (MarkdownBackend, "arrive"),
    (Home, "leave"),
    (gate.Gate, "leave"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[f"{owner.__name__}.{name}" for owner, name in STEPS])
def test_a_move_that_was_killed_is_gone_on_with(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool
) -> None:
    monkeypatch.setattr(gate, "HELD", 0.2)
    with Workspace.open() as w:
        wanted = said(w)
    for place, mode in ((url, "redis"), ("markdown", "markdown")):
        killed_at(owner, name, after, lambda place=place: Workspace.migrate(place))  # type: ignore[misc]
        Workspace.migrate(place)
        with Workspace.open() as w:
            assert w.backend.name == mode
            assert said(w) == wanted
            w.tasks.update("t1", set={"turn": mode})
            wanted = said(w)


def killed_at(owner: type, name: str, after: bool, step: Callable[[], Any]) -> None:
    """Do a step in another process, which is killed before or after it calls this method."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    plain = getattr(owner, name)

    def dying(*arguments: Any, **rest: Any) -> None:
        if after:
            plain(*arguments, **rest)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)
    try:
        step()
    finally:
        os._exit(1)


@pytest.mark.parametrize("fails", ["put_all", "extend", "digests", "arrive", "last"])
def test_when_it_fails_all_goes_on_where_it_was(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def broken(*args: Any, **rest: Any) -> Any:
        raise BackendUnavailable("it is gone")

    monkeypatch.setattr(RedisBackend, fails, broken)
    with Workspace.open() as w:
        w.events.publish("training", "more") if fails == "last" else None
        try:
            Workspace.migrate(url)
        except BackendUnavailable:
            assert w.tasks.update("t1", set={"title": "on"}).title == "on"
            assert w.backend.name == "markdown"
        else:
            assert fails == "last"


def test_what_arrives_damaged_is_noticed(project: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_all = RedisBackend.put_all

    def forgetful(self: RedisBackend, copies: Any) -> Any:
        done = put_all(self, copies)
        for copy in copies:
            if copy.key.id == "t3":
                self.put_text(copy.key, copy.text + " ")
        return done

    monkeypatch.setattr(RedisBackend, "put_all", forgetful)
    with pytest.raises(BackendUnavailable, match="task-t3 is not the same"):
        Workspace.migrate(url)
    assert Home.of(state_folder(root_of(project))).place() in ("", "markdown")


# -- from TaskQueue


@pytest.mark.parametrize("to_files", [True, False], ids=["markdown", "redis"])
def test_a_workspace_on_taskqueue_moves_too(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, to_files: bool
) -> None:
    monkeypatch.setenv("MDCOORD_TASKQUEUE_COMMAND", shlex.join(STANDIN))
    monkeypatch.setenv("TASK_MANAGER_FILE_PATH", str(tmp_path / "tasks.json"))
    place = "markdown" if to_files else url
    with Workspace.create(tmp_path / "project", backend="taskqueue", agent="ada", session="s1") as w:
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        w.events.publish("training", "begun")
        w.context.set("proj-domain", {"a": 1})
        claim = w.tasks.claim("one", heartbeat=False)
        wanted = {name: w.backend.text(Key("task", name)) for name in ("one", "two")}
        assert Workspace.migrate(place, tmp_path / "project").counts["task"] == 2
        assert {name: w.backend.text(Key("task", name)) for name in ("one", "two")} == wanted
        assert w.backend.name == ("markdown" if to_files else "redis")
        assert [event.name for event in w.events.tail("training")] == ["begun"]
        claim.complete()
    with Workspace.open(tmp_path / "project") as w:
        assert w.backend.name == ("markdown" if to_files else "redis")
        assert {task.id: task.status for task in w.tasks.list()} == {"one": "completed", "two": "pending"}
        assert w.context.get("proj-domain").data == {"a": 1}
        assert w.check() == []


# -- plain copies


@pytest.mark.parametrize(
    ("layout", "server"), [("hash", None), ("string", None), ("json", JSON)], indirect=["server"]
)
def test_other_programs_read_plain_keys(project: Path, url: str, server: Server, layout: str) -> None:
    import redis

    prefix = url.rpartition("=")[2]
    with Workspace.open() as w, redis.Redis(unix_socket_path=str(server.socket)) as others:
        for _ in range(2):
            counts, left = w.copy_plain(url, layout)
            assert not left
        assert (counts["task"], counts["agent"], counts["event"]) == (7, 1, len(_events(project)))
        key = f"{prefix}agents:status:ada"
        if layout == "hash":
            assert others.hget(key, "status") == b"available"
            assert json.loads(others.hget(key, "capabilities")) == ["x"]
        elif layout == "json":
            assert json.loads(others.execute_command("JSON.GET", key, "$.capabilities[0]")) == ["x"]
        else:
            assert json.loads(others.get(key))["capabilities"] == ["x"]
        history = [
            json.loads(one)["event"] for one in others.lrange(f"{prefix}events:training:history", 0, -1)
        ]
        assert history == ["noted", *["step"] * 8]
        assert w.backend.name == "markdown"
        with pytest.raises(AlreadyExists, match="a copy for other programs"):
            RedisBackend(url)
        for wrong in ("json", "xml") if layout != "json" else ("xml",):
            with pytest.raises(UsageError):
                w.copy_plain(server.url("other:"), wrong)


def test_a_plain_copy_leaves_what_others_made(project: Path, url: str, server: Server) -> None:
    import redis

    prefix = url.rpartition("=")[2]
    theirs = [f"{prefix}task:t1", f"{prefix}events:training:history"]
    with Workspace.open() as w, redis.Redis(unix_socket_path=str(server.socket)) as others:
        others.set(theirs[0], "mine")
        others.rpush(theirs[1], "mine", "too")
        for layout in ("hash", "string"):
            counts, left = w.copy_plain(url, layout)
            assert sorted(left) == sorted(theirs)
            assert (counts["task"], others.get(theirs[0])) == (6, b"mine")
            assert others.lrange(theirs[1], 0, -1) == [b"mine", b"too"]
        others.delete(*theirs)
        assert w.copy_plain(url, "hash").left == ()


def test_a_plain_copy_repeats_nothing_when_answers_are_lost(
    project: Path, url: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    monkeypatch.setattr(plain, "BATCH", 2)
    prefix = url.rpartition("=")[2]
    cutter = Cutter(server, tmp_path)
    try:
        with Workspace.open() as w, redis.Redis(unix_socket_path=str(server.socket)) as others:
            for number in range(60):
                w.events.publish("long", "step", number=number)
            w.copy_plain(f"unix://{cutter.path}?prefix={prefix}", "hash")
            found = others.lrange(f"{prefix}events:long:history", 0, -1)
            assert [json.loads(one)["number"] for one in found] == [*reversed(range(60))]
            assert cutter.cut > 2
    finally:
        cutter.close()


def test_a_plain_copy_that_is_refused_leaves_no_line_open(
    project: Path, url: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    with RedisBackend(url) as backend:
        backend.extend("log", [])
    monkeypatch.setattr(plain.Link, "close", lambda link: closed.append(link))
    with Workspace.open() as w, pytest.raises(AlreadyExists):
        w.copy_plain(url, "hash")
    assert closed


@pytest.mark.parametrize("dry_run", [True, False])
def test_no_workspace_moves_to_where_a_plain_copy_is(project: Path, url: str, dry_run: bool) -> None:
    with Workspace.open() as w:
        w.copy_plain(url, "hash")
        with pytest.raises(AlreadyExists, match="mdcoord:plain names its keys"):
            Workspace.migrate(url, dry_run=dry_run)
        assert w.backend.name == "markdown"
        assert not w.copy_plain(url, "hash").left, "it can be made again"


def test_a_move_leaves_the_events_of_others_where_they_are(project: Path, url: str, server: Server) -> None:
    import redis

    prefix = url.rpartition("=")[2]
    with Workspace.open() as w:
        wanted = said(w)
    with redis.Redis(unix_socket_path=str(server.socket)) as others:
        others.rpush(f"{prefix}events:training:history", "theirs", '{"id": 1}')
        Workspace.migrate(url)
        with Workspace.open() as w:
            assert said(w) == wanted
        assert others.lrange(f"{prefix}events:training:archive", -2, -1) == [b"theirs", b'{"id": 1}']
