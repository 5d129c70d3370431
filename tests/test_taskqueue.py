"""The TaskQueue backend: other clients of its server, and all that is known to go wrong with that."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskqueue_peer import COMMANDS, STANDIN, Peer, backend_in, file_in

from mdcoord.backends.taskqueue.entry import Wanted, draft_of, entry_of, wanted_for
from mdcoord.backends.taskqueue.store import TaskQueueBackend
from mdcoord.errors import BackendUnavailable, InvalidDocument, NotFound
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

TASK = Key("task", "one")
SCRIBE = Scribe(Templates([]))
LOCKED = 0.3
"""Seconds for a call in tests of what takes too long."""


@pytest.fixture(params=sorted(COMMANDS))
def command(request: Any) -> list[str]:
    found: list[str] = COMMANDS[request.param]
    return found


@pytest.fixture
def backend(tmp_path: Path, command: list[str]) -> Iterator[TaskQueueBackend]:
    with backend_in(tmp_path, command) as made:
        yield made


@pytest.fixture
def peer(backend: TaskQueueBackend, command: list[str]) -> Iterator[Peer]:
    """Somebody else, at the project of the backend."""
    with backend.queue.turn():
        backend.queue.made()
    with Peer(backend.queue.file, command) as made:
        yield made


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[TaskQueueBackend]:
    """A workspace on the stand-in, which can be told to fail."""
    with backend_in(tmp_path) as made:
        yield made


def happens(backend: TaskQueueBackend, *faults: str) -> None:
    """Let something go wrong, once each: `update_task dies-after`."""
    file = Path(f"{backend.queue.file}.faults")
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{fault}\n" for fault in faults))


def set_(**values: Any) -> Change:
    return Change(set={(name,): value for name, value in values.items()})


# -- what others see, and what they make


def test_others_see_title_words_status_and_result(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"title": "Train", "instructions": "Fit it.", "status": "pending"}, name="one")
    (task,) = peer.tasks()
    assert (task["title"], task["status"], task["approved"]) == ("Train", "not started", False)
    assert task["description"].startswith("Fit it.\n\n<!-- mdcoord:document {")
    backend.write(TASK, set_(status="in_progress"))
    assert peer.tasks()[0]["status"] == "in progress"
    backend.write(TASK, set_(status="completed", result={"loss": 0.4}))
    (task,) = peer.tasks()
    assert (task["status"], task["approved"]) == ("done", True)
    assert json.loads(task["completedDetails"]) == {"loss": 0.4}


@pytest.mark.parametrize("status", ["failed", "dead", "cancelled", "on_hold", None])
def test_a_status_that_the_server_does_not_know_is_kept(
    backend: TaskQueueBackend, peer: Peer, status: str | None
) -> None:
    backend.create("task", {"status": status}, name="one")
    assert peer.tasks()[0]["status"] == "not started"
    assert backend.read(TASK).fields["status"] == status


def test_a_task_of_somebody_else_is_a_document(backend: TaskQueueBackend, peer: Peer) -> None:
    id = peer.add("Label", "Label the recordings.")
    number = id.removeprefix("task-")
    key = Key("task", f"tq-{number}")
    (record,) = backend.list("task").records
    assert record.key == key == backend.resolve("task", id) == backend.resolve("task", f"tq-{number}")
    assert record.fields == backend.read(key).fields
    assert {
        "task_id": id,
        "title": "Label",
        "instructions": "Label the recordings.",
        "status": "pending",
    }.items() <= record.fields.items()
    assert peer.tasks()[0]["description"] == "Label the recordings."  # looking changes nothing
    peer.update(id, status="done", completedDetails="all labelled")
    done = backend.read(key).fields
    assert (done["status"], done["result"], done["progress"]) == ("completed", "all labelled", 1)


def test_a_task_of_somebody_else_is_worked_on(backend: TaskQueueBackend, peer: Peer) -> None:
    id = peer.add("Label", "Label the recordings.")
    w = Workspace(backend, agent="ada", session="s")
    claim = w.tasks.claim(heartbeat=False)
    (task,) = peer.tasks()
    assert (task["id"], task["status"]) == (id, "in progress")
    assert task["description"].startswith("Label the recordings.\n\n<!-- mdcoord:document {")
    claim.complete("ok")
    (task,) = peer.tasks()
    assert (task["id"], task["title"], task["completedDetails"]) == (id, "Label", "ok")
    assert [found.key.id for found in backend.list("task").records] == [claim.id]


def test_recommendations_come_along(backend: TaskQueueBackend, peer: Peer) -> None:
    given = {
        "title": "x",
        "description": "y",
        "toolRecommendations": "ffmpeg",
        "ruleRecommendations": "be kind",
    }
    peer.call("create_task", projectId=peer.project, **given)
    fields = backend.list("task").records[0].fields
    assert (fields["tool_recommendations"], fields["rule_recommendations"]) == ("ffmpeg", "be kind")


# -- what others change


def test_what_somebody_changes_there_counts(backend: TaskQueueBackend, peer: Peer) -> None:
    made = backend.create("task", {"title": "Train", "instructions": "Fit it.", "n": 1}, name="one")
    (task,) = peer.tasks()
    block = task["description"].removeprefix("Fit it.")
    peer.update(task["id"], title="Train well", description=f"Fit it twice.{block}")
    record = backend.read(TASK)
    assert (record.fields["title"], record.fields["instructions"]) == ("Train well", "Fit it twice.")
    assert record.version != made.version
    assert "# Task: Train well" in backend.text(TASK)
    peer.update(task["id"], status="done", completedDetails="by hand")
    after = backend.write(TASK, set_(n=2)).fields
    assert (after["title"], after["status"], after["result"], after["n"]) == (
        *("Train well", "completed", "by hand"),
        2,
    )
    assert backend.read(TASK).fields == after


def test_words_below_the_block_are_words_as_well(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"instructions": "Fit it."}, name="one")
    (task,) = peer.tasks()
    peer.update(task["id"], description=task["description"] + "\n\nAnd test it.\n")
    assert backend.read(TASK).fields["instructions"] == "Fit it.\n\nAnd test it."
    backend.write(TASK, set_(n=1))
    assert peer.tasks()[0]["description"].startswith("Fit it.\n\nAnd test it.\n\n<!-- mdcoord")


def test_a_status_that_somebody_takes_back(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"status": "in_progress"}, name="one")
    (task,) = peer.tasks()
    peer.update(task["id"], status="not started")
    assert backend.read(TASK).fields["status"] == "pending"


def test_a_description_without_its_end_is_told(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"instructions": "Fit it."}, name="one")
    (task,) = peer.tasks()
    half = task["description"].partition("schema")[0]
    peer.update(task["id"], description=half)
    with pytest.raises(InvalidDocument, match="has no end"):
        backend.read(TASK)
    assert [found.key for found in backend.list("task").unreadable] == [TASK]
    assert peer.tasks()[0]["description"] == half


def test_who_rewrites_the_description_gets_a_task_of_his_own(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"title": "Train"}, name="one")
    (task,) = peer.tasks()
    peer.update(task["id"], description="something else")
    assert not backend.exists(TASK)
    assert backend.list("task").records[0].fields["instructions"] == "something else"


def test_a_change_that_comes_in_between_is_seen(backend: TaskQueueBackend, peer: Peer) -> None:
    """Between the look at a task and its write."""
    backend.create("task", {"title": "Train", "n": 1}, name="one")
    titles = []

    def decide(record: Any) -> Change:
        titles.append(record.fields["title"])
        if len(titles) == 1:
            peer.update(peer.tasks()[0]["id"], title="Train well")
        return set_(n=record.fields["n"] + 1)

    fields = backend.write(TASK, decide).fields
    assert titles == ["Train", "Train well"]
    assert (fields["title"], fields["n"]) == ("Train well", 2)


# -- approval


def test_what_is_completed_is_approved(backend: TaskQueueBackend, peer: Peer) -> None:
    """Or the server gives it out for ever, and its project never ends."""
    for name in ("one", "two"):
        backend.create("task", {"title": name}, name=name)
    backend.write(TASK, set_(status="completed"))
    assert peer.call("get_next_task", projectId=peer.project)["task"]["title"] == "two"
    backend.write(Key("task", "two"), set_(status="completed"))
    assert "approved" in peer.call("finalize_project", projectId=peer.project)["message"]
    with pytest.raises(BackendUnavailable, match="already completed") as raised:
        backend.create("task", {}, name="three")
    assert "taskqueue_project" in raised.value.hint
    assert backend.read(TASK).fields["status"] == "completed"


def test_a_project_whose_tasks_a_person_approves(backend: TaskQueueBackend, peer: Peer) -> None:
    made = peer.call("create_project", initialPrompt="careful", tasks=[], autoApprove=False)
    backend.queue.name, backend.queue._known = "careful", made["projectId"]
    backend.create("task", {"status": "completed"}, name="one")
    (task,) = peer.call("list_tasks", projectId=made["projectId"])["tasks"]
    assert (task["status"], task["approved"]) == ("done", False)
    assert backend.write(TASK, set_(n=1)).fields["n"] == 1


def test_an_approved_task_goes_on_as_another_one(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"title": "Train", "status": "completed"}, name="one")
    backend.write(TASK, set_(status="pending"))
    old, new = peer.tasks()
    assert (old["approved"], new["approved"], new["status"]) == (True, False, "not started")
    (record,) = backend.list("task").records
    assert record.fields["status"] == "pending"
    assert backend.write(TASK, set_(n=1)).fields["n"] == 1
    assert len(peer.tasks()) == 2


def test_an_approved_task_can_be_removed_for_mdcoord(backend: TaskQueueBackend, peer: Peer) -> None:
    text = ""
    for number in range(3):
        backend.create("task", {"status": "completed", "number": number}, name="one")
        text = backend.text(TASK)
        if number == 2:
            backend.archive(TASK)
        else:
            backend.delete(TASK)
        assert not backend.exists(TASK)
        assert not backend.list("task").records
    assert all(task["approved"] for task in peer.tasks())
    assert backend.restore("task-one").fields["number"] == 2
    assert backend.text(TASK) == text


def test_a_task_that_somebody_approved_can_be_removed(backend: TaskQueueBackend, peer: Peer) -> None:
    id = peer.add("Label", "them")
    key = backend.resolve("task", id)
    peer.update(id, status="done", completedDetails="ok")
    peer.call("approve_task", projectId=peer.project, taskId=id)
    backend.archive(key)
    assert not backend.list("task").records
    assert backend.restore("task-" + key.id).fields["title"] == "Label"


# -- ids


def test_ids_that_are_used_again_mix_nothing_up(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"title": "first"}, name="one")
    (first,) = peer.tasks()
    backend.list("task")
    peer.call("delete_task", projectId=peer.project, taskId=first["id"])
    assert peer.add("another", "one") == first["id"]
    with pytest.raises(NotFound):
        backend.write(TASK, set_(n=1))
    assert backend.list("task").records[0].fields["title"] == "another"
    assert peer.tasks()[0]["description"] == "one"


def test_a_project_of_the_same_number_is_another_one(backend: TaskQueueBackend, peer: Peer) -> None:
    backend.create("task", {"title": "first"}, name="one")
    number = peer.project
    peer.call("list_projects")
    peer.call("delete_project", projectId=number)
    assert peer.call("create_project", initialPrompt="other", tasks=[])["projectId"] == number
    assert not backend.list("task").records
    backend.create("task", {"title": "second"}, name="one")
    assert peer.call("list_tasks", projectId=number)["tasks"] == []
    assert [task["title"] for task in peer.tasks()] == ["second"]


def test_a_project_by_its_id(tmp_path: Path, peer: Peer, backend: TaskQueueBackend) -> None:
    made = peer.call("create_project", initialPrompt="theirs", tasks=[{"title": "a", "description": "b"}])
    backend.queue.close()
    with backend_in(tmp_path) as other:
        other.queue.name = other.queue._known = made["projectId"]
        assert [record.fields["title"] for record in other.list("task").records] == ["a"]
        other.queue.name = other.queue._known = "proj-99"
        with pytest.raises(NotFound, match="no project proj-99"):
            other.list("task")


# -- servers that fail


@pytest.mark.parametrize("death", ["dies-before", "dies-after", "forgets"])
@pytest.mark.parametrize(
    "tools",
    [
        ("create_project",),
        ("create_task",),
        ("update_task",),
        ("approve_task",),
        ("create_task", "update_task", "approve_task"),
        ("delete_task",),
    ],
)
def test_a_step_that_the_server_loses_is_done_once(
    standin: TaskQueueBackend, death: str, tools: tuple[str, ...]
) -> None:
    faults = [f"{tool} {death}" for tool in tools]
    happens(standin, *faults)
    standin.create("task", {"status": "completed", "n": 1}, name="one")
    standin.create("task", {"n": 1}, name="two")
    standin.delete(Key("task", "two"))
    assert Path(f"{standin.queue.file}.faults").read_text() == ""
    assert [record.key for record in standin.list("task").records] == [TASK]
    assert standin.read(TASK).fields["n"] == 1
    with Peer(standin.queue.file) as peer:
        assert [(task["status"], task["approved"]) for task in peer.tasks()] == [("done", True)]
        assert len(peer.call("list_projects")["projects"]) == 1


def test_who_is_killed_before_he_approves_is_helped(standin: TaskQueueBackend) -> None:
    happens(standin, *["approve_task forgets"] * 99)
    with pytest.raises(BackendUnavailable):
        standin.create("task", {"status": "completed"}, name="one")
    happens(standin)
    with Peer(standin.queue.file) as peer:
        theirs = peer.add("theirs", "x")
        peer.update(theirs, status="done", completedDetails="wait for me")
        standin.sweep()
        assert [task["approved"] for task in peer.tasks()] == [True, False]


def test_a_server_that_keeps_nothing_is_told(standin: TaskQueueBackend) -> None:
    standin.create("task", {"n": 1}, name="one")
    happens(standin, *["update_task forgets"] * 99)
    with pytest.raises(BackendUnavailable, match="did not keep task-one"):
        standin.write(TASK, set_(n=2))
    happens(standin)
    assert standin.read(TASK).fields["n"] == 1


@pytest.mark.parametrize("tool", ["update_task", "read_project"])
def test_a_server_that_is_killed_in_the_middle_of_a_call(standin: TaskQueueBackend, tool: str) -> None:
    standin.create("task", {"n": 1}, name="one")
    process = standin.queue._process
    assert process
    happens(standin, f"{tool} hangs")

    def kill() -> None:
        while Path(f"{standin.queue.file}.faults").read_text():
            time.sleep(0.001)
        os.kill(process._child.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert standin.write(TASK, lambda record: set_(n=record.fields["n"] + 1)).fields["n"] == 2
    killer.join()
    assert standin.queue._process is not process
    assert standin.read(TASK).fields["n"] == 2


def test_a_call_that_takes_too_long(tmp_path: Path) -> None:
    with backend_in(tmp_path, timeout=LOCKED) as backend:
        backend.create("task", {"n": 1}, name="one")
        process = backend.queue._process
        assert process
        happens(backend, "update_task hangs")
        with pytest.raises(BackendUnavailable, match=r"did not answer update_task within 0\.3 s"):
            backend.write(TASK, set_(n=2))
        assert process._child.poll() is not None  # or it would do it later
        assert backend.write(TASK, set_(n=3)).fields["n"] == 3


def test_a_lock_that_was_left_behind(tmp_path: Path, command: list[str]) -> None:
    with backend_in(tmp_path, command, timeout=LOCKED) as backend:
        backend.create("task", {"n": 1}, name="one")
        lock = Path(f"{backend.queue.file}.lock")
        lock.touch()
        os.utime(lock, (time.time() - 7200, time.time() - 7200))
        for step in (lambda: backend.read(TASK), lambda: backend.write(TASK, set_(n=2))):
            with pytest.raises(BackendUnavailable, match=rf"{lock} is there, made 72\d\d s ago") as raised:
                step()
            assert raised.value.details["age"] in range(7199, 7300)
            assert lock.exists()
        backend.append("log", "x", {}, time="2026-01-31T09:30:00.000Z")  # it is elsewhere
        lock.unlink()
        assert backend.write(TASK, set_(n=3)).fields["n"] == 3


@pytest.mark.parametrize("content", ['{"projects": [{"proj', "{}"])
def test_a_file_of_which_a_crash_left_half(tmp_path: Path, command: list[str], content: str) -> None:
    file = file_in(tmp_path)
    file.parent.mkdir()
    file.write_text(content)
    with backend_in(tmp_path, command) as backend:
        for step in (lambda: backend.list("task"), lambda: backend.create("task", {}, name="one")):
            with pytest.raises(BackendUnavailable) as raised:
                step()
            assert raised.value.details["refusal"]
    assert file.read_text() == content


def test_the_disk_has_what_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the limits of a server that writes in place."""
    synced: list[str] = []
    whole = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        whole(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    with backend_in(tmp_path, durability="full") as backend:
        backend.create("task", {}, name="one")
        backend.write(TASK, set_(n=1))
        backend.delete(TASK)
    assert synced.count("tasks.json") == 3


def test_its_folder_is_made(tmp_path: Path, backend: TaskQueueBackend) -> None:
    backend.create("task", {}, name="one")
    assert file_in(tmp_path).is_file()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["/nowhere/taskqueue-mcp"], "cannot be started"),
        ([sys.executable, "-c", "import sys; sys.exit('no such port')"], "no such port"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "it ended with code 3"),
    ],
)
def test_a_server_that_does_not_start(tmp_path: Path, command: list[str], message: str) -> None:
    with backend_in(tmp_path, command) as backend:
        with pytest.raises(BackendUnavailable, match=message) as raised:
            backend.list("task")
        assert "taskqueue_command" in raised.value.hint
        backend.create("agent", {}, name="ada")  # needs no server


