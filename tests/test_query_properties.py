"""The query language under generated queries: against an independent evaluator, and with any text at all.

A query is generated as a nested tuple, printed with random spacing and case, and evaluated by straightforward
functions that share no code with the package: times are datetimes here, patterns are matched by recursion.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdcoord.errors import QueryError
from mdcoord.formats.query import compile_query, order, sort_key
from mdcoord.formats.times import duration, instant

NOW = datetime(2025, 10, 12, 14, 30, tzinfo=UTC)


def now() -> float:
    return NOW.timestamp()


PATHS = {
    "a": ("a",),
    "b": ("b",),
    "_c": ("_c",),
    "m.x": ("m", "x"),
    "m['x y']": ("m", "x y"),
    "l.0": ("l", 0),
    "l[-1]": ("l", -1),
    "l": ("l",),
    "`odd ``key`": ("odd `key",),
    "not_there": ("not_there",),
}
TIMES = [
    "2025-10-12",
    "2025-10-12T14:30:00.000Z",
    "2025-10-12T16:30+02:00",
    "2025-10-12T14:30:00.5Z",
    "2025-10-12T13:00:00",
]
DURATIONS = {"1h": 3600, "30m": 1800, "1h30m": 5400, "500ms": 0.5, "0s": 0}
TEXTS = ["x", "X", "xy", "it's", 'a "q"', "1", "1h", "é\nx", "", "2025-10-12x", *TIMES]
NUMBERS = [0, 1, -1, 0.5, 1.0, 3600, 10**30]

ODD = [None, True, False, float("nan")]
PIECES_OF_PATTERNS = ["%", "%", "_", "x", "X", "y", "é", "1", "\\%", "\\_", "\n"]

NUMERIC, TIMELIKE, TEXTUAL, LISTS = ["a", "l.0"], ["b", "m['x y']"], ["m.x", "l[-1]", "_c"], ["l"]


class Maker:
    """Makes rows and queries from a random source.

    Values come from short lists, and most fields hold mostly values of one type, so that many tests are
    true. (Of the queries that hypothesis made in the first place, nearly all were false for all rows.)
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.pick = random.choice

    # Rows.

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"a": self.pick(NUMBERS), "b": self.pick(TIMES), "_c": self.pick(TEXTS)}
        row["l"] = [self.pick(NUMBERS), *self.mixed()]
        row["m"] = {"x": self.pick(TEXTS), "x y": self.pick(TIMES)}
        row["odd `key"] = self.pick(ODD)
        for holder in (row, row["m"]):
            for name in list(holder):
                if self.random.random() < 0.08:
                    del holder[name]
                elif self.random.random() < 0.15:
                    holder[name] = self.any_value()
        return row

    def mixed(self) -> list[Any]:
        return [self.pick(NUMBERS + TEXTS + TIMES + ODD) for _ in range(self.random.randrange(3))]

    def any_value(self) -> Any:
        return self.pick(
            self.pick([NUMBERS, TEXTS, TIMES, list(DURATIONS), ODD, [self.mixed(), {"x": 1, "0": True}]])
        )

    # Queries.

    def query(self, depth: int = 3) -> Any:
        if depth == 0 or self.random.random() < 0.4:
            return self.test()
        kind = self.pick(["and", "or", "not"])
        if kind == "not":
            return (kind, self.query(depth - 1))
        return (kind, [self.query(depth - 1) for _ in range(self.pick([2, 3]))])

    def test(self) -> Any:
        kind = self.pick(
            ["compare"] * 6 + ["in", "between", "like", "contains", "starts with", "ends with", "null"]
        )
        if kind == "compare":
            return self.comparison()
        negated = self.random.random() < 0.4
        return (kind, negated, *getattr(self, "_" + kind.partition(" ")[0])())

    def comparison(self) -> Any:
        ways = [self.numbers, self.texts, self.moments, self.ages, self.anything, self.booleans]
        way = self.pick(ways)
        sides = way()
        if self.random.random() < 0.4:
            sides.reverse()
        signs = ["=", "==", "!=", "<>"] + ["<", "<=", ">", ">="] * (way != self.booleans)
        return ("compare", self.pick(signs), *sides)

    def numbers(self) -> list[Any]:
        return [self.field(NUMERIC), self.pick([self.constant("number", "duration"), self.field(NUMERIC)])]

    def texts(self) -> list[Any]:
        return [self.field(TEXTUAL), self.pick([self.constant("text"), self.field(TEXTUAL)])]

    def moments(self) -> list[Any]:
        return [self.field(TIMELIKE), self.pick([self.moment(), self.field(TIMELIKE), self.constant("text")])]

    def ages(self) -> list[Any]:
        return [self.age(), self.pick([self.constant("duration"), self.field(NUMERIC), self.age()])]

    def anything(self) -> list[Any]:
        return [self.field(list(PATHS)), self.constant("number", "text", "time")]

    def booleans(self) -> list[Any]:
        return [self.field(["`odd ``key`"]), self.constant("boolean")]

    def _in(self) -> tuple[Any, ...]:
        names, kind = self.pick(
            [(NUMERIC, "number"), (TEXTUAL, "text"), (TIMELIKE, "time"), (TIMELIKE, "text")]
        )
        items = [self.pick([self.constant(kind), self.constant(kind), self.field(names)]) for _ in range(3)]
        return self.field(names), items[: self.pick([1, 2, 3])]

    def _between(self) -> tuple[Any, ...]:
        if self.random.random() < 0.5:
            return self.field(TIMELIKE), self.moment(), self.moment()
        return self.field(NUMERIC), *(self.pick([self.constant("number"), self.field(NUMERIC)]) for _ in "ab")

    def _like(self) -> tuple[Any, ...]:
        pattern = "".join(self.pick(PIECES_OF_PATTERNS) for _ in range(self.random.randrange(5)))
        return self.field(TEXTUAL), ("text", pattern)

    def _contains(self) -> tuple[Any, ...]:
        part = self.pick([self.constant("text", "number", "boolean", "time"), self.field(NUMERIC + TEXTUAL)])
        return self.field(LISTS + TEXTUAL), part

    def _starts(self) -> tuple[Any, ...]:
        return self.field(TEXTUAL), self.pick([self.constant("text"), self.field(TEXTUAL)])

    _ends = _starts

    def _null(self) -> tuple[Any, ...]:
        return (self.field(list(PATHS)),)

    # Values in queries.

    def field(self, names: list[str]) -> Any:
        """Mostly one of these fields."""
        return ("field", self.pick(names if self.random.random() < 0.8 else list(PATHS)))

    def constant(self, *kinds: str) -> Any:
        kind = self.pick(kinds)
        return (kind, self.pick(CONSTANTS[kind]))

    def moment(self) -> Any:
        start = self.pick([("now",), self.constant("time")])
        return self.pick([start, ("sum", start, self.pick("+-"), self.constant("duration"))])

    def age(self) -> Any:
        start = ("sum", self.field(TIMELIKE), self.pick("+-"), self.constant("duration"))
        return ("sum", self.pick([("now",), self.constant("time"), start]), "-", self.field(TIMELIKE))


