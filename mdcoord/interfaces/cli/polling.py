"""How often to look again when there is no way to be told."""

from __future__ import annotations

import gc
from collections.abc import Iterator

SHORTEST = 0.05
LONGEST = 1.0


def pauses(longest: float = LONGEST) -> Iterator[float]:
    """Pauses in seconds between looks, for ever: short at first, each half as long again up to the longest.

    A command that polls stays, so garbage is collected from here on.
    """
    gc.enable()
    pause = SHORTEST
    while True:
        yield pause
        pause = min(pause * 1.5, longest)