# -- processes


def test_no_server_is_started_for_what_is_beside_it(backend: TaskQueueBackend) -> None:
    backend.create("agent", {}, name="ada")
    backend.append("log", "x", {}, time="2026-01-31T09:30:00.000Z")
    assert backend.lease(TASK) is None
    assert backend.queue._process is None


def test_closing_ends_the_server(backend: TaskQueueBackend) -> None:
    backend.list("task")
    process = backend.queue._process
    assert process
    backend.close()
    assert process._child.poll() == 0
    assert backend.list("task").records == []


def test_a_forked_child_has_a_server_of_its_own(backend: TaskQueueBackend) -> None:
    backend.create("task", {"n": 1}, name="one")
    child = os.fork()
    if not child:
        code = 1
        try:
            backend.write(TASK, set_(n=2))
            backend.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.write(TASK, lambda record: set_(n=record.fields["n"] + 1)).fields["n"] == 3


WRITER = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from taskqueue_peer import backend_in
from mdcoord.model import Change, Key
with backend_in(Path({folder!r}), {command!r}) as backend:
    for number in range(8):
        backend.create("task", {{}}, name=f"{{sys.argv[1]}}-{{number}}")
        backend.write(
            Key("task", "one"), lambda record: Change(set={{("n",): record.fields["n"] + 1}})
        )
