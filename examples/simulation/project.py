"""The workspace before the storm and after it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from mdcoord import Workspace


def lay_out(project: Path, count: int, seconds: float, seed: int = 1) -> list[str]:
    """Make a workspace with so many tasks of `seconds` each, more or less by half; return their ids."""
    chance = random.Random(seed)
    names = [f"{number:05}" for number in range(count)]
    with Workspace.create(project) as w:
        for name in names:
            length = round(chance.uniform(0.5, 1.5) * seconds, 3)
            w.tasks.create(f"Task {name}", id=name, fields={"seconds": length}, acyclic=True)
    return names


def read_documents(project: Path) -> dict[str, Mapping[str, str]]:
    """The front matter of all tasks by their ids, as plain text and read without mdcoord."""
    found: dict[str, Mapping[str, str]] = {}
    for path in (project / ".claude" / "coordination").glob("task-*.md"):
        _, front, _ = path.read_text(encoding="utf-8").split("---\n", 2)
        lines = (line.partition(": ") for line in front.splitlines())
        found[path.stem.removeprefix("task-")] = {key: value.strip('"') for key, _, value in lines}
    return found
