"""Times as people want them: how long ago, how long still."""

from __future__ import annotations

import time
from typing import Any, Final

from mdcoord.formats.times import instant

_STEPS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


def span(seconds: float) -> str:
    """`45s`, `4m`, `4h30m`, `12d`: the two largest units that say something, as a duration can be typed."""
    left = max(0.0, seconds)
    for index, (size, unit) in enumerate(_STEPS):
        if left >= size or unit == "s":
            whole, rest = divmod(left, size)
            if unit not in "dh":
                return f"{whole:.0f}{unit}"
            smaller, name = _STEPS[index + 1]
            part = rest // smaller
            return f"{whole:.0f}{unit}{part:.0f}{name}" if part and whole < 10 else f"{whole:.0f}{unit}"
    return "0s"


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
