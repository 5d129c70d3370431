"""Times as people want them: how long ago, how long still."""

from __future__ import annotations

import time
from typing import Any, Final

from mdcoord.formats.times import instant

_STEPS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def span(seconds: float) -> str:
    """`45s`, `4m30s`, `4h30m`, `12d`: the largest unit, and the next one below ten of it."""
    whole = max(0, round(seconds))
    for index, (size, unit) in enumerate(_STEPS[:-1]):
        if whole >= size:
            count, rest = divmod(whole, size)
            smaller, name = _STEPS[index + 1]
            part = rest // smaller if count < 10 else 0
            return f"{count}{unit}{part}{name}" if part else f"{count}{unit}"
    return f"{whole}s"


def age(stamp: Any) -> str:
    """How long ago a timestamp was (`4m ago`, `in 2h`), or "" where there is none."""
    then = instant(stamp) if isinstance(stamp, str) else None
    if then is None:
        return ""
    passed = time.time() - then
    return f"{span(passed)} ago" if passed > -1 else f"in {span(-passed)}"


def left(stamp: Any) -> str:
    """How long it is until a timestamp (`4m left`, `over for 10s`), or "" where there is none."""
    then = instant(stamp) if isinstance(stamp, str) else None
    if then is None:
        return ""
    still = then - time.time()
    return f"{span(still)} left" if still >= 0 else f"over for {span(-still)}"
