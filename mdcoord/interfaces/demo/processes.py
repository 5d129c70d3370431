"""Worker processes that are killed on purpose, and ended whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

GENTLE: Final = 2.0
"""Seconds that workers have to end when they are asked to; then they are killed."""

PACKAGES: Final = Path(__file__).resolve().parents[3]
"""The folder that `mdcoord` is imported from."""


class Processes:
    """Processes by name. Whatever happens in its `with` block, none of them outlives it."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        """Those that were started and not killed; some may have ended."""

    def start(self, name: str, arguments: Sequence[str], output: IO[bytes] | None = None) -> None:
        """Start Python with these arguments. What it prints goes to `output`, else where ours goes."""
        self.running[name] = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(),
            start_new_session=True,  # Ctrl-C reaches the caller alone, who ends its workers in order
        )

    def kill(self, name: str) -> None:
        """SIGKILL: no clean-up, no last word."""
        worker = self.running.pop(name)
        worker.kill()
        worker.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.running.values():
            worker.terminate()
        end = time.monotonic() + GENTLE
        for worker in self.running.values():
            try:
                worker.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _environment() -> dict[str, str]:
    """What the workers see: none of the user's settings, and this very mdcoord where it is not installed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MDCOORD_")}
    if not {"site-packages", "dist-packages"} & set(PACKAGES.parts):
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGES), kept.get("PYTHONPATH")]))
    return kept
