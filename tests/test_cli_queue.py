"""Handing out work on the command line: the porcelain of its commands, and what they refuse."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from commands import Mdcoord

TASKS = {
    "data": (),
    "train": ("--depends-on", "data", "--needs", "gpu", "--conflicts-with", "docs"),
    "docs": ("--type", "docs", "--timeout", "90m", "--ttl", "30s"),
}


@pytest.fixture
def call(mdcoord: Mdcoord) -> Mdcoord:
    for name, rest in TASKS.items():
        assert mdcoord("task", "create", name.title(), "--id", name, *rest).code == 0
    return mdcoord


def test_limits_of_a_task_are_seconds(call: Mdcoord) -> None:
    docs = call("task", "show", "docs", "--json").json
    assert (docs["type"], docs["timeout"], docs["ttl"]) == ("docs", 5400, 30)
    assert call("task", "show", "train", "--json").json["conflicts_with"] == ["docs"]
    assert call("task", "create", "x", "--timeout", "soon").code == 2


def test_a_dependency_that_does_not_exist_is_told(call: Mdcoord) -> None:
    done = call("task", "create", "x", "--id", "new", "--depends-on", "data,dta")
    assert (done.out, done.err) == ("new\n", "mdcoord: new waits for a task that does not exist yet: dta\n")


def test_the_graph_is_an_object_a_task(call: Mdcoord) -> None:
    rows = call("task", "graph", "--json").lines
    assert [row["task_id"] for row in rows] == ["data", "train", "docs"]
    assert rows[1] == {
        "task_id": "train",
        "title": "Train",
        "status": "pending",
        "depends_on": ["data"],
        "conflicts_with": ["docs"],
    }
    assert call("task", "graph", "none").code == 3


def test_an_empty_graph_says_so(mdcoord: Mdcoord) -> None:
    done = mdcoord("task", "graph")
    assert (done.code, done.out, done.err) == (0, "", "no tasks\n")
    assert mdcoord("task", "graph", "--json").out == ""


def test_assigning(call: Mdcoord) -> None:
    assert "(2 more are ready; nobody who is there can do them" in call("task", "assign").err
    assert call("task", "assign", "data").code == 5
    assert call("task", "assign", "data", "--to", "ada", "--json").json["assigned_agent"] == "ada"
    assert call("task", "assign", "--to", "ada").code == 2
    assert call("task", "assign", "data", "--strategy", "by_weather").code == 2
    call("agent", "register", "bob", "--can", "gpu", "--best-at", "gpu,docs", "--max-tasks", "2")
    agent = call("agent", "show", "bob", "--json").json
    assert (agent["specializations"], agent["max_concurrent_tasks"]) == (["gpu", "docs"], 2)
    (row,) = call("task", "assign", "--json").lines
    assert (row["task_id"], row["assigned_agent"]) == ("docs", "bob")
    assert call("task", "assign").err == "nothing was assigned\n"
    assert call("task", "claim", "docs", "--agent", "ada").code == 4
    assert call("task", "create", "New", "--assign", "auto", "--json").json["assigned_agent"] == "bob"


def test_releasing_with_a_reason(call: Mdcoord) -> None:
    call("task", "claim", "data", "--agent", "ada")
    task = call(
        "task", "release", "data", "--agent", "ada", "--reason", "busy", "--lacks", "a,b", "--json"
    ).json
    assert (task["needs"], task["declined_by"]) == (["a", "b"], ["ada"])
    assert task["logs"][-1]["message"] == "given back by ada: it lacks a, b; busy"


def test_dead_letters(call: Mdcoord) -> None:
    for name in ("data", "docs"):
        call("task", "update", name, "--set", "retry_limit=1")
        call("task", "claim", name, "--agent", "ada")
        call("task", "fail", name, "no", "--agent", "ada")
    assert [row["task_id"] for row in call("task", "list", "--dead", "--json").lines] == ["data", "docs"]
    assert call("status", "--json").json["dead"] == ["data", "docs"]
    assert [row["status"] for row in call("task", "retry", "--dead", "--json").lines] == ["pending"] * 2
    assert call("task", "list", "--dead", "--json").out == ""
    assert call("task", "retry", "data", "--dead").code == call("task", "retry").code == 2


def test_a_key_makes_one_task(call: Mdcoord) -> None:
    made = {call("task", "create", f"Run {number}", "--key", "nightly").out for number in range(3)}
    assert len(made) == 1


def test_what_is_worked_out_of_tasks(call: Mdcoord) -> None:
    assert call("metrics", "show", "agents", "--json").out == ""
    call("task", "claim", "docs", "--agent", "ada")
    call("task", "complete", "docs", "--agent", "ada")
    rows = call("metrics", "show", "agents", "--json").lines
    assert [(row["agent_id"], row["type"], row["completed"]) for row in rows] == [
        ("ada", None, 1),
        ("ada", "docs", 1),
    ]
    health = call("metrics", "show", "coordination", "--json").json
    assert list(health) == ["metrics_type", "from_documents", "counted"]
    assert (health["from_documents"]["claims_won"], health["counted"]["claims_lost"]) == (1, 0)
    call("task", "heartbeat", "docs", "--agent", "ada")
    assert call("metrics", "show", "coordination", "--json").json["counted"]["claims_lost"] == 1
    assert call("metrics", "record", "agents", "x=1").code == 2


def test_a_breaker_is_seen_and_reset(call: Mdcoord) -> None:
    call("agent", "register", "ada")
    call("agent", "set", "ada", "circuit_breaker.state=OPEN")
    assert call("task", "claim", "--agent", "ada").code == 5
    assert "ada    available (breaker open)" in call("status").out
    assert call("agent", "list").out.split("\n")[1].split()[-1] == "OPEN"
    reasons = call("task", "show", "data", "--agent", "ada").out
    assert "circuit breaker is open" in reasons
    assert call("agent", "reset", "ada", "--json").json["circuit_breaker"]["state"] == "CLOSED"
    assert call("task", "claim", "--agent", "ada").code == 0
    assert "`mdcoord agent register nobody` makes it known" in call("agent", "reset", "nobody").err


def test_an_agent_whose_process_is_gone(call: Mdcoord) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    done = call("agent", "register", "ada", "--pid", str(gone.pid))
    assert done.err == f"mdcoord: ada counts as offline: process {gone.pid} is not running here\n"
    assert call("agent", "register", "ada", "--pid", str(os.getpid())).err == ""