CONSTANTS: dict[str, list[Any]] = {
    "number": NUMBERS,
    "text": TEXTS,
    "time": TIMES,
    "boolean": [True, False],
    "duration": list(DURATIONS),
}


class Printer:
    """Prints a query with spacing, case, quotes and superfluous brackets that a random source chooses."""

    def __init__(self, random: Any) -> None:
        self.random = random

    def word(self, word: str) -> str:
        return "".join(self.random.choice([c.lower(), c.upper()]) for c in word)

    def join(self, *parts: str) -> str:
        """Puts blanks between parts: where a blank is needed to keep words apart, at least one."""
        result = parts[0]
        for part in parts[1:]:
            apart = re.search(r"[\w'\"`\]]$", result) and re.match(r"[\w'\"`.]", part)
            blanks = ["", " ", "  ", "\t", "\n"][1 if apart else 0 :]
            result += self.random.choice(blanks) + part
        return result

    def query(self, node: Any, inside: int = 0) -> str:
        """`inside`: 0 at the top and in brackets, 1 in `or`, 2 in `and`, 3 after `not`."""
        kind = node[0]
        if kind in ("and", "or"):
            strength = 1 if kind == "or" else 2
            parts = [self.query(part, strength + (part[0] == kind)) for part in node[1]]
            result, needs = self.join(*_between(parts, self.word(kind))), inside > strength
        elif kind == "not":
            result, needs = self.join(self.word("not"), self.query(node[1], 3)), False
        else:
            result, needs = self.test(*node), False
        return self.join("(", result, ")") if needs or self.random.random() < 0.1 else result

    def test(self, kind: str, negated: Any, *operands: Any) -> str:
        if kind == "compare":
            return self.join(self.value(operands[0]), negated, self.value(operands[1]))
        left = self.value(operands[0])
        words = [self.word("not")] if negated else []
        if kind == "null":
            return self.join(left, self.word("is"), *words, self.word("null"))
        words += [self.word(word) for word in kind.split()]
        if kind == "in":
            return self.join(
                left, *words, "(", *_between([self.value(item) for item in operands[1]], ","), ")"
            )
        if kind == "between":
            return self.join(left, *words, self.value(operands[1]), self.word("and"), self.value(operands[2]))
        return self.join(left, *words, self.value(operands[1]))

    def value(self, operand: Any) -> str:
        match operand:
            case ("now",):
                return self.word("now")
            case ("sum", left, sign, right):
                return self.join(self.value(left), sign, self.value(right))
            case ("text", value):
                quote = self.random.choice("'\"")
                return quote + value.replace(quote, quote * 2) + quote
            case ("boolean", value):
                return self.word(str(value))
            case ("number", value):
                return repr(value)
            case (_, written):
                return str(written)
        raise AssertionError(operand)


