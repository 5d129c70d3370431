"""Reading what users type: `key=value`, durations, shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from mdcoord.formats.times import duration
from mdcoord.formats.typed import share_of, steps_of, value_of

__all__ = ["flat", "mapping_from", "nested", "number", "pair", "seconds", "share_of", "steps_of", "value_of"]


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
