"""`mdcoord demo`: a project in a temporary folder, worked off by real processes, and the proof."""

from __future__ import annotations

from mdcoord.interfaces.demo.play import DEFAULT_TASKS, DEFAULT_WORKERS, run

__all__ = ["DEFAULT_TASKS", "DEFAULT_WORKERS", "run"]
