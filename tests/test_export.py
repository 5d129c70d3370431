"""Export and import: what the lines say, what is left alone, and what a line that is none leads to.

That everything comes through byte for byte is in `contract.roundtrip`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from commands import Mdcoord

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.backends.values import Copy, Event, Unreadable
from mdcoord.errors import BackendUnavailable, InvalidDocument, NotFound, UsageError
from mdcoord.model import Change, Key
from mdcoord.moving import forks
from mdcoord.rules.leases import Lease
from mdcoord.workspace import Workspace
from tests.contract.fakes import FakeHost

TIME = "2026-01-31T09:30:00.000Z"
TASK = Key("task", "train")


@pytest.fixture
def w() -> Workspace:
    """A workspace with a bit of everything."""
    made = Workspace(MemoryBackend(), agent="ada", session="s", host=FakeHost())
    made.tasks.create("Train", id="train", body="Mine.\n")
    made.tasks.claim("train", heartbeat=False)
    made.tasks.create("Old", id="old")
    made.backend.archive(Key("task", "old"))
    made.context.set("data", {"rows": 3})
    for number in range(4):
        made.events.publish("training", "step", n=number)
    made.rotate("training", 2)
    with made.events.subscribe("training", consumer="plotter", follow=False) as events:
        events.take(1)
        events.ack()
    return made


def empty() -> Workspace:
    return Workspace(MemoryBackend(), host=FakeHost())


def rows(w: Workspace, **rest: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in w.export(**rest)]


def test_the_lines_of_a_workspace(w: Workspace) -> None:
    head, *items, end = rows(w)
    assert (head["format"], head["backend"], head["archive"]) == ("mdcoord/export/1", "memory", False)
    assert [(item["kind"], item["id"]) for item in items if item["kind"] != "event"] == [
        ("task", "train"),
        ("context", "data"),
        ("channel", "training"),
        ("consumer", "plotter"),
    ]
    task, events = items[0], [item for item in items if item["kind"] == "event"]
    assert task["text"] == w.backend.text(TASK)
    assert task["fields"] == w.backend.read(TASK).fields
    assert Lease.from_dict(task["lease"]) == w.backend.lease(TASK)
    assert [event["data"] for event in events] == [{"n": 2}, {"n": 3}]
    assert items[-1]["next"] == events[1]["id"]
    assert end == {"end": True, "counts": {"task": 1, "context": 1, "channel": 1, "event": 2, "consumer": 1}}


def test_only_some_kinds_and_the_archive(w: Workspace) -> None:
    assert [row["id"] for row in rows(w, kinds=["context"])[1:-1]] == ["data"]
    tasks = rows(w, kinds=["task"], archive=True)[1:-1]
    assert [(row["id"], row.get("archived")) for row in tasks] == [("train", None), ("old", "task-old")]
    events = rows(w, kinds=["events"], archive=True)[2:-2]
    assert [(row["data"]["n"], row.get("archived", False)) for row in events] == [
        (0, True),
        (1, True),
        (2, False),
        (3, False),
    ]
    with pytest.raises(UsageError, match="not a kind"):
        w.export(["tasks"])


def test_an_export_takes_one_page_at_a_time(w: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def copies_of(kind: str, ids: Sequence[str]) -> Iterator[Copy]:
        looked.extend(ids)
        return (Copy(Key(kind, name), "text") for name in ids)

    monkeypatch.setattr(w.backend, "ids", lambda kind: [f"n{number}" for number in range(1000)])
    monkeypatch.setattr(w.backend, "copies_of", copies_of)
    assert len([*islice(w.export(), 10)]) == 10
    assert len(looked) == forks.PAGE


def test_what_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "task-a.md").write_bytes(b"\xff")
    (tmp_path / "task-b.md").write_bytes(b"---\na: [\n---\n")
    export = Workspace(MarkdownBackend(tmp_path, durability="none")).export()
    (line,) = [json.loads(line) for line in export if "task" in line][1:-1]
    assert (line["id"], line["text"], "fields" in line) == ("b", "---\na: [\n---\n", False)
    (left,) = export.left_out
    assert isinstance(left, Unreadable)
    assert left.key == Key("task", "a")


def test_a_claim_goes_on_in_another_store(w: Workspace) -> None:
    other = Workspace(MemoryBackend(), agent="ada", session="s", host=w.host)
    other.import_(w.export())
    other.tasks.heartbeat("train")
    other.tasks.complete("train")
    assert other.tasks.get("train").status == "completed"


def test_a_consumer_goes_on_where_it_was(w: Workspace) -> None:
    for archive in (False, True):
        other = empty()
        other.events.publish("training", "before")
        other.import_(w.export(archive=archive))
        with other.events.subscribe("training", consumer="plotter", follow=False) as events:
            assert [event.get("n") for event in events] == [3]
        (known,) = other.events.consumers()
        assert known.lag == 0


def test_a_consumer_that_is_known_stays_where_it_is(w: Workspace) -> None:
    other = empty()
    other.import_(w.export())
    with other.events.subscribe("training", consumer="plotter", follow=False) as events:
        events.take()
        events.ack()
    assert other.import_(w.export()).same["consumer"] == 1
    assert other.events.consumers()[0].lag == 0


def test_what_is_different_is_left(w: Workspace) -> None:
    other = empty()
    other.tasks.create("Mine", id="train")
    event = next(w.backend.tail("training"))
    other.backend.extend("training", [Event(event.id, event.name, event.time, {"n": "mine"})])
    found = other.import_(w.export())
    assert found.different == (f"event {event.id} of training", "task-train")
    assert found.new == {"context": 1, "event": 1, "consumer": 1}
    assert other.tasks.get("train")["title"] == "Mine"
    assert [event.data["n"] for event in other.backend.tail("training")] == ["mine", 3]


def test_attempts_never_go_back(w: Workspace) -> None:
    other = empty()
    other.tasks.create("Train", id="train")
    other.backend.write(TASK, Change(lease=Lease(attempt=7)))
    other.backend.delete(TASK)
    other.import_(w.export())
    assert other.backend.lease(TASK) == Lease(attempt=7)


def test_an_import_is_gone_on_with(w: Workspace) -> None:
    lines = [*w.export(archive=True)]
    for cut in range(1, len(lines)):
        other = empty()
        with pytest.raises(InvalidDocument, match="cut off"):
            other.import_(lines[:cut])
        other.import_(lines)
        assert [*other.export(archive=True)][1:] == lines[1:]


def test_a_half_line_was_cut_off_and_a_strange_one_is_told(w: Workspace) -> None:
    lines = [*w.export()]
    with pytest.raises(InvalidDocument, match="cut off"):
        empty().import_([lines[0], lines[1][:-20]])
    for strange in ('{"kind": "task", "id": 7}\n', "[]\n", '{"kind": "thing", "id": "a"}\n', "{\n"):
        with pytest.raises(InvalidDocument, match="line 2 of the input"):
            empty().import_([lines[0], strange, *lines[1:]])
    with pytest.raises(InvalidDocument, match="its text is not the one"):
        empty().import_([lines[0], lines[1].replace("Mine.", "Yours."), *lines[2:]])
    with pytest.raises(InvalidDocument, match="does not begin"):
        empty().import_(lines[1:])
    with pytest.raises(InvalidDocument, match="its format is"):
        empty().import_([lines[0].replace("export/1", "export/9"), *lines[1:]])


def test_what_came_before_the_end_of_half_a_stream_is_imported(w: Workspace) -> None:
    lines, whole, half = [*w.export()], empty(), empty()
    whole.import_(lines)
    with pytest.raises(InvalidDocument, match="cut off"):
        half.import_(lines[:-1])
    assert [*half.export()][1:] == [*whole.export()][1:]


def test_a_line_that_is_missing_is_noticed(w: Workspace) -> None:
    lines, other = [*w.export()], empty()
    with pytest.raises(InvalidDocument, match=r"not whole: its last line counts .* and there are"):
        other.import_([*lines[:1], *lines[2:]])
    assert sum(other.import_(lines).new.values()) == 1


def test_a_file_that_was_cut_off_is_not_begun(w: Workspace, tmp_path: Path) -> None:
    file, other = tmp_path / "x.jsonl", empty()
    file.write_text("".join([*w.export()][:-1]))
    with pytest.raises(InvalidDocument, match="cut off"):
        other.import_(file)
    assert list(other.tasks.list()) == []
    with pytest.raises(NotFound):
        other.import_(tmp_path / "y.jsonl")


def test_a_file_of_another_program_is_told_from_half_an_export(tmp_path: Path) -> None:
    file = tmp_path / "issues.jsonl"
    file.write_text('{"id": "bd-1", "title": "x"}\n')
    with pytest.raises(InvalidDocument, match="does not begin as an export") as raised:
        empty().import_(file)
    assert "--from" in raised.value.hint
    with pytest.raises(NotFound) as refused:
        empty().import_(tmp_path)
    assert "--from" in refused.value.hint


def test_names_of_an_import_are_checked(w: Workspace) -> None:
    lines = [*w.export()]
    channel, event, place = (
        next(line for line in lines if f'"kind":"{kind}"' in line)
        for kind in ("channel", "event", "consumer")
    )
    for name in ("../../etc/passwd", "a/b", ""):
        document = lines[1].replace('"id":"train"', f'"id":"{name}"')
        archived = lines[1].replace('"id":"train"', f'"id":"train","archived":"x{name}"')
        others = [re.sub('"id":"[^"]*"', f'"id":"{name} "', line) for line in (channel, event, place)]
        for wrong in (document, archived, *others):
            with pytest.raises(InvalidDocument, match="line 2 of the input") as caught:
                empty().import_([lines[0], wrong, *lines[1:]])
            assert (caught.value.exit_code, caught.value.details["line"]) == (7, 2)


def test_messages_that_came_in_are_seen(w: Workspace) -> None:
    other = Workspace(w.backend, agent="bob", session="t", host=FakeHost())
    target = Workspace(MemoryBackend(), agent="ada", session="s", host=FakeHost())
    assert target.messages.inbox().unread == 0
    other.messages.send("general", "Which one?", "Say.", to="ada")
    target.import_(w.export(["message"]))
    assert target.inbox().unread == 1


# -- the command line


def test_a_file_and_back(mdcoord: Mdcoord, project: Path) -> None:
    mdcoord("task", "create", "Train", "--id", "train")
    done = mdcoord("export", "all.jsonl", "--json")
    assert done.json == {"file": "all.jsonl", "counts": {"task": 1}}
    assert sorted(path.name for path in project.glob("*.jsonl*")) == ["all.jsonl"]
    text = (project / "all.jsonl").read_text()
    (project / ".claude/coordination/task-train.md").unlink()
    assert mdcoord("import", "all.jsonl", "--dry-run", "--json").json["new"] == {"task": 1}
    assert mdcoord("import", "-", "--json", input=text).json["new"] == {"task": 1}
    assert mdcoord("import", "all.jsonl", "--json").json["same"] == {"task": 1}
    assert mdcoord("export").out.splitlines()[1:] == text.splitlines()[1:]


def test_a_pipe_is_no_file(mdcoord: Mdcoord, project: Path) -> None:
    mdcoord("task", "create", "Train", "--id", "train")
    os.mkfifo(project / "pipe")
    with ThreadPoolExecutor(1) as pool:
        text = pool.submit((project / "pipe").read_bytes)
        assert mdcoord("export", "pipe").code == 0
        pool.submit((project / "pipe").write_bytes, text.result())
        assert mdcoord("import", "pipe", "--json").json["same"] == {"task": 1}
    assert [path.name for path in project.glob("pipe*")] == ["pipe"]


def test_where_nothing_can_be_written(mdcoord: Mdcoord) -> None:
    refused = mdcoord("export", "no/such/folder.jsonl")
    assert (refused.code, refused.out) == (8, "")
    assert "no/such/folder.jsonl cannot be written: No such file or directory" in refused.err


def test_exit_codes(mdcoord: Mdcoord, project: Path) -> None:
    mdcoord("task", "create", "Train", "--id", "train")
    mdcoord("export", "all.jsonl")
    mdcoord("task", "update", "train", "--set", "note=mine")
    changed = mdcoord("import", "all.jsonl", "--json")
    assert (changed.code, changed.json["different"]) == (4, ["task-train"])
    (project / ".claude/coordination/task-bad.md").write_bytes(b"\xff")
    assert mdcoord("export", "more.jsonl").code == 7
    (project / "tasks.jsonl").write_text('{"title": "A"}\n{}\n')
    assert mdcoord("import", "--from", "tasks", "tasks.jsonl").code == 7
    assert mdcoord("import", "--from", "jira", "x").code == 2
    assert mdcoord("export", "--kind", "nothing").code == 2


def test_a_failed_export_leaves_the_old_file(
    mdcoord: Mdcoord,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(backend: MarkdownBackend) -> list[str]:
        raise BackendUnavailable("the disk is gone")

    mdcoord("task", "create", "Train", "--id", "train")
    (project / "all.jsonl").write_text("old")
    monkeypatch.setattr(MarkdownBackend, "channels", fail)
    assert mdcoord("export", "all.jsonl").code == 8
    assert [path.name for path in project.glob("all*")] == ["all.jsonl"]
    assert (project / "all.jsonl").read_text() == "old"