def _between(parts: list[str], separator: str) -> list[str]:
    return [word for part in parts for word in (separator, part)][1:]


MISSING = object()


def oracle(node: Any, row: dict[str, Any]) -> bool:
    match node:
        case ("and", parts):
            return all(oracle(part, row) for part in parts)
        case ("or", parts):
            return any(oracle(part, row) for part in parts)
        case ("not", part):
            return not oracle(part, row)
        case ("compare", sign, left, right):
            return compared(sign, left, right, row)
        case ("in", negated, left, items):
            if negated:
                return all(compared("!=", left, item, row) for item in items)
            return any(compared("=", left, item, row) for item in items)
        case ("between", False, left, low, high):
            return compared(">=", left, low, row) and compared("<=", left, high, row)
        case ("between", True, left, low, high):
            return compared("<", left, low, row) or compared(">", left, high, row)
        case ("null", negated, (_, name)):
            return (found(name, row) in (MISSING, None)) != negated
        case (kind, negated, (_, name), right):
            return worded(kind, negated, found(name, row), right, row)
    raise AssertionError(node)


def found(name: str, row: Any) -> Any:
    for step in PATHS[name]:
        try:
            row = row[str(step)] if isinstance(row, dict) else row[step] if isinstance(row, list) else MISSING
        except (LookupError, TypeError):
            return MISSING
    return row


def worded(kind: str, negated: bool, whole: Any, right: Any, row: dict[str, Any]) -> bool:
    if kind == "contains" and isinstance(whole, list):
        return any(compared("=", ("value", item), right, row) for item in whole) != negated
    part = found(right[1], row) if right[0] == "field" else right[1] if right[0] == "text" else MISSING
    if not isinstance(whole, str) or not isinstance(part, str):
        return False
    if kind == "like":
        return matches(whole, part) != negated
    answer = {
        "contains": part in whole,
        "starts with": whole[: len(part)] == part,
        "ends with": whole.endswith(part),
    }
    return answer[kind] != negated


def matches(value: str, pattern: str) -> bool:
    if not pattern:
        return not value
    if pattern[0] == "%":
        return any(matches(value[n:], pattern[1:]) for n in range(len(value) + 1))
    rest = pattern[1:]
    if pattern[0] == "_":
        return bool(value) and matches(value[1:], rest)
    wanted, rest = (rest[0], rest[1:]) if pattern[0] == "\\" and rest else (pattern[0], rest)
    return value[:1].lower() == wanted.lower() and matches(value[1:], rest)


def compared(sign: str, left: Any, right: Any, row: dict[str, Any]) -> bool:
    kinds = {kind_of(left), kind_of(right)}
    if "time" in kinds or "duration" in kinds:
        a, b = (instant_of(side, row) if "time" in kinds else period(side, row) for side in (left, right))
    else:
        a, b = plain(left, row), plain(right, row)
        if isinstance(a, str) and isinstance(b, str) and as_time(a) and as_time(b):
            a, b = as_time(a), as_time(b)
    if any(side is MISSING or side is None or isinstance(side, list | dict) for side in (a, b)):
        return False
    groups = [bool, str, datetime, timedelta]
    same = [next((g for g in groups if isinstance(side, g)), float) for side in (a, b)]
    if same[0] is not same[1]:
        return sign in ("!=", "<>")
    if sign in ("=", "=="):
        return a == b
    if sign in ("!=", "<>"):
        return a != b
    if same[0] is bool:
        return False
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]


