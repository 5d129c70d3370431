"""The tree of a query: what is asked, apart from how it was written and from how it is answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from mdcoord.model import Path

Type = Literal["any", "text", "number", "boolean", "time", "duration"]
"""What is known about a value before any record is seen; a field may be anything."""


class Field(NamedTuple):
    """A value inside the record. `at` is, here and below, the place in the query's text."""

    path: Path
    at: int


class Constant(NamedTuple):
    """A value of the query itself; a time is seconds since 1970, a duration seconds."""

    type: Type
    value: str | float | bool
    at: int


class Now(NamedTuple):
    """The moment of the evaluation."""

    at: int


class Sum(NamedTuple):
    """`left + sign * right`, in seconds; a field in it is a time."""

    type: Type
    left: Operand
    sign: int
    right: Operand
    at: int


Operand = Field | Constant | Now | Sum


class Test(NamedTuple):
    """One question to a record: =, !=, <, <=, >, >=, in, between, like, contains, starts, ends, null.

    `negated` is the `not` inside it, as in `not in` and `is not null`.
    """

    operator: str
    operands: tuple[Operand, ...]
    negated: bool = False


class Not(NamedTuple):
    """True where `part` is false."""

    part: Node


class Both(NamedTuple):
    """`and`: true where all parts are."""

    parts: tuple[Node, ...]


class Either(NamedTuple):
    """`or`: true where one part is."""

    parts: tuple[Node, ...]


Node = Test | Not | Both | Either


def fields(node: Node | Operand) -> Iterator[Path]:
    """The paths of all fields that a query, or a value in it, looks at."""
    stack = [node]
    while stack:
        match stack.pop():
            case Field(path=path):
                yield path
            case Sum(left=left, right=right):
                stack += left, right
            case Test(operands=operands):
                stack += operands
            case Not(part=part):
                stack.append(part)
            case Both(parts=parts) | Either(parts=parts):
                stack += parts
            case _:
                pass


def type_of(operand: Operand) -> Type:
    """What is known about a value before any record is seen."""
    match operand:
        case Field():
            return "any"
        case Now():
            return "time"
        case _:
            return operand.type
