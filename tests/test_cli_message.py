"""`mdcoord message`, and what every command says about messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import Mdcoord, Result

from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.post import AT_ONCE
from mdcoord.workspace import Workspace


def send(mdcoord: Mdcoord, id: str, *arguments: str, sender: str = "ada") -> Result:
    done = mdcoord(
        "message", "send", "GENERAL", f"about {id}", "x", "--id", id, *arguments, "--agent", sender
    )
    assert done.code == 0
    return done


# -- the verbs


def test_sending_gives_the_record(mdcoord: Mdcoord) -> None:
    arguments = ["message", "send", "ready-for-review", "feature-x", "-", "--to", "bob", "--agent", "ada"]
    sent = mdcoord(*arguments, "--json", input="All\ntests pass\n").json
    assert list(sent) == [
        *["schema", "message_id", "type", "subject", "description", "from", "to", "created_at"],
        *["_kind", "_id", "_version", "_path", "_pending"],
    ]
    assert (sent["type"], sent["description"], sent["_pending"]) == (
        "READY_FOR_REVIEW",
        "All\ntests pass",
        True,
    )
    assert mdcoord("message", "show", sent["_id"], "--json").json == sent
    assert mdcoord("message", "list", "--json").lines == [sent]
    assert mdcoord("query", "message", "--json").lines == [sent]


def test_the_description_may_be_left_out(mdcoord: Mdcoord) -> None:
    sent = mdcoord("message", "send", "NOTIFICATION", "done", "--agent", "ada", "--json").json
    assert "description" not in sent


def test_sending_needs_a_name(mdcoord: Mdcoord) -> None:
    refused = mdcoord("message", "send", "GENERAL", "x", "y", "--json")
    assert refused.code == 2
    assert json.loads(refused.err)["error"] == "usage"
    done = mdcoord("message", "send", "GENERAL", "x", "y", "--json", CLAUDE_INSTANCE_ID="backend")
    assert done.json["from"] == "backend"


def test_a_recipient_who_is_not_there_is_warned_of(mdcoord: Mdcoord) -> None:
    unknown = send(mdcoord, "m1", "--to", "bob")
    assert unknown.err == "mdcoord: nobody called bob is known here; the message waits\n"
    assert unknown.out == "m1\n"
    told = json.loads(send(mdcoord, "m2", "--to", "bob", "--json").err)
    assert (told["warning"], told["to"]) == ("recipient_away", "bob")
    mdcoord("agent", "register", "bob")
    assert send(mdcoord, "m3", "--to", "bob").err == ""
    old = "2020-01-01T00:00:00.000Z"
    mdcoord("agent", "set", "bob", f"last_heartbeat={old}", f"last_updated={old}", f"registered_at={old}")
    path = Path(".claude/coordination/agent-bob.md")
    path.write_text(
        path.read_text().replace(mdcoord("agent", "show", "bob", "--json").json["last_updated"], old)
    )
    assert send(mdcoord, "m4", "--to", "bob").err.startswith("mdcoord: bob is offline, last seen 2020")
    assert send(mdcoord, "m5").err == ""


def test_lists_are_of_ones_own_unless_told_otherwise(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    send(mdcoord, "m2", "--to", "carl")
    send(mdcoord, "m3", "--to", "ada", sender="bob")

    def listed(*arguments: str) -> list[str]:
        return [found["_id"] for found in mdcoord("message", "list", *arguments, "--json").lines]

    assert listed("--agent", "bob") == ["m1"]
    assert listed("--agent", "bob", "--all") == listed() == ["m1", "m2", "m3"]
    assert listed("--agent", "ada", "--from", "ada") == ["m1", "m2"]
    assert listed("--agent", "bob", "--from", "carl") == []
    assert listed("--all", "--type", "GENERAL", "--limit", "1") == ["m1"]
    assert listed("--all", "--type", "notification") == []
    assert listed("--all", "--where", "subject = 'about m2'") == ["m2"]
    mdcoord("message", "ack", "m1", "--agent", "bob")
    assert listed("--agent", "bob", "--pending") == []
    assert listed("--pending") == ["m2", "m3"]


def test_an_acknowledgement(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    done = mdcoord(
        "message", "ack", "m1", "--comment", "-", "--agent", "bob", "--json", input="merged\n"
    ).json
    assert [(ack["by"], ack["comment"]) for ack in done["acks"]] == [("bob", "merged")]
    assert "_unread" not in done
    assert mdcoord("message", "ack", "m1", "--agent", "carl").code == 2
    assert mdcoord("message", "ack", "none", "--agent", "bob").code == 3


def test_notifications_come_once_and_in_full(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    peeked = mdcoord("message", "notifications", "--peek", "--json", "--agent", "bob")
    assert [(found["_id"], found["description"], found["_unread"]) for found in peeked.lines] == [
        ("m1", "x", 1)
    ]
    assert (peeked.code, peeked.err) == (0, "")
    shown = mdcoord("message", "notifications", "--agent", "bob")
    assert shown.out.splitlines()[1:] == ["  x"]
    assert shown.err == ""
    shown = mdcoord("message", "notifications", "--agent", "bob")
    assert (shown.out, shown.err) == ("", "no notifications\n")
    shown = mdcoord("message", "notifications", "--agent", "carl")
    assert (shown.out, shown.err) == ("", "no notifications\n")


def test_what_was_printed_is_not_told_again(mdcoord: Mdcoord) -> None:
    for id, verb in (("m1", ["notifications"]), ("m2", ["show", "m2"]), ("m3", ["list"])):
        for as_json in ([], ["--json"]):
            name = f"{id}{len(as_json)}"
            send(mdcoord, name, "--to", "bob")
            arguments = [name if part == id else part for part in verb]
            shown = mdcoord("message", *arguments, "--agent", "bob", *as_json)
            assert f"about {name}" in shown.out
            assert shown.err == ""
            assert mdcoord("message", "notifications", "--agent", "bob").out == ""


def test_a_message_for_somebody_else_may_be_shown(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    assert "about m1" in mdcoord("message", "show", "m1", "--agent", "carl").out
    assert "about m1" in mdcoord("message", "list", "--all", "--agent", "carl").out
    assert "about m1" in mdcoord("message", "notifications", "--agent", "bob").out


# -- every command


def test_the_next_command_tells_once(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    first = mdcoord("task", "list", "--agent", "bob")
    assert "mdcoord: GENERAL from ada: about m1  (mdcoord message show m1)" in first.err.splitlines()
    assert "m1" not in mdcoord("task", "list", "--agent", "bob").err
    assert "m1" not in mdcoord("task", "list").err
    send(mdcoord, "m2", "--to", "bob")
    told = mdcoord("task", "create", "x", "--json", CLAUDE_INSTANCE_ID="bob")
    assert json.loads(told.err) == {
        "notification": "GENERAL",
        "message_id": "m2",
        "from": "ada",
        "subject": "about m2",
    }


def test_every_object_carries_the_number_while_there_is_one(mdcoord: Mdcoord) -> None:
    for title in ("x", "y"):
        mdcoord("task", "create", title)
    plain = mdcoord("task", "list", "--json", MDCOORD_AGENT="bob").lines
    assert len(plain) == 2
    send(mdcoord, "m1", "--to", "bob")
    assert mdcoord("task", "list", "--json", MDCOORD_AGENT="bob").lines == [
        {**found, "_unread": 1} for found in plain
    ]
    assert mdcoord("task", "list", "--json").lines == plain
    for command in (["status"], ["query", "task", "--count"], ["event", "publish", "c", "n"]):
        assert mdcoord(*command, "--json", "--agent", "bob").json["_unread"] == 1
    assert mdcoord("event", "tail", "c", "--json", "--agent", "bob").json["_unread"] == 1
    nothing = mdcoord("context", "list", "--json", "--agent", "bob")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", '{"_unread": 1}\n')
    assert mdcoord("message", "ack", "m1", "--agent", "bob", "--json").json.get("_unread") is None
    assert mdcoord("task", "list", "--json", MDCOORD_AGENT="bob").lines == plain


def test_an_answer_that_goes_on_counts_anew(mdcoord: Mdcoord, monkeypatch: pytest.MonkeyPatch) -> None:
    def counts() -> list[dict[str, Any]]:
        call, found = Call(), []
        with Workspace.open(agent="bob") as call.caller:
            for number in range(2):
                found.append(dict(call.envelope))
                call.caller.messages.send("GENERAL", f"x{number}", to="bob")
        return found

    assert counts() == [{}, {}]  # within a second
    monkeypatch.setattr("mdcoord.interfaces.cli.call.COUNTED", 0.0)
    assert counts() == [{"_unread": 2}, {"_unread": 3}]


def test_status_tells_the_number(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    assert mdcoord("status", "--json", "--agent", "bob").json["unread"] == 1
    assert mdcoord("status", "--json", "--agent", "ada").json["unread"] == 0
    assert mdcoord("status", "--json").json["unread"] is None
    assert "Messages: 1 for you (mdcoord message list --pending)\n" in mdcoord("status", "--agent", "bob").out
    assert "Messages" not in mdcoord("status", "--agent", "ada").out


def test_an_error_stays_one_object_and_carries_the_number(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1", "--to", "bob")
    failed = mdcoord("task", "claim", "--agent", "bob", "--json")
    assert failed.code == 5
    assert (json.loads(failed.err)["error"], json.loads(failed.err)["_unread"]) == ("nothing_ready", 1)
    text = mdcoord("task", "claim", "--agent", "bob")
    assert "about m1" in text.err
    assert text.err.splitlines()[-2].startswith("mdcoord: no task is ready")
    usage = mdcoord("task", "claim", "--nonsense", "--agent", "bob", "--json")
    assert json.loads(usage.err)["error"] == "usage"


def test_a_few_at_a_time(mdcoord: Mdcoord) -> None:
    with Workspace.open(agent="ada") as w:
        for number in range(AT_ONCE + 2):
            w.messages.send("GENERAL", f"about m{number}", id=f"m{number}")
    first = mdcoord("task", "list", "--agent", "bob").err.splitlines()
    assert sum("about" in line for line in first) == AT_ONCE
    assert "mdcoord: and 2 more: mdcoord message notifications" in first
    second = mdcoord("task", "list", "--agent", "bob").err.splitlines()
    assert sum("about" in line for line in second) == 2
    assert not any("about" in line for line in mdcoord("task", "list", "--agent", "bob").err.splitlines())


def test_what_steers_a_terminal_is_not_printed(mdcoord: Mdcoord) -> None:
    subject = "red \x1b[31m\nalert" + "!" * 200
    mdcoord("message", "send", "GENERAL", subject, "a\x1b[0mb", "--id", "m1", "--agent", "ada")
    told = mdcoord("task", "list", "--agent", "bob").err
    assert "\x1b" not in told
    (line,) = [line for line in told.splitlines() if "m1" in line]
    assert len(line) < 150
    shown = mdcoord("message", "notifications", "--agent", "carl").out
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2


def test_a_name_that_no_instance_can_have_gets_nothing_and_harms_nothing(mdcoord: Mdcoord) -> None:
    send(mdcoord, "m1")
    done = mdcoord("task", "create", "x", "--json", "--agent", "a/b")
    assert (done.code, done.err) == (0, "")
    assert "_unread" not in done.json
    assert mdcoord("task", "list", "--agent", "a/b").code == 0


def test_a_workspace_that_cannot_be_written_can_be_read(mdcoord: Mdcoord, tmp_path: Path) -> None:
    send(mdcoord, "m1", "--to", "bob")
    memos = tmp_path / ".claude/coordination/.state/memos"
    for file in memos.rglob("*"):
        if file.is_file():
            file.unlink()
    (memos / "inbox").rmdir()
    (memos / "inbox").write_text("in the way")
    listed = mdcoord("task", "list", "--agent", "bob")
    assert listed.code == 0


def test_commands_of_two_processes_tell_it_once(mdcoord: Mdcoord, tmp_path: Path) -> None:
    """As a user has it: real commands, one after the other, in different sessions."""
    send(mdcoord, "m1", "--to", "bob")
    mdcoord("task", "create", "x")

    def command(session: str, *arguments: str, stderr: Any = subprocess.PIPE) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mdcoord", *arguments],
            env={**os.environ, "MDCOORD_AGENT": "bob", "MDCOORD_SESSION": session},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stderr or ""

    reading, writing = os.pipe()
    os.close(reading)
    try:
        command("s0", "task", "list", stderr=writing)  # nobody reads: it was not told
    finally:
        os.close(writing)
    assert "about m1" in command("s1", "task", "list")
    assert "about m1" not in command("s2", "task", "list")
    assert "about m1" not in command("s1", "task", "list", "--json")


def test_with_nothing_new_a_command_loads_little_and_lists_nothing(mdcoord: Mdcoord) -> None:
    code = """if True:
        import sys
        from mdcoord.backends.markdown.store import MarkdownBackend
        from mdcoord.interfaces.cli.app import cli
        real, listed = MarkdownBackend.list, []
        MarkdownBackend.list = lambda self, kind, **rest: listed.append(kind) or real(self, kind, **rest)
        try:
            cli.main(["task", "show", "one", "--json"])
        except SystemExit:
            print(listed, "mdcoord.services.messages" in sys.modules, file=sys.stderr)
    """

    def command() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "MDCOORD_AGENT": "bob"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stderr.splitlines()[-1]

    mdcoord("task", "create", "x", "--id", "one")
    assert command() == "['message'] True"
    assert command() == "[] False"
    send(mdcoord, "m1", "--to", "bob")
    assert command() == "['message'] True"
    assert command() == "[] False"
