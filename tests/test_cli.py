"""The command line: what it prints for programs, its exit codes, where its options may stand."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from commands import Mdcoord

from mdcoord import errors
from mdcoord.host import Host
from mdcoord.interfaces.cli.app import cli
from mdcoord.interfaces.cli.base import Group, Verb
from mdcoord.interfaces.cli.boundary import describe, run
from mdcoord.interfaces.cli.session import session_of
from mdcoord.workspace import Workspace

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def workspace(mdcoord: Mdcoord, project: Path) -> Iterator[Workspace]:
    with Workspace.open(project, agent="other", session="elsewhere") as opened:
        yield opened


# ---------------------------------------------------------------- porcelain


OWN = ["_kind", "_id", "_version", "_path"]


def test_a_task_is_its_front_matter_with_own_facts_beside_it(mdcoord: Mdcoord) -> None:
    made = mdcoord("task", "create", "Train", "--id", "train", "--set", "metadata.loss=0.5", "--json").json
    assert list(made) == [
        *["schema", "task_id", "title", "status", "priority", "attempt", "created_at", "updated_at"],
        *["metadata", *OWN, "_ready", "_stale"],
    ]
    assert made["schema"] == "mdcoord/task/1"
    assert made["metadata"] == {"loss": 0.5}
    assert (made["_kind"], made["_id"], made["_ready"], made["_stale"]) == ("task", "train", True, False)
    assert mdcoord("task", "show", "train", "--json").json == made
    assert mdcoord("task", "list", "--json").lines == [made]
    assert mdcoord("query", "task", "--json").lines == [made]


def test_a_claim_is_told_beside_the_task(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "Train", "--id", "train")
    claimed = mdcoord("task", "claim", "--agent", "me", "--json").json
    claim = claimed.pop("_claim")
    assert list(claim) == ["agent", "session", "attempt", "token", "expires_at"]
    assert (claim["agent"], claim["session"], claim["attempt"]) == ("me", "here", 1)
    assert claimed == mdcoord("task", "show", "train", "--json").json
    assert (claimed["status"], claimed["assigned_agent"], claimed["attempt"]) == ("in_progress", "me", 1)


@pytest.mark.parametrize(
    "verb",
    [["heartbeat"], ["progress", "0.5"], ["release"], ["fail", "broken"], ["complete", "--result", "[1]"]],
)
@pytest.mark.parametrize("how", ["session", "token", "environment"])
def test_the_later_verbs_need_the_session_or_the_token(mdcoord: Mdcoord, verb: list[str], how: str) -> None:
    mdcoord("task", "create", "Train", "--id", "train")
    token = mdcoord("task", "claim", "--agent", "me", "--json").json["_claim"]["token"]
    arguments = ["task", verb[0], "train", *verb[1:], "--agent", "me", "--json"]
    lost = mdcoord(*arguments, MDCOORD_SESSION="another")
    assert lost.code == 4
    assert json.loads(lost.err)["error"] == "claim_lost"
    assert "--token" in json.loads(lost.err)["hint"]
    if how == "session":
        done = mdcoord(*arguments)
    elif how == "token":
        done = mdcoord(*arguments, "--token", token, MDCOORD_SESSION="another")
    else:
        done = mdcoord(*arguments, MDCOORD_SESSION="another", MDCOORD_TOKEN=token)
    assert done.code == 0
    assert done.json["_id"] == "train"
    assert mdcoord(*arguments, "--token", "1-000000000000").code == 4


def test_lists_are_one_object_a_line(mdcoord: Mdcoord) -> None:
    for name in "abc":
        mdcoord("task", "create", f"Task {name}", "--id", name, "--priority", str(ord(name)))
        mdcoord("agent", "register", name)
        mdcoord("context", "set", name, "x=1")
        mdcoord("metrics", "record", name, "x=1")
        mdcoord("progress", "set", name, "progress=50%")
    for command, kind in (
        (["task", "list"], "task"),
        (["agent", "list"], "agent"),
        (["context", "list"], "context"),
        (["metrics", "show"], "metrics"),
        (["progress", "show"], "progress"),
    ):
        found = mdcoord(*command, "--json").lines
        assert [(one["_kind"], one["_id"]) for one in found] == [(kind, name) for name in "abc"]
    assert mdcoord("task", "list", "--json", "--sort", "-priority", "--limit", "2").lines[1]["_id"] == "b"
    assert mdcoord("progress", "show", "a", "--json").json["progress"] == 0.5
    assert mdcoord("task", "list", "--status", "failed,dead", "--json") == (0, "", "")


def test_an_event_carries_its_cursor(mdcoord: Mdcoord) -> None:
    first = mdcoord("event", "publish", "training", "saved", "step=3", "gpu.gb=2.5", "who=me", "--json").json
    assert list(first) == ["_kind", "_channel", "_id", "_cursor", "name", "time", "data"]
    assert (first["_kind"], first["_channel"], first["name"]) == ("events", "training", "saved")
    assert first["data"] == {"step": 3, "gpu": {"gb": 2.5}, "who": "me"}
    second = mdcoord("event", "publish", "training", "saved").out.strip()
    assert [event["_cursor"] for event in mdcoord("event", "tail", "training", "--json").lines] == [
        first["_cursor"],
        second,
    ]
    after = mdcoord("event", "tail", "training", "--after", first["_cursor"], "--json").lines
    assert [event["_cursor"] for event in after] == [second]
    assert mdcoord("event", "tail", "training", "--after", second) == (0, "", "")


def test_tail_shows_the_newest_and_with_all_the_oldest(mdcoord: Mdcoord, workspace: Workspace) -> None:
    for step in range(15):
        workspace.events.publish("training", "step", step=step)

    def steps(*options: str) -> list[int]:
        return [
            event["data"]["step"] for event in mdcoord("event", "tail", "training", "--json", *options).lines
        ]

    assert steps() == [*range(5, 15)]
    assert steps("--limit", "2") == [13, 14]
    assert steps("--all") == [*range(15)]
    assert steps("--all", "--limit", "2") == [0, 1]


def test_query_selects_sorts_counts(mdcoord: Mdcoord, workspace: Workspace) -> None:
    for number in range(4):
        workspace.tasks.create(f"Task {number}", id=f"t{number}", fields={"metadata": {"loss": number / 10}})
    rows = mdcoord(
        *("query", "task", "metadata.loss > 0", "--select", "title,metadata.loss"),
        *("--sort", "-metadata.loss", "--limit", "2", "--json"),
    ).lines
    assert rows == [
        {"title": "Task 3", "metadata.loss": 0.3},
        {"title": "Task 2", "metadata.loss": 0.2},
    ]
    assert mdcoord("query", "task", "metadata.loss > 0", "--count").out == "3\n"
    assert mdcoord("query", "task", "--count", "--json").json == {"count": 4}
    assert mdcoord("query", "task", "--channel", "training").code == 2
    assert mdcoord("query", "nothing").code == 2


def test_status_tells_what_is_in_force(mdcoord: Mdcoord, workspace: Workspace) -> None:
    workspace.tasks.create("First", id="first")
    workspace.tasks.create("Second", id="second", depends_on=["first"])
    workspace.tasks.claim("first", agent="me", ttl=60, heartbeat=False)
    workspace.agents.register("me")
    found = mdcoord("status", "--json").json
    assert found["tasks"] == {"in_progress": 1, "pending": 1}
    assert found["ready"] == 0
    assert found["durability"] == "none"
    assert [(one["task_id"], one["agent"], one["over"]) for one in found["claims"]] == [("first", "me", None)]
    assert found["waiting"] == [
        {"task_id": "second", "reasons": ["it depends on task first, which is in_progress"]}
    ]
    assert [one["agent_id"] for one in found["agents"]] == ["me"]
    text = mdcoord("status").out
    assert "second is not ready: it depends on task first, which is in_progress" in text
    assert len(text.splitlines()) < 24


def test_claim_waits_for_a_task(mdcoord: Mdcoord, workspace: Workspace) -> None:
    assert mdcoord("task", "claim", "--agent", "me", "--wait", "10ms").code == 5
    workspace.tasks.create("First", id="first")
    assert mdcoord("task", "claim", "--agent", "me", "--wait", "1h").out.startswith("first  First\n")
    assert mdcoord("task", "claim", "first", "--agent", "me", "--wait", "10ms").code == 4


def test_an_operation_id_makes_repeating_harmless(mdcoord: Mdcoord, workspace: Workspace) -> None:
    for number in range(3):
        workspace.tasks.create("Task", id=f"t{number}")
    claimed = [mdcoord("task", "claim", "--agent", "me", "--op", "one", "--json").json for _ in range(2)]
    assert claimed[0]["_claim"] == claimed[1]["_claim"]
    id = claimed[0]["_id"]
    for _ in range(2):
        assert mdcoord("task", "complete", id, "--agent", "me", "--op", "two").code == 0
    assert mdcoord("task", "complete", id, "--agent", "me").code == 4


def test_text_comes_from_stdin(mdcoord: Mdcoord) -> None:
    made = mdcoord(
        "task", "create", "Train", "--id", "t", "--instructions", "-", "--json", input="one\ntwo\n"
    )
    assert made.json["instructions"] == "one\ntwo"
    mdcoord("task", "claim", "--agent", "me")
    done = mdcoord("task", "complete", "t", "--agent", "me", "--result", "-", "--json", input='{"a": [1]}\n')
    assert done.json["result"] == {"a": [1]}
    put = mdcoord("context", "set", "c", "b=2", "--from", "-", "--json", input='{"a": 1, "b": 1}')
    assert put.json["data"] == {"a": 1, "b": 2}
    assert mdcoord("context", "set", "c", "--from", "-", input="[1]").code == 2


def test_update_relies_on_the_version_it_was_told(mdcoord: Mdcoord) -> None:
    made = mdcoord("task", "create", "Train", "--id", "t", "--json").json
    changed = mdcoord("task", "update", "t", "--set", "a.b=1", "--append", "l=x", "--append", "l=2", "--json")
    assert (changed.json["a"], changed.json["l"]) == ({"b": 1}, ["x", 2])
    stale = mdcoord("task", "update", "t", "--delete", "a", "--expect", made["_version"], "--json")
    assert (stale.code, json.loads(stale.err)["error"]) == (4, "conflict")
    fresh = changed.json["_version"]
    assert "a" not in mdcoord("task", "update", "t", "--delete", "a", "--expect", fresh, "--json").json
    assert mdcoord("task", "update", "t").code == 2
    assert mdcoord("task", "update", "t", "--set", "attempt=9").code == 2


# ---------------------------------------------------------------- files that cannot be read


def test_what_cannot_be_read_is_told_beside_the_rest(mdcoord: Mdcoord, project: Path) -> None:
    mdcoord("task", "create", "Good", "--id", "good")
    broken = project / ".claude/coordination/task-broken.md"
    broken.write_text("---\nstatus: [\n---\n")
    listed = mdcoord("task", "list", "--json")
    assert (listed.code, [one["_id"] for one in listed.lines]) == (0, ["good"])
    warning = json.loads(listed.err)
    assert (warning["warning"], warning["line"]) == ("invalid_document", 3)
    assert "task-broken.md" in mdcoord("task", "list").err
    assert "task-broken.md" in mdcoord("status").out
    assert mdcoord("task", "show", "broken").code == 7
    found = mdcoord("check", "--json")
    assert (found.code, len(found.lines)) == (7, 1)
    assert mdcoord("check", ".claude/coordination/task-good.md").code == 0
    assert mdcoord("check", ".claude/coordination/task-broken.md").code == 7
    assert mdcoord("check", "nowhere.md").code == 2
    assert broken.read_text() == "---\nstatus: [\n---\n"


def test_a_query_that_finds_nothing_names_fields_that_nobody_has(mdcoord: Mdcoord) -> None:
    assert mdcoord("task", "list", "--where", "status = pending").err == "no tasks\n"
    mdcoord("task", "create", "First", "--id", "first", "--set", "metadata.loss=1")
    for command in (["task", "list", "--where"], ["query", "task"]):
        done = mdcoord(*command, "status = pending and body.x > 1 and metadata.loss > 2", "--json")
        assert (done.code, done.out) == (0, "")
        told = json.loads(done.err)
        assert (told["warning"], told["field"]) == ("unknown_field", "pending")
        assert "no task has a field 'pending'" in mdcoord(*command, "status = pending").err
        assert "no task has" not in mdcoord(*command, "status = 'completed'").err


# ---------------------------------------------------------------- errors and exit codes


EXIT_CODES = {
    "MdcoordError": 1,
    "UsageError": 2,
    "InvalidName": 2,
    "QueryError": 2,
    "ConfigError": 2,
    "NotFound": 3,
    "Conflict": 4,
    "AlreadyExists": 4,
    "NotReady": 4,
    "GateNotPassed": 4,
    "NotAccepted": 4,
    "ClaimLost": 4,
    "NothingReady": 5,
    "Busy": 6,
    "TimedOut": 6,
    "InvalidDocument": 7,
    "TemplateFailed": 1,
    "BackendUnavailable": 8,
    "DataMissing": 8,
    "NotDurable": 9,
}
KINDS_OF_ERROR = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.MdcoordError)
}


def fail_with(error: BaseException, *arguments: str) -> int:
    def action() -> None:
        raise error

    return run(action, arguments)


def test_every_error_has_its_documented_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(KINDS_OF_ERROR) == {*EXIT_CODES, "Moved"}
    assert fail_with(errors.Moved("redis://:secret@here/0", "redis://here/0")) == 8
    assert "secret" not in capsys.readouterr().err
    for name, code in EXIT_CODES.items():
        error = KINDS_OF_ERROR[name]("it went wrong", hint="try again", task="task-1")
        assert fail_with(error) == code
        assert capsys.readouterr().err == "mdcoord: it went wrong\n  hint: try again\n"
        assert fail_with(error, "task", "list", "--json") == code
        told = json.loads(capsys.readouterr().err)
        assert told == {
            "error": error.code,
            "message": "it went wrong",
            "hint": "try again",
            "task": "task-1",
        }


def test_errors_that_happen(mdcoord: Mdcoord, workspace: Workspace) -> None:
    workspace.tasks.create("First", id="first", needs=["gpu"])
    for code, error, command in (
        (2, "usage", "task claim first"),
        (2, "usage", "task list --limit x"),
        (2, "invalid_name", "task create x --id ../x"),
        (2, "invalid_query", "query task 'a ='"),
        (2, "usage", "--backend nothing task list"),
        (3, "not_found", "task show nothing"),
        (3, "not_found", "event tail nothing"),
        (3, "not_found", "archive restore task-nothing"),
        (4, "already_exists", "task create again --id first"),
        (4, "not_ready", "task claim first --agent me --can cpu"),
        (4, "claim_lost", "task heartbeat first --agent me"),
        (5, "nothing_ready", "task claim --agent me --can cpu"),
    ):
        done = mdcoord(*shlex.split(command), "--json")
        assert (done.code, done.out) == (code, ""), command
        assert json.loads(done.err)["error"] == error, command
        plain = mdcoord(*shlex.split(command))
        assert (plain.code, plain.out) == (code, ""), command
        assert plain.err.startswith("mdcoord: "), command


def test_init_makes_what_the_other_commands_find(tmp_path: Path, mdcoord: Mdcoord) -> None:
    for number, arguments in enumerate((["init", "FOLDER"], ["init", "--root", "FOLDER"], ["init"])):
        folder = tmp_path / f"project-{number}"
        environment = {} if "FOLDER" in arguments else {"MDCOORD_ROOT": str(folder)}
        made = mdcoord(
            *(str(folder) if word == "FOLDER" else word for word in arguments), "--json", **environment
        )
        root = folder / ".claude/coordination"
        assert made.json["root"] == str(root)
        assert made.json["made"][0] == str(root)
        for again in (folder, root):
            assert mdcoord("--root", str(again), "init", "--json").json == {"root": str(root), "made": []}
            assert mdcoord("--root", str(again), "status", "--json").json["root"] == str(root)


def test_init_says_what_it_hides_and_makes_no_folders_above(tmp_path: Path, mdcoord: Mdcoord) -> None:
    done = mdcoord("init", str(tmp_path / "sub"))
    assert done.code == 0
    assert f"no longer the one in {tmp_path / '.claude/coordination'}" in done.err
    assert mdcoord("init", str(tmp_path / "sub")).err == ""
    done = mdcoord("init", str(tmp_path / "no" / "such"))
    assert (done.code, done.out) == (2, "")
    assert f"there is no folder {tmp_path / 'no'}" in done.err
    assert not (tmp_path / "no").exists()


def test_fields_and_statuses_that_nothing_has_are_named(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "x", "--id", "one", "--set", "metadata.loss=1")
    done = mdcoord("query", "task", "--select", "title,nofield", "--sort=-nosuch,metadata.loss")
    assert done.code == 0
    assert [name in done.err for name in ("'nofield'", "'nosuch'", "'title'", "metadata")] == [1, 1, 0, 0]
    assert "'foo' is no status (one of" in mdcoord("task", "list", "--status", "foo,failed").err
    assert mdcoord("task", "list", "--status", "failed", "--json").err == ""
    assert "'nosuch'" in mdcoord("task", "list", "--sort=-nosuch").err
    assert mdcoord("task", "list", "--sort=-priority,updated_at").err == ""


def test_outside_of_a_workspace(tmp_path: Path, mdcoord: Mdcoord) -> None:
    done = mdcoord("status", "--root", str(tmp_path / "nowhere"), "--json")
    assert (done.code, json.loads(done.err)["error"]) == (3, "not_found")


def test_checking_goes_on_with_a_wrong_setting(mdcoord: Mdcoord, project: Path) -> None:
    (project / ".claude" / "workflow-config.yml").write_text("tasks:\n  retry_limit: many\n")
    assert mdcoord("status").code == 2
    done = mdcoord("check")
    assert (done.code, "workflow-config.yml:2: tasks.retry_limit must be" in done.out) == (7, True)


def test_a_wrong_setting_names_its_place(mdcoord: Mdcoord) -> None:
    done = mdcoord("task", "list", "--json", MDCOORD_CLAIM_TTL="soon")
    assert (done.code, json.loads(done.err)["error"]) == (2, "invalid_config")


def test_something_unexpected_is_short(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fail_with(ZeroDivisionError("division by zero")) == 1
    assert capsys.readouterr().err == (
        "mdcoord: ZeroDivisionError: division by zero\n  hint: MDCOORD_DEBUG=1 shows where it happened\n"
    )
    assert fail_with(ZeroDivisionError(), "--json") == 1
    assert json.loads(capsys.readouterr().err)["error"] == "internal"
    monkeypatch.setenv("MDCOORD_DEBUG", "1")
    assert fail_with(ZeroDivisionError("division by zero")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interruptions_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail_with(KeyboardInterrupt()) == 130
    assert fail_with(click.Abort()) == 130
    assert fail_with(BrokenPipeError()) == 141
    assert capsys.readouterr() == ("", "")


def test_an_error_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(errors.NotFound("\x1b]0;title\x07 here", hint="one\ntwo\x9b"))
    assert capsys.readouterr().err == "mdcoord: \ufffd]0;title\ufffd here\n  hint: one\ntwo\ufffd\n"


def test_json_is_seen_before_the_double_dash_only() -> None:
    facts = describe(click.UsageError("x"))
    assert facts == {"error": "usage", "message": "x", "hint": ""}


def test_a_message_may_begin_with_a_dash(mdcoord: Mdcoord) -> None:
    assert mdcoord("log", "--", "--json").out.startswith("log:")
    said = mdcoord("event", "tail", "log", "--json").lines[0]
    assert said["data"] == {"message": "--json"}
    plain = mdcoord("task", "show", "--", "--json")
    assert (plain.code, plain.err[:9]) == (2, "mdcoord: ")


# ---------------------------------------------------------------- options before and after


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("command", [["task", "list"], ["event", "channels"], ["archive", "list"]])
def test_options_are_taken_at_every_level(
    mdcoord: Mdcoord,
    workspace: Workspace,
    project: Path,
    position: int,
    command: list[str],
    tmp_path_factory: Any,
) -> None:
    workspace.tasks.create("First", id="first")
    workspace.events.publish("training", "saved")
    wanted = mdcoord(*command, "--json").out
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    arguments = [*command]
    arguments[position:position] = ["--root", str(project), "--json", "--backend", "markdown"]
    assert mdcoord(*arguments).out == wanted


def test_the_later_option_counts(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "First", "--id", "first")
    done = mdcoord("--agent", "one", "task", "--agent", "two", "claim", "--agent", "three", "--json")
    assert done.json["_claim"]["agent"] == "three"
    assert mdcoord("task", "heartbeat", "first", MDCOORD_AGENT="three", CLAUDE_INSTANCE_ID="four").code == 0
    assert mdcoord("task", "heartbeat", "first", CLAUDE_INSTANCE_ID="three").code == 0
    assert mdcoord("task", "heartbeat", "first", CLAUDE_INSTANCE_ID="four").code == 4


def test_an_agent_that_is_named_narrows_a_list(mdcoord: Mdcoord, workspace: Workspace) -> None:
    workspace.tasks.create("Mine", id="mine", assign="me")
    workspace.tasks.create("Yours", id="yours", assign="you")
    for arguments in (["--agent", "me", "task", "list"], ["task", "list", "--agent", "me"]):
        assert [one["_id"] for one in mdcoord(*arguments, "--json").lines] == ["mine"]
    assert len(mdcoord("task", "list", "--json", MDCOORD_AGENT="me").lines) == 2


def test_what_an_agent_may_claim(mdcoord: Mdcoord, workspace: Workspace) -> None:
    workspace.tasks.create("Mine", id="mine", assign="me")
    workspace.tasks.create("Yours", id="yours", assign="you")
    workspace.tasks.create("Anybody's", id="any")
    workspace.tasks.create("For a GPU", id="gpu", needs=["gpu"])
    workspace.tasks.create("Later", id="later", depends_on=["mine"])
    workspace.agents.register("me", can=["training"])
    listed = mdcoord("task", "list", "--ready", "--agent", "me", "--json").lines
    assert [one["_id"] for one in listed] == ["any", "mine"]


def test_a_task_in_progress_whose_claim_nobody_knows(mdcoord: Mdcoord, project: Path) -> None:
    text = "---\ntitle: x\nstatus: in_progress\nassigned_agent: ada\n---\n"
    (project / ".claude" / "coordination" / "task-x.md").write_text(text)
    shown, recovered = mdcoord("task", "show", "x"), mdcoord("recover")
    for told in (shown.out, recovered.err):
        assert "ada goes on with `mdcoord task claim x --agent ada`; or make it free with" in told
    assert "left alone: x is in progress by its document" in recovered.err
    assert mdcoord("task", "claim", "x", "--agent", "ada").code == 0
    assert mdcoord("recover").err == "no claim is over\n"


def test_list_leaves_out_what_is_over_unless_asked(mdcoord: Mdcoord, workspace: Workspace) -> None:
    for status in ("pending", "failed", "dead", "completed", "cancelled"):
        workspace.tasks.create(status, id=status, fields={"status": status})

    def ids(*options: str) -> set[str]:
        return {one["_id"] for one in mdcoord("task", "list", "--json", *options).lines}

    assert ids() == {"pending", "failed", "dead"}
    assert len(ids("--all")) == 5
    assert ids("--status", "completed,dead") == {"completed", "dead"}
    assert ids("--where", "status = 'cancelled'") == {"cancelled"}
    assert ids("--ready") == {"pending"}
    assert mdcoord("task", "list").err == "(1 cancelled, 1 completed: see --all)\n"


# ---------------------------------------------------------------- sessions


def test_a_session_is_the_terminal_unless_it_is_named() -> None:
    host = Host()
    assert session_of({"MDCOORD_SESSION": " night shift "}, host) == "night shift"
    leader = os.getsid(0)
    found = session_of({"MDCOORD_SESSION": ""}, host)
    assert found == session_of({}, host)
    assert found.startswith(f"{host.name}-{leader}")


# ---------------------------------------------------------------- help


def tree(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from tree(found, (*path, name))


COMMANDS = [*tree(cli)]


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda item: "-".join(item) if isinstance(item, tuple) else ""
)
def test_every_command_explains_itself(
    mdcoord: Mdcoord, path: tuple[str, ...], command: click.Command
) -> None:
    done = mdcoord(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert not any(line.endswith("...") and not line.startswith("Usage:") for line in done.out.splitlines())
    assert command.help
    assert isinstance(command, Group | Verb)
    assert command.example.startswith(" ".join(("mdcoord", *path[:1])))
    assert f"Example:\n  {command.example}\n" in done.out


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda item: "-".join(item) if isinstance(item, tuple) else ""
)
def test_every_example_can_be_parsed(path: tuple[str, ...], command: Verb) -> None:
    for example in command.example.split(" && "):
        program, *arguments = shlex.split(example)
        assert program == "mdcoord"
        context, found = click.Context(cli), cli
        while isinstance(found, Group) and arguments and not arguments[0].startswith("-"):
            _, found, arguments = found.resolve_command(context, arguments)  # type: ignore[assignment]
        context = found.make_context("mdcoord", arguments)
        assert context.args == []


def test_alone_it_prints_its_help(mdcoord: Mdcoord) -> None:
    assert mdcoord() == mdcoord("--help")
    assert mdcoord("task") == mdcoord("task", "--help")
    assert mdcoord("--json").code == 2
    assert mdcoord("--version").out == "mdcoord 0.1.0\n"
