"""The values that a query finds in a row: fields, moments, durations, JSON blocks of the body."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mdcoord.formats.blocks import json_blocks
from mdcoord.formats.query.tree import Constant, Field, Now, Operand, Sum, type_of
from mdcoord.formats.times import duration, instant
from mdcoord.model import Path

Row = Mapping[str, Any]
"""What a query looks at: front matter at the top level, mdcoord's own names beside it with an underscore."""

Getter = Callable[[Row], Any]
Seconds = Callable[[Row], float | None]
Clock = Callable[[], float]
"""Gives seconds since 1970."""


def getter(path: Path) -> Getter:
    """Gets the value at a path, None where there is none."""
    name, *steps = path
    name = str(name)
    if name == "body":
        return _body(steps)
    if not steps:
        return lambda row: row.get(name)
    if name == "_body":
        return lambda row: _in_blocks(row.get("_body"), steps)
    if len(steps) == 1 and isinstance(steps[0], str):
        return _nested(name, steps[0])
    return lambda row: _follow(row.get(name), steps)


def value_getter(operand: Operand) -> Getter:
    """Gets the plain value of a field or of a constant."""
    if isinstance(operand, Field):
        return getter(operand.path)
    assert isinstance(operand, Constant)
    value = operand.value
    return lambda row: value


def seconds_getter(operand: Operand, now: Clock, *, as_time: bool) -> Seconds:
    """Gets a time (seconds since 1970) or a duration as a number of seconds, None where there is none.

    A field is read as the one or the other: a time from a text; a duration from a text, or a number of
    seconds.
    """
    match operand:
        case Field(path=path):
            return _converted(getter(path), _time_of if as_time else _duration_of)
        case Now():
            return lambda row: now()
        case Sum(left=left, sign=sign, right=right):
            return _added(left, sign, right, now)
        case Constant(value=value):
            seconds = float(value)
            return lambda row: seconds


def _nested(name: str, key: str) -> Getter:
    """The common case `metadata.loss`, twice as fast as any path."""

    def nested(row: Row) -> Any:
        inner = row.get(name)
        return inner.get(key) if isinstance(inner, dict) else None

    return nested


def _follow(value: Any, steps: Iterable[str | int]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def _body(steps: list[str | int]) -> Getter:
    def body(row: Row) -> Any:
        if "body" in row:
            return _follow(row["body"], steps)
        text = row.get("_body")
        return _in_blocks(text, steps) if steps else text

    return body


def _in_blocks(text: Any, steps: list[str | int]) -> Any:
    if not isinstance(text, str) or "json" not in text:
        return None
    if isinstance(steps[0], int):
        return _follow(list(json_blocks(text)), steps)
    for block in json_blocks(text):
        if isinstance(block, dict) and steps[0] in block:
            return _follow(block, steps)
    return None


def _added(left: Operand, sign: int, right: Operand, now: Clock) -> Seconds:
    first, second = (seconds_getter(side, now, as_time=type_of(side) != "duration") for side in (left, right))

    def added(row: Row) -> float | None:
        a, b = first(row), second(row)
        return None if a is None or b is None else a + sign * b

    return added


def _converted(get: Getter, convert: Callable[[Any], float | None]) -> Seconds:
    return lambda row: convert(get(row))


def _time_of(value: Any) -> float | None:
    return instant(value) if isinstance(value, str) else None


def _duration_of(value: Any) -> float | None:
    if isinstance(value, str):
        return duration(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
