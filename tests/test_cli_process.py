"""The command as a process: what it imports, pipes, signals, terminals, following a channel, completion."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mdcoord.workspace import Workspace

COMMAND = [sys.executable, "-m", "mdcoord"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return {
        **kept,
        "MDCOORD_SESSION": "here",
        "MDCOORD_AGENT": "me",
        "MDCOORD_ROOT": str(tmp_path),
        "TERM": "xterm",
    }


@pytest.fixture
def workspace(tmp_path: Path, environment: dict[str, str]) -> Iterator[Workspace]:
    with Workspace.create(tmp_path, agent="me", session="here") as made:
        yield made


def mdcoord(environment: dict[str, str], *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


@contextmanager
def running(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# ---------------------------------------------------------------- light


HEAVY = {
    *("rich", "jinja2", "lark", "yaml", "asyncio", "subprocess", "logging", "importlib.metadata", "tempfile"),
    *(
        "pydantic",
        "socket",
        "concurrent.futures",
        "multiprocessing",
        "unittest",
        "email",
        "sqlite3",
        "traceback",
    ),
}

LOADED = """
import json, sys
sys.argv = ["mdcoord", *sys.argv[1:]]
from mdcoord.interfaces.cli.app import cli
sys.modules.pop("traceback", None)
cli.main(sys.argv[1:], "mdcoord", standalone_mode=False)
print(json.dumps(sorted(sys.modules)))
"""


def loaded(environment: dict[str, str], *arguments: str) -> set[str]:
    """The modules that a command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOADED, *arguments],
        env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "command",
    [
        ["task", "show", "held"],
        ["task", "list"],
        ["task", "list", "--json"],
        ["task", "heartbeat", "held"],
        ["task", "claim"],
        ["task", "progress", "held", "0.5"],
        ["task", "complete", "held"],
        ["agent", "list"],
        ["event", "publish", "training", "saved", "step=1"],
        ["event", "tail", "tasks"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_the_frequent_commands_are_light(
    workspace: Workspace, environment: dict[str, str], command: list[str]
) -> None:
    workspace.tasks.create("Held", id="held")
    workspace.tasks.claim("held", heartbeat=False)
    workspace.tasks.create("Free", id="free", instructions="First this.\nThen that.")
    workspace.events.publish("tasks", "something")
    found = loaded(environment, *command)
    assert "click" in found
    assert not found & HEAVY
    verbs = {name for name in found if name.startswith("mdcoord.interfaces.cli.task.")}
    assert len(verbs) <= 1, "a command loads its own module only"


# ---------------------------------------------------------------- pipes and terminals


def test_a_reader_that_goes_away_is_no_error(workspace: Workspace, environment: dict[str, str]) -> None:
    workspace.tasks.create("First", id="first", instructions="x" * 200_000)
    with running(environment, "task", "show", "first") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("size", [1, 200_000])
def test_a_full_disk_is_told(workspace: Workspace, environment: dict[str, str], size: int) -> None:
    workspace.tasks.create("First", id="first", instructions="x" * size)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "task", "show", "first"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"mdcoord: ")
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def on_a_terminal(environment: dict[str, str], *arguments: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen([*COMMAND, *arguments], env=environment, stdin=theirs, stdout=theirs)
        os.close(theirs)
        seen = b""
        while piece := _read(screen):
            seen += piece
        assert process.wait(60) == 0
    return seen.decode().replace("\r\n", "\n")


def _read(screen: Any) -> bytes:
    try:
        found: bytes = screen.read(65536)
        return found
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_colour_is_for_terminals_that_want_it(workspace: Workspace, environment: dict[str, str]) -> None:
    workspace.tasks.create("First", id="first", fields={"status": "failed", "updated_at": "long ago"})
    plain = mdcoord(environment, "task", "list").stdout
    assert "\x1b" not in plain
    coloured = on_a_terminal(environment, "task", "list")
    assert "\x1b[31mfailed\x1b[0m" in coloured
    assert on_a_terminal({**environment, "NO_COLOR": "1"}, "task", "list") == plain
    assert on_a_terminal({**environment, "TERM": "dumb"}, "task", "list") == plain


def test_what_the_locale_cannot_show_is_escaped(workspace: Workspace, environment: dict[str, str]) -> None:
    workspace.tasks.create("Größe \u2713", id="first")
    ascii_only = {**environment, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert "Gr\\xf6\\xdfe \\u2713" in mdcoord(ascii_only, "task", "list").stdout
    shown = mdcoord(ascii_only, "task", "show", "first", "--json")
    assert json.loads(shown.stdout)["title"] == "Größe \u2713"


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_follow_shows_what_comes_and_ends_cleanly(
    workspace: Workspace, environment: dict[str, str], number: signal.Signals
) -> None:
    with running(environment, "event", "tail", "training", "--follow", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        cursors = []
        for step in range(3):
            published = workspace.events.publish("training", "step", step=step)
            line = json.loads(process.stdout.readline())
            assert line["data"] == {"step": step}
            cursors.append(line["_cursor"])
            assert line["_cursor"] == published.cursor
        process.send_signal(number)
        assert process.wait(60) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    with running(
        environment, "event", "tail", "training", "--follow", "--after", cursors[0], "--limit", "3", "--json"
    ) as process:
        assert process.stdout is not None
        assert [json.loads(process.stdout.readline())["data"]["step"] for _ in range(2)] == [1, 2]
        workspace.events.publish("training", "step", step=3)
        assert json.loads(process.stdout.readline())["data"]["step"] == 3
        assert process.wait(60) == 0


def test_ctrl_c_is_130_and_quiet(tmp_path: Path, workspace: Workspace, environment: dict[str, str]) -> None:
    os.mkfifo(tmp_path / "data")
    with running(environment, "context", "set", "shared", "--from", str(tmp_path / "data")) as process:
        writer = os.open(tmp_path / "data", os.O_WRONLY)  # waits until the command has opened it
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        os.close(writer)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert workspace.context.list() == []


# ---------------------------------------------------------------- completion


def complete(environment: dict[str, str], words: str) -> list[str]:
    done = mdcoord(
        {
            **environment,
            "_MDCOORD_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_completion_knows_commands_and_ids(workspace: Workspace, environment: dict[str, str]) -> None:
    for name in ("train", "tune", "other"):
        workspace.tasks.create("A task", id=name)
    workspace.agents.register("ai-engineer")
    assert complete(environment, "mdcoord ta") == ["task"]
    assert complete(environment, "mdcoord task re") == ["release", "retry"]
    assert sorted(complete(environment, "mdcoord task show t")) == ["train", "tune"]
    assert complete(environment, "mdcoord agent show ai") == ["ai-engineer"]
    assert complete({**environment, "MDCOORD_ROOT": "/nowhere"}, "mdcoord task show t") == []
    assert "--sort" in complete(environment, "mdcoord task list --so")
    assert "_MDCOORD_COMPLETE" in mdcoord({**environment, "_MDCOORD_COMPLETE": "bash_source"}).stdout
