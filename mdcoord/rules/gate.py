"""What has to be shown before a task may be completed: a quality gate that passed in its present attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mdcoord.errors import GateNotPassed
from mdcoord.model import Value

FIELD: Final = "quality"
"""The field of a task that says whether it needs the gate."""

REQUIRED: Final = "required"

SHOWN: Final = "quality"
"""The key in a task's metadata for what the gate found last: `verdict`, `attempt`, `at`, `report`."""


def require_gate(task: str, fields: Mapping[str, Value], attempt: int) -> None:
    """Refuse to complete a task that needs the gate and has not passed it in this attempt.

    Raises GateNotPassed.
    """
    if fields.get(FIELD) != REQUIRED:
        return
    metadata = fields.get("metadata")
    shown = metadata.get(SHOWN) if isinstance(metadata, dict) else None
    found = shown if isinstance(shown, dict) else {}
    verdict = found.get("verdict") if found.get("attempt") == attempt else None
    if verdict == "passed":
        return
    told = {
        None: "has not been checked in this attempt",
        "skipped": "could not be checked: no check could be run",
    }
    hint = f"run `mdcoord quality run --task {task}`, correct what it finds, then complete it"
    if verdict == "skipped":
        hint = f"install the tools or set the commands (`mdcoord config set quality.tests …`), {hint}"
    raise GateNotPassed(
        f"task-{task} cannot be completed: it {told.get(verdict, 'did not pass the quality gate')}",
        hint=hint,
        task=task,
        attempt=attempt,
        verdict=verdict,
    )
