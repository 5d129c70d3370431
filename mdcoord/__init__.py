"""mdcoord: coordinate agents, scripts and people through Markdown files in one git repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdcoord.workspace import Claim, Workspace

__all__ = ["Claim", "Workspace"]


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: commands import single modules and must not pay for all.
    if name in __all__:
        from mdcoord import workspace

        return getattr(workspace, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