"""


def test_processes_that_share_the_file_lose_nothing(
    tmp_path: Path, backend: TaskQueueBackend, command: list[str]
) -> None:
    """Servers do: 80 acknowledged tasks of eight of them were 45."""
    backend.create("task", {"n": 0}, name="one")
    Path(f"{backend.queue.file}.slow").touch()
    here = Path(__file__).parent
    code = WRITER.format(paths=[str(here), str(here.parent)], folder=str(tmp_path), command=command)
    writers = [subprocess.Popen([sys.executable, "-c", code, f"w{number}"]) for number in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(backend.list("task").records) == 25
    assert backend.read(TASK).fields["n"] == 24


# -- moving


def test_it_is_moved_to_another_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MDCOORD_TASKQUEUE_COMMAND", shlex.join(STANDIN))
    with Workspace.create(backend=f"taskqueue:{file_in(tmp_path)}", agent="ada") as w:
        w.tasks.create("Train", id="train")
        claim = w.tasks.claim(heartbeat=False)
        text = w.tasks.text("train")
        Workspace.migrate("markdown")
        assert w.tasks.text("train") == text
        claim.complete("ok")  # it went along
    with Workspace.open() as w:
        assert (w.backend.name, w.tasks.get("train").status) == ("markdown", "completed")
    with Peer(file_in(tmp_path)) as peer:
        (project,) = peer.call("list_projects")["projects"]
        (task,) = peer.call("list_tasks", projectId=project["projectId"])["tasks"]
        assert task["status"] == "in progress"


# -- the block in the description

WORDS = st.text(st.sampled_from("a \n-<!>é{}\\") | st.characters(codec="utf-8"), max_size=60)
PIECES = st.sampled_from(
    [
        "<!-- mdcoord:document {} -->\n",
        '<!-- mdcoord:document {"id": "x"} -->\n',
        "\n<!-- /mdcoord:document -->",
    ]
)
ANYTHING = st.text(st.characters())  # with halves of characters, too
TEXTS = st.lists(WORDS | PIECES, max_size=4).map("".join)


@given(text=TEXTS, title=TEXTS, words=TEXTS, status=st.sampled_from(["pending", "completed", "x"]))
def test_any_text_comes_back(text: str, title: str, words: str, status: str) -> None:
    wanted = wanted_for(TASK, text, {"title": title, "instructions": words, "status": status})
    entry = entry_of(stored(wanted))
    assert (entry.key, entry.text) == (TASK, text)
    assert entry.holds(wanted)
    assert entry.shown == wanted.shown


@given(
    task=st.fixed_dictionaries(
        {"id": st.sampled_from(["task-1", "task-20"])},
        optional={
            **dict.fromkeys(["title", "description", "completedDetails", "toolRecommendations"], ANYTHING),
            "status": st.sampled_from(["not started", "in progress", "done", "paused"]),
            "approved": st.booleans(),
        },
    )
)
def test_any_task_of_others_is_a_document(task: dict[str, Any]) -> None:
    entry = entry_of(task)
    draft = draft_of(entry, SCRIBE, "here")
    assert draft.fields.get("title", "") == entry.shown.title
    assert (
        draft.fields.get("instructions", "")
        == task.get("description", "").encode("utf-8", "replace").decode()
    )
    again = SCRIBE.open(entry.key, draft.text)
    assert again.fields == draft.fields
    assert entry_of(stored(wanted_for(entry.key, draft.text, draft.fields))).text == draft.text


def stored(wanted: Wanted) -> dict[str, Any]:
    shown = wanted.shown
    return {
        "id": "task-1",
        "title": shown.title,
        "description": wanted.description(shown.status),
        "status": shown.status,
        "approved": False,
        "completedDetails": shown.details,
    }


@pytest.mark.parametrize("header", ["{", "[]", "{}", '{"id": 3}', '{"id": "../x"}', '{"id": ""}'])
def test_what_only_looks_like_a_block_is_words(header: str) -> None:
    description = f"<!-- mdcoord:document {header} -->\nx\n<!-- /mdcoord:document -->"
    task = {**stored(wanted_for(TASK, "", {})), "description": description}
    entry = entry_of(task)
    assert (entry.key.id, entry.shown.words) == ("tq-1", description)
