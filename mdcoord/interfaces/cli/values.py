"""Reading what users type: `key=value`, durations, shares."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import click

from mdcoord.formats.times import duration


def value_of(text: str) -> Any:
    """A value as JSON if it is JSON (`3`, `true`, `["a"]`, `null`), else the text as it is."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def pair(text: str) -> tuple[str, Any]:
    """`key=value` as a name and a value. Raises BadParameter."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or "" in name.split("."):
        raise click.BadParameter(f"{text[:80]!r} is not key=value")
    return name.strip(), value_of(value)


def flat(texts: Iterable[str]) -> dict[str, Any]:
    """Several `key=value` by their dotted names; the last one of a name counts."""
    return dict(map(pair, texts))


def nested(texts: Iterable[str]) -> dict[str, Any]:
    """Several `key=value` as one mapping: `a.b=1 a.c=2` is `{"a": {"b": 1, "c": 2}}`."""
    result: dict[str, Any] = {}
    for name, value in flat(texts).items():
        *parents, last = name.split(".")
        inner = result
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise click.BadParameter(f"{name!r} goes into {parent!r}, which is a value already")
        inner[last] = value
    return result


def seconds(text: str) -> float:
    """A duration typed as `90`, `30s`, `5m`, `1h30m` or `7d`. Raises BadParameter."""
    found = duration(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration; try 30s, 5m, 1h30m or 7d")
    return found


def share_of(text: str) -> float | None:
    """The number from 0 to 1 that a text means, None when it means none."""
    number, slash, total = text.partition("/")
    try:
        if slash:
            share = float(number) / float(total)
        else:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return None
    return round(share, 6) if 0 <= share <= 1 else None


def _finite(text: str) -> float:
    number = float(text)
    return number if number - number == 0 else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def steps_of(text: str) -> dict[str, int]:
    """The steps of `3500/10000` as `step` and `total_steps`; nothing for another text."""
    step, _, total = text.partition("/")
    if not (step.isdecimal() and total.isdecimal()):
        return {}
    return {"step": int(step), "total_steps": int(total)}


def number(text: str | int) -> float:
    """A whole or a decimal number, as it was typed. Raises BadParameter."""
    value = value_of(str(text))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise click.BadParameter(f"{text!r} is no number")
    return value


def mapping_from(text: str) -> dict[str, Any]:
    """A JSON object. Raises BadParameter for anything else."""
    data = value_of(text)
    if not isinstance(data, dict):
        raise click.BadParameter('a JSON object is expected, like {"segments": 1847}')
    return data
