"""`mdcoord work`, `task brief` and `task accept` as commands: porcelain, options, exit codes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from commands import Mdcoord


def test_one_task_and_its_exit_codes(mdcoord: Mdcoord) -> None:
    assert mdcoord("work", "--agent", "ada", "--once", "true").code == 5
    for name in ("a", "b", "c"):
        mdcoord("task", "create", name, "--id", name)
    assert mdcoord("work", "--agent", "ada", "--once", "true").code == 0
    assert mdcoord("work", "--agent", "ada", "--once", "false").code == 1
    assert mdcoord("work", "--agent", "ada", "--once", "sh", "-c", "exit 75").code == 1
    listed = mdcoord("task", "list", "--all", "--json").lines
    assert [task["status"] for task in listed] == ["completed", "pending", "pending"]


def test_each_task_is_one_object(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a", "--priority", "1")
    mdcoord("task", "create", "B", "--id", "b")
    script = 'if [ $MDCOORD_TASK_ID = a ]; then echo ::result 7; else exit 3; fi; echo "own output"'
    done = mdcoord("work", "--agent", "ada", "--max", "2", "--json", "--", "sh", "-c", script)
    assert done.code == 0
    first, second = [{**line, "seconds": 0} for line in done.lines]
    assert second.pop("not_before") == mdcoord("task", "show", "b", "--json").lines[0]["not_before"]
    common = {"attempt": 1, "seconds": 0}
    assert first == {
        "_id": "a",
        "title": "A",
        "outcome": "completed",
        "status": "completed",
        "result": 7,
        **common,
    }
    assert second == {
        "_id": "b",
        "title": "B",
        "outcome": "failed",
        "status": "pending",
        "error": "exit code 3",
        **common,
    }
    assert done.err == "own output\n"


def test_a_line_tells_when_a_task_is_tried_again(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a", "--retry-limit", "2")
    told = mdcoord("work", "--agent", "ada", "--once", "--", "sh", "-c", "echo oops; exit 3").out
    assert re.fullmatch(
        r"a failed \(attempt 1, \d+s, to be tried again in \d+s\): exit code 3 … oops\n", told
    )
    mdcoord("task", "update", "a", "--delete", "not_before")
    told = mdcoord("work", "--agent", "ada", "--once", "--", "false").out
    assert re.fullmatch(r"a failed \(attempt 2, \d+s, dead now\): exit code 1\n", told)


def test_all_after_the_command_is_the_commands(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a")
    done = mdcoord("work", "--agent", "ada", "--once", "echo", "--json", "--once", "--", "-x")
    assert (done.code, done.err) == (0, "--json --once -- -x\n")


def test_the_brief_instead_of_the_json(mdcoord: Mdcoord, tmp_path: Path) -> None:
    (tmp_path / "how.md").write_text("With care.\n")
    mdcoord("task", "create", "A", "--id", "a", "--instructions", "how.md")
    done = mdcoord("work", "--agent", "ada", "--once", "--brief", "cat")
    assert "# Task a: A\n" in done.err
    assert "With care." in done.err
    assert "held by ada (attempt 1)" in done.err


def test_two_workers_in_one_terminal_are_two_claimants(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a")
    code = "import os; os.environ.pop('MDCOORD_SESSION'); from mdcoord.__main__ import main; main()"
    other = f'{sys.executable} -c "{code}" work --agent ada --once true'
    done = mdcoord("work", "--agent", "ada", "--once", "sh", "-c", f"{other}; test $? = 5")
    assert done.code == 0, done.err


def test_lines_of_several_tasks_say_whose_they_are(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a")
    done = mdcoord("work", "--agent", "ada", "--jobs", "2", "--idle", "0s", "echo", "hello\x1b[2J")
    assert done.err == "[a] hello\ufffd[2J\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["work", "--agent", "ada", "nosuchprogram"], "nosuchprogram"),
        (["work", "--agent", "ada", "--jobs", "0", "true"], "jobs"),
        (["work", "--agent", "ada", "--idle", "soon", "true"], "soon"),
        (["work", "true"], "no agent"),
        (["work", "--agent", "ada"], "COMMAND"),
    ],
)
def test_a_wrong_call_claims_nothing(mdcoord: Mdcoord, arguments: list[str], told: str) -> None:
    mdcoord("task", "create", "A", "--id", "a")
    done = mdcoord(*arguments)
    assert (done.code, told in done.err) == (2, True)
    assert mdcoord("task", "list", "--json").lines[0]["attempt"] == 0


def test_a_brief_is_one_object_with_its_problems(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a", "--context", "none.md", "--acceptance", "fast")
    done = mdcoord("task", "brief", "a", "--json")
    (brief,) = done.lines
    assert (done.code, done.err) == (0, "")
    assert (brief["_id"], brief["problems"]) == ("a", ["none.md: there is no such file"])
    assert brief["acceptance"] == [{"number": 1, "text": "fast", "done": False, "by": None}]
    shown = mdcoord("task", "brief", "a")
    assert "- none.md: there is no such file" in shown.out
    assert "1 missing" in shown.err


def test_a_brief_steers_no_terminal(mdcoord: Mdcoord, tmp_path: Path) -> None:
    (tmp_path / "evil.md").write_text("\x1b[2J\x9bfine\n")
    mdcoord("task", "create", "A\x07", "--id", "a", "--instructions", "evil.md")
    out = mdcoord("task", "brief", "a").out
    assert "fine" in out
    assert not {"\x1b", "\x9b", "\x07"} & set(out)


def test_criteria_are_ticked_and_unticked(mdcoord: Mdcoord) -> None:
    mdcoord("task", "create", "A", "--id", "a", "--acceptance", "fast", "--require-acceptance")
    done = mdcoord("task", "accept", "a", "1", "--agent", "rev", "--json")
    (task,) = done.lines
    assert (task["acceptance"][0]["done"], task["acceptance"][0]["by"]) == (True, "rev")
    assert task["require_acceptance"] is True
    undone = mdcoord("task", "accept", "a", "fast", "--undo")
    assert undone.out == "[ ] 1. fast\n"
    assert undone.err == "(1 of 1 still open)\n"
