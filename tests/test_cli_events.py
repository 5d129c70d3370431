"""`mdcoord event` with consumers, and the communication log, by their commands and in processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from commands import Mdcoord, Result

from mdcoord.workspace import Workspace

FILLING = "x" * 4000
"""With a hundred of it a pipe is full, and who writes into it waits."""


def numbers(shown: Result) -> list[Any]:
    return [line["data"]["n"] for line in shown.lines]


def publish(*numbers: int, **more: str) -> None:
    with Workspace.open() as w:
        for number in numbers:
            w.events.publish("training", "step", n=number, **more)


def tail(mdcoord: Mdcoord, *arguments: str) -> Result:
    return mdcoord("event", "tail", "training", "--json", *arguments)


def test_each_run_of_a_consumer_shows_what_is_new(mdcoord: Mdcoord) -> None:
    publish(*range(15))
    assert numbers(tail(mdcoord, "--consumer", "c", "--limit", "2")) == [0, 1]
    assert numbers(tail(mdcoord, "--consumer", "c")) == [*range(2, 15)]
    assert tail(mdcoord, "--consumer", "c") == (0, "", "")
    publish(15, 16)
    assert numbers(tail(mdcoord, "--consumer", "c", "--where", "data.n > 15")) == [16]
    assert tail(mdcoord, "--consumer", "c").out == ""
    first = tail(mdcoord, "--all", "--limit", "1").lines[0]["_cursor"]
    assert numbers(tail(mdcoord, "--consumer", "c", "--after", first, "--limit", "2")) == [1, 2]
    assert numbers(tail(mdcoord, "--consumer", "c", "--limit", "1")) == [3]


def test_a_filter_without_a_consumer(mdcoord: Mdcoord) -> None:
    publish(*range(30))
    assert numbers(tail(mdcoord, "--where", "data.n < 20")) == [*range(10, 20)]
    assert numbers(tail(mdcoord, "--where", "data.n < 20", "--limit", "2")) == [18, 19]
    assert numbers(tail(mdcoord, "--where", "data.n > 5", "--all", "--limit", "2")) == [6, 7]
    assert tail(mdcoord, "--where", "data.n >").code == 2


def test_consumers_are_listed_and_forgotten(mdcoord: Mdcoord) -> None:
    assert mdcoord("event", "consumers") == (0, "", "no consumers\n")
    publish(1, 2)
    tail(mdcoord, "--consumer", "c", "--limit", "1")
    (one,) = mdcoord("event", "consumers", "--json").lines
    assert (one["channel"], one["consumer"], one["lag"]) == ("training", "c", 1)
    assert mdcoord("event", "consumers", "other", "--json").out == ""
    assert mdcoord("event", "consumers", "--forget", "c").code == 2
    assert mdcoord("event", "consumers", "training", "--forget", "c").out == "c is forgotten\n"
    assert mdcoord("event", "consumers", "training", "--forget", "c").code == 3
    assert numbers(tail(mdcoord, "--consumer", "c")) == [1, 2]


def test_what_does_not_go_together_is_refused(mdcoord: Mdcoord) -> None:
    publish(1)
    assert tail(mdcoord, "--consumer", "c", "--all").code == 2
    assert tail(mdcoord, "--consumer", "../c").code == 2
    assert mdcoord("event", "tail", "nothing", "--consumer", "c").code == 3
    assert mdcoord("event", "consumers", "--json").out == ""


def test_the_communication_log(mdcoord: Mdcoord) -> None:
    assert mdcoord("log", "show") == (0, "", "nothing was logged\n")
    assert mdcoord("log", "first", "line", "--agent", "ada").out.startswith("log:")
    assert mdcoord("log", "write", "show").out.startswith("log:")
    assert mdcoord("log", "--", "show", "--json").out.startswith("log:")
    with Workspace.open(agent="bob") as w:
        w.events.publish("log", "note", agent="bob", message="with\x1b[31m more", step=3)
        w.events.publish("log", "deployed", version="1.0")
    shown = [line.split(None, 1)[1] for line in mdcoord("log", "show").out.splitlines()]
    assert shown == [
        "AGENT  MESSAGE",
        "ada    first line",
        "show",
        "show --json",
        "bob    with\ufffd[31m more step=3",
        "deployed version=1.0",
    ]
    (last,) = mdcoord("log", "show", "--limit", "1", "--json").lines
    assert last["data"] == {"version": "1.0"}
    assert mdcoord("log", "show", "--limit", "0").code == 2
    assert mdcoord("log", "write").code == 2


# -- processes


def process(*arguments: str, unbuffered: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mdcoord", "event", "tail", "training", "--json", *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        text=True,
    )


def next_number(child: subprocess.Popen[str]) -> Any:
    assert child.stdout
    return json.loads(child.stdout.readline())["data"]["n"]


def end(child: subprocess.Popen[str], number: int) -> int:
    assert child.stdout
    child.send_signal(number)
    child.stdout.close()
    return child.wait(60)


def test_following_as_a_consumer(mdcoord: Mdcoord) -> None:
    child = process("--consumer", "c", "--follow")
    while not mdcoord("event", "consumers", "--json").out:
        pass
    publish(1, 2)
    assert [next_number(child), next_number(child)] == [1, 2]
    with Workspace.open() as w:
        w.events.publish("training", "step", n=3)
        w.rotate("training", keep=0)
        w.events.publish("training", "step", n=4)
    assert [next_number(child), next_number(child)] == [3, 4]
    assert end(child, signal.SIGTERM) == 0
    publish(5)
    assert numbers(tail(mdcoord, "--consumer", "c"))[-1] == 5


def test_killed_while_it_prints_it_prints_all_of_it_again(mdcoord: Mdcoord) -> None:
    publish(*range(100), filling=FILLING)
    child = process("--consumer", "c")
    assert next_number(child) == 0  # the others do not fit into the pipe: it waits until they are read
    assert end(child, signal.SIGKILL) == -signal.SIGKILL
    assert numbers(tail(mdcoord, "--consumer", "c")) == [*range(100)]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_has_not_had_them(mdcoord: Mdcoord, unbuffered: str) -> None:
    publish(*range(100), filling=FILLING)
    child = process("--consumer", "c", unbuffered=unbuffered)
    assert next_number(child) == 0
    assert child.stdout
    child.stdout.close()
    assert child.wait(60) == 141
    assert numbers(tail(mdcoord, "--consumer", "c")) == [*range(100)]
