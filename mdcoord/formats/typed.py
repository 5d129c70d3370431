"""Values as people type them, on a command line or in a line of output: JSON, shares, steps."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def value_of(text: str) -> Any:
    """A value as JSON if it is JSON (`3`, `true`, `["a"]`, `null`), else the text as it is."""
    try:
        return strict_json(text)
    except ValueError:
        return text


def strict_json(text: str) -> Any:
    """A JSON value. Raises ValueError for anything else, also for numbers that JSON does not know (`NaN`)."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def share_of(text: str) -> float | None:
    """The number from 0 to 1 that a text means (`0.35`, `35%`, `3500/10000`), None when it means none."""
    number, slash, total = text.partition("/")
    try:
        if slash:
            share = float(number) / float(total)
        else:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return None
    return round(share, 6) if 0 <= share <= 1 else None


def steps_of(text: str) -> dict[str, int]:
    """The steps of `3500/10000` as `step` and `total_steps`; nothing for another text."""
    step, _, total = text.partition("/")
    if not (step.isdecimal() and total.isdecimal()):
        return {}
    return {"step": int(step), "total_steps": int(total)}


def _finite(text: str) -> float:
    number = float(text)
    return number if number - number == 0 else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
