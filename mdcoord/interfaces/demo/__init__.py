"""`mdcoord demo`: a project in a temporary folder, worked off by real processes, and the proof of what they
did.
"""

from __future__ import annotations

from mdcoord.interfaces.demo.play import DEFAULT_TASKS, DEFAULT_WORKERS, run

__all__ = ["DEFAULT_TASKS", "DEFAULT_WORKERS", "run"]
