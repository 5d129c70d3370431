"""`mdcoord task`: the verbs of tasks, each in the module that it needs."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import Group

_HERE = "mdcoord.interfaces.cli.task"


@click.group(
    "task",
    cls=Group,
    members={
        "create": f"{_HERE}.create:create",
        "list": f"{_HERE}.find:listing",
        "show": f"{_HERE}.find:show",
        "update": f"{_HERE}.change:update",
        "graph": f"{_HERE}.plan:graph",
        "assign": f"{_HERE}.plan:assign",
        "brief": f"{_HERE}.brief:brief",
        "claim": f"{_HERE}.claim:claim",
        "heartbeat": f"{_HERE}.hold:heartbeat",
        "progress": f"{_HERE}.hold:progress",
        "accept": f"{_HERE}.brief:accept",
        "complete": f"{_HERE}.hold:complete",
        "fail": f"{_HERE}.hold:fail",
        "release": f"{_HERE}.hold:release",
        "retry": f"{_HERE}.change:retry",
    },
    example="mdcoord task list --ready",
)
def task() -> None:
    """Make tasks, find them, claim and finish them."""
