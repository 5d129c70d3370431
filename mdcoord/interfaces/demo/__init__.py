"""`mdcoord demo`: a whole project in a temporary folder, worked off by real processes, with a proof that
nothing was lost.
"""

from __future__ import annotations

from mdcoord.interfaces.demo.run import DEFAULT_TASKS, DEFAULT_WORKERS, run

__all__ = ["DEFAULT_TASKS", "DEFAULT_WORKERS", "run"]