def kind_of(operand: Any) -> str:
    if operand[0] == "sum":
        return (
            "time" if kind_of(operand[3]) == "duration" and kind_of(operand[1]) != "duration" else "duration"
        )
    return {"now": "time"}.get(operand[0], operand[0])


def plain(operand: Any, row: dict[str, Any]) -> Any:
    return found(operand[1], row) if operand[0] == "field" else operand[1]


def as_time(value: Any) -> datetime | None:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", value):
        return None
    result = datetime.fromisoformat(value)
    return result if result.tzinfo else result.replace(tzinfo=UTC)


def instant_of(operand: Any, row: dict[str, Any]) -> Any:
    match operand:
        case ("now",):
            return NOW
        case ("sum", left, sign, right):
            a, seconds = instant_of(left, row), period(right, row)
            return a if a is MISSING else a + timedelta(seconds=seconds if sign == "+" else -seconds)
    return as_time(plain(operand, row)) or MISSING


def period(operand: Any, row: dict[str, Any]) -> Any:
    match operand:
        case ("sum", left, _, right):
            a, b = instant_of(left, row), instant_of(right, row)
            return MISSING if MISSING in (a, b) else (a - b).total_seconds()
        case ("duration", written):
            return DURATIONS[written]
    value = plain(operand, row)
    if isinstance(value, str):
        return DURATIONS.get(value, float(value) if re.fullmatch(r"\d+", value) else MISSING)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else MISSING


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_an_independent_evaluator(seed: int) -> None:
    random = Random(seed)
    maker, printer = Maker(random), Printer(random)
    rows = [maker.row() for _ in range(20)]
    for _ in range(100):
        query = maker.query()
        written = printer.query(query)
        compiled = compile_query(written, now=now)
        for row in rows:
            assert compiled(row) is oracle(query, row), (written, row)


def test_the_tests_that_are_made_are_often_true_and_often_false() -> None:
    maker = Maker(Random(1))
    outcomes: Counter[tuple[str, bool]] = Counter()
    for _ in range(4000):
        test = maker.test()
        outcomes[test[0] + (test[1] if test[0] == "compare" else ""), oracle(test, maker.row())] += 1
    kinds = {kind for kind, _ in outcomes}
    assert len(kinds) == 8 + 7
    assert min(outcomes[kind, answer] for kind in kinds for answer in (True, False)) > 30, outcomes


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
PIECES = [
    "a", "m.x", "l[0]", "body.n", "'x'", '"', "'", "`", "[", "(", ")", ",", "=", "<", "!=", "=>", "-", "+",
    "1", ".5", "1h", "now", "2025-10-12", "2025-99-99", "null", "true", "and", "or", "not", "in", "like",
    "is", "contains", "between", "starts", "with", " ", "\x00", "é", "\ud800", "١", "9" * 400, "1e999",
    "0000-00-00", "%", "\\",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.text(max_size=30), values)
@example("a = " + "9" * 4000, 1e308)
@example("a - now < 9999999999999w", "0001-01-01T00:00:00+14:00")
@example("a < now - 99999999999999999999w", "9999-12-31T23:59:59-14:00")
@example("a = 1h or now - a > 1h", 10**400)
def test_any_text_is_understood_or_refused_with_a_place(text: str, value: Any) -> None:
    try:
        query = compile_query(text, now=now)
    except QueryError as error:
        refused = error
    else:
        assert query({"a": value, "m": {"x": value}, "l": [value]}) in (True, False)
        return
    assert 0 <= refused.details["position"] <= len(text)
    assert "^" in refused.message


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,20}"))
@example("2025-10-12\ud80012:00")
@example("0001-01-01T00:00+23:59")
def test_any_text_is_a_time_or_none(text: str) -> None:
    assert isinstance(instant(text), float | None)
    assert isinstance(duration(text), float | None)


@given(st.lists(values, max_size=8))
def test_any_values_can_be_sorted(items: list[Any]) -> None:
    rows = [{"v": item} for item in items]
    keys = [sort_key(row["v"]) for row in order(rows, "v")]
    assert keys == sorted(keys)
    nulls = items.count(None)
    backwards = [sort_key(row["v"]) for row in order(rows, "-v")]
    assert backwards == sorted(keys[: len(keys) - nulls], reverse=True) + keys[len(keys) - nulls :]
