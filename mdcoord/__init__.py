"""mdcoord: coordinate agents, scripts and people through Markdown files in one git repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdcoord.formats.workflowdef import Definition, Phase, TaskDef
    from mdcoord.services.command import Command
    from mdcoord.services.worker import Worker
    from mdcoord.workspace import Claim, Workspace

__all__ = ["Claim", "Command", "Definition", "Phase", "TaskDef", "Worker", "Workspace"]

_PLACES = {
    "Command": "mdcoord.services.command",
    "Worker": "mdcoord.services.worker",
    **dict.fromkeys(["Definition", "Phase", "TaskDef"], "mdcoord.formats.workflowdef"),
}


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: commands import single modules and must not pay for all.
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_PLACES.get(name, "mdcoord.workspace")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
