"""From the tree of a query to a function that answers it.

Every test is a closure made once; the frequent ones (a field beside a text or a number) have their own, so
that a record costs little more than the same question written in Python. They raise nothing, whatever the
row holds.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final

from mdcoord.formats.query.tree import Both, Constant, Either, Field, Node, Not, Operand, Test, type_of
from mdcoord.formats.query.values import Clock, Getter, Row, Seconds, getter, seconds_getter, value_getter
from mdcoord.formats.times import instant

Predicate = Callable[[Row], bool]
_Compare = Callable[[Any, Any], bool]

_COMPARE: Final[dict[str, _Compare]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def predicate(node: Node, now: Clock) -> Predicate:
    """The function that tells whether a row meets a query."""
    match node:
        case Both(parts=parts):
            return _both([predicate(part, now) for part in parts])
        case Either(parts=parts):
            return _either([predicate(part, now) for part in parts])
        case Not(part=part):
            inner = predicate(part, now)
            return lambda row: not inner(row)
        case Test():
            return _BUILD[node.operator](node, now)


def _both(tests: list[Predicate]) -> Predicate:
    def both(row: Row) -> bool:
        for test in tests:  # noqa: SIM110 - all() over a generator takes twice as long
            if not test(row):
                return False
        return True

    return both


def _either(tests: list[Predicate]) -> Predicate:
    def either(row: Row) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(row):
                return True
        return False

    return either


# Comparisons.


def _comparison(node: Test, now: Clock) -> Predicate:
    left, right = node.operands
    return _compare(node.operator, left, right, now)


def _compare(sign: str, left: Operand, right: Operand, now: Clock) -> Predicate:
    types = {type_of(left), type_of(right)}
    compare = _COMPARE[sign]
    if types & {"time", "duration"}:
        as_time = "time" in types
        return _seconds(
            compare, seconds_getter(left, now, as_time=as_time), seconds_getter(right, now, as_time=as_time)
        )
    if isinstance(left, Field) and isinstance(right, Constant) and sign != "!=":
        get, value = getter(left.path), right.value
        if isinstance(value, str) and instant(value) is None:
            return _text(compare, get, value)
        if right.type == "number":
            return _number(compare, get, value)
    return _anything(compare, value_getter(left), value_getter(right))


def _seconds(compare: _Compare, left: Seconds, right: Seconds) -> Predicate:
    def test(row: Row) -> bool:
        a, b = left(row), right(row)
        return a is not None and b is not None and compare(a, b)

    return test


def _text(compare: _Compare, get: Getter, text: str) -> Predicate:
    def test(row: Row) -> bool:
        value = get(row)
        return isinstance(value, str) and compare(value, text)

    return test


def _number(compare: _Compare, get: Getter, number: Any) -> Predicate:
    def test(row: Row) -> bool:
        value = get(row)
        return isinstance(value, int | float) and not isinstance(value, bool) and compare(value, number)

    return test


def _anything(compare: _Compare, left: Getter, right: Getter) -> Predicate:
    return lambda row: _compared(compare, left(row), right(row))


def _compared(compare: _Compare, a: Any, b: Any) -> bool:
    """One comparison of values of which nothing is known."""
    if not (isinstance(a, str | int | float) and isinstance(b, str | int | float)):
        return False
    if isinstance(a, str) and isinstance(b, str):
        first, second = instant(a), instant(b)
        return compare(a, b) if first is None or second is None else compare(first, second)
    if isinstance(a, str) or isinstance(b, str) or isinstance(a, bool) is not isinstance(b, bool):
        return compare is operator.ne
    if isinstance(a, bool):
        return compare in (operator.eq, operator.ne) and compare(a, b)
    return compare(a, b)


# Tests in words.


def _membership(node: Test, now: Clock) -> Predicate:
    left, *values = node.operands
    texts = [v.value for v in values if isinstance(v, Constant) and isinstance(v.value, str)]
    if isinstance(left, Field) and len(texts) == len(values) and all(instant(t) is None for t in texts):
        return _among_texts(getter(left.path), frozenset(texts), node.negated)
    if node.negated:
        return _both([_compare("!=", left, value, now) for value in values])
    return _either([_compare("=", left, value, now) for value in values])


def _among_texts(get: Getter, texts: frozenset[str], negated: bool) -> Predicate:
    def test(row: Row) -> bool:
        value = get(row)
        if isinstance(value, str):
            return (value in texts) is not negated
        return negated and isinstance(value, int | float)

    return test


def _between(node: Test, now: Clock) -> Predicate:
    value, low, high = node.operands
    if node.negated:
        return _either([_compare("<", value, low, now), _compare(">", value, high, now)])
    return _both([_compare(">=", value, low, now), _compare("<=", value, high, now)])


def _null(node: Test, now: Clock) -> Predicate:
    get, negated = value_getter(node.operands[0]), node.negated
    return lambda row: (get(row) is None) is not negated


def _like(node: Test, now: Clock) -> Predicate:
    field, pattern = node.operands
    assert isinstance(pattern, Constant)
    get, matches, negated = value_getter(field), like(str(pattern.value)).fullmatch, node.negated

    def test(row: Row) -> bool:
        value = get(row)
        return isinstance(value, str) and (matches(value) is None) is negated

    return test


def like(pattern: str) -> re.Pattern[str]:
    """The regular expression of a `like` pattern, for `fullmatch`.

    It takes length × length steps at most: each `%` but the last goes to the first place where the piece
    after it fits and never looks for another (atomic groups), since a later place cannot help.
    """
    pieces = [""]
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if part == "_" else re.escape(part[-1])
    first, *rest = pieces
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(first + middle + last, re.DOTALL | re.IGNORECASE)


def _contains(node: Test, now: Clock) -> Predicate:
    left, right = node.operands
    whole_of, negated = value_getter(left), node.negated
    if isinstance(right, Constant) and isinstance(right.value, str) and instant(right.value) is None:
        return _contains_text(whole_of, right.value, negated)
    equal = _equal_to(right, now)
    part_of = value_getter(right) if type_of(right) in ("text", "any") else lambda row: None

    def test(row: Row) -> bool:
        whole = whole_of(row)
        if isinstance(whole, list):
            return any(equal(item, row) for item in whole) is not negated
        part = part_of(row)
        return isinstance(whole, str) and isinstance(part, str) and (part in whole) is not negated

    return test


def _contains_text(whole_of: Getter, text: str, negated: bool) -> Predicate:
    def test(row: Row) -> bool:
        whole = whole_of(row)
        return isinstance(whole, str | list) and (text in whole) is not negated

    return test


def _equal_to(right: Operand, now: Clock) -> Callable[[Any, Row], bool]:
    """Tells whether an item of a list is equal to a value of the query."""
    if type_of(right) != "time":
        value = value_getter(right)
        return lambda item, row: _compared(operator.eq, item, value(row))
    moment = seconds_getter(right, now, as_time=True)
    return lambda item, row: isinstance(item, str) and (at := instant(item)) is not None and at == moment(row)


def _affix(node: Test, now: Clock) -> Predicate:
    get, wanted = (value_getter(operand) for operand in node.operands)
    negated, method = node.negated, str.startswith if node.operator == "starts" else str.endswith

    def test(row: Row) -> bool:
        value, affix = get(row), wanted(row)
        return isinstance(value, str) and isinstance(affix, str) and method(value, affix) is not negated

    return test


_BUILD: Final[dict[str, Callable[[Test, Clock], Predicate]]] = {
    **dict.fromkeys(_COMPARE, _comparison),
    "in": _membership,
    "between": _between,
    "null": _null,
    "like": _like,
    "contains": _contains,
    "starts": _affix,
    "ends": _affix,
}
