"""A share of one for people: as percents, and on a terminal with a bar."""

from __future__ import annotations

import sys
from typing import Final

_WIDTH: Final = 20


def meter(share: float | None) -> str:
    """`35%`, on a terminal `[#######-------------] 35%`; "" where nothing is known."""
    if share is None:
        return ""
    text = f"{share:.0%}"
    if not sys.stdout.isatty():
        return text
    filled = round(min(max(share, 0.0), 1.0) * _WIDTH)
    return f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {text}"
