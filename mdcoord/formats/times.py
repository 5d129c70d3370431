"""Instants and durations as people write them, and as numbers of seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

UNITS: Final = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Seconds in one unit of a duration."""

# Most commands need none of these: `re` compiles each when it is first used.
_PART = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|[wdhms])"
_DURATION = rf"\s*(?:{_PART}\s*)+"
_SECONDS = r"\s*[0-9]+(?:\.[0-9]+)?\s*"


def instant(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date or timestamp; None when the text is neither.

    A date is its first moment. A text without an offset is in UTC. Only the extended form counts
    (`2026-01-31`, `2026-01-31T09:30Z`, `2026-01-31 09:30:00.5+02:00`): a text of digits alone is no time.
    """
    if len(text) < 10 or text[4] != "-" or text[7] != "-" or (len(text) > 10 and text[10] not in "T "):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def duration(text: str) -> float | None:
    """Seconds of `30s`, `1h30m`, `24h`, `7d` or of a plain number; None when the text is no duration."""
    if re.fullmatch(_SECONDS, text):
        return float(text)
    if not re.fullmatch(_DURATION, text):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(_PART, text))
