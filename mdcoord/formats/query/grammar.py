"""From the text of a query to its tree.

    query   = [ either ]                         blank text is the query that everything meets
    either  = both { "or" both }
    both    = part { "and" part }
    part    = "not" part | "(" either ")" | test
    test    = value ( "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) value
            | value [ "not" ] "in" "(" value { "," value } ")"
            | value [ "not" ] "between" value "and" value
            | field [ "not" ] ( "like" text | "contains" value )
            | field [ "not" ] ( "starts" | "ends" ) "with" ( text | field )
            | field "is" [ "not" ] "null"
    value   = item { ( "+" | "-" ) item }        of times and durations only
    item    = field | text | number | "true" | "false" | date | timestamp | duration | "now"
    field   = name { "." key | "[" index or text "]" }
    list    = [ "-" ] field { "," [ "-" ] field }        what to select, how to sort

Words are read without regard to case. Both `'…'` and `"…"` are text, the quote inside written twice. A name
with blanks or signs goes in back-ticks; after a dot any quotes do: `` `gpu type` = 'A100' ``,
`metadata."learning rate" < 1`.

Written by hand, because it starts at once (a generated parser costs every command 50 ms) and knows what to
say when something is wrong.
"""

from __future__ import annotations

from typing import Final

from mdcoord.errors import QueryError
from mdcoord.formats.query.tree import (
    Both,
    Constant,
    Either,
    Field,
    Node,
    Not,
    Now,
    Operand,
    Sum,
    Test,
    fields,
    type_of,
)
from mdcoord.formats.query.words import (
    COMPARISONS,
    OPERATORS_HINT,
    TESTS,
    Word,
    meant,
    path_of,
    problem,
    unquote,
    words,
)
from mdcoord.formats.times import duration, instant
from mdcoord.model import Path

MAX_TEXT: Final = 4096
"""Characters that a query may have."""

MAX_DEPTH: Final = 50
"""How deep brackets and `not` may nest."""


def parse(text: str) -> Node:
    """The tree of a query. Raises QueryError."""
    parser = _Parser(text)
    node = parser.either() if parser.word.kind != "end" else Both(())
    if parser.word.kind != "end":
        raise parser.after_test("`and` or `or`")
    return node


def parse_list(text: str) -> list[tuple[Path, str, bool]]:
    """The fields in a list like `-progress,metadata.loss`: path, name as written, whether it had a minus.

    Raises QueryError.
    """
    parser = _Parser(text)
    found = [parser.listed()]
    while parser.step(","):
        found.append(parser.listed())
    if parser.word.kind != "end":
        descending = parser.word.text.lower() in ("desc", "asc")
        hint = "for the other direction put a minus before the field: -progress" if descending else ""
        raise parser.error(f"expected a comma{parser.instead()}", hint)
    return found


class _Parser:
    """Recursive descent: a method for each rule of the grammar, one word looked ahead."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            message = f"the query has {len(text)} characters, more than {MAX_TEXT}"
            raise QueryError(message, hint="split it, or filter the output", position=MAX_TEXT)
        self.text = text
        self.words = list(words(text))
        self.index = 0
        self.depth = 0

    @property
    def word(self) -> Word:
        return self.words[self.index]

    def step(self, *expected: str) -> str:
        """Step over one of these words and return it, or return "" and stay."""
        word = self.word
        spelled = word.text.lower()
        if spelled not in expected:
            return ""
        self.index += 1
        return spelled

    def need(self, expected: str, hint: str = "") -> None:
        if not self.step(expected):
            raise self.error(f"expected `{expected}`{self.instead()}", hint)

    def instead(self) -> str:
        return f" but found {self.word.text[:40]!r}" if self.word.kind != "end" else ", but the query ends"

    def error(self, message: str, hint: str = "", at: Word | Operand | None = None) -> QueryError:
        place = at or self.word
        width = len(place.text) if isinstance(place, Word) else 1
        return problem(self.text, place.at, message, hint, width=width)

    # Sentences.

    def either(self) -> Node:
        parts = [self.both()]
        while self.step("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def both(self) -> Node:
        parts = [self.part()]
        while self.step("and"):
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def part(self) -> Node:
        opened = self.step("not", "(")
        if not opened:
            return self.test()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"brackets and `not` nest deeper than {MAX_DEPTH}")
        node = Not(self.part()) if opened == "not" else self.either()
        if opened == "(" and not self.step(")"):
            raise self.after_test("`)`, `and` or `or`")
        self.depth -= 1
        return node

    def after_test(self, expected: str) -> QueryError:
        if self.word.text in COMPARISONS:
            return self.error(
                "a comparison has two sides", "join comparisons by `and`, or use `between … and …`"
            )
        hint = "text goes in quotes" if self.word.kind == "name" else ""
        return self.error(f"expected {expected}{self.instead()}", hint)

    def test(self) -> Test:
        left = self.value()
        if comparison := self.step(*COMPARISONS):
            return self.comparison(COMPARISONS[comparison], left, self.value())
        if self.step("is"):
            return self.null(left)
        negated = bool(self.step("not"))
        operator = self.step(*TESTS)
        if operator in ("in", "between"):
            right = self.choices() if operator == "in" else self.bounds()
            sign = "=" if operator == "in" else "<="
            compared = [self.comparison(sign, left, value).operands[1] for value in right]
            return Test(operator, (left, *compared), negated)
        if operator:
            return self.text_test(operator, left, negated)
        raise self.no_operator(left)

    def no_operator(self, left: Operand) -> QueryError:
        word = self.word
        if word.kind == "name":
            return self.error(f"{word.text[:40]!r} is not an operator", meant(word.text))
        hint = OPERATORS_HINT
        if isinstance(left, Field):
            hint = (
                f"to ask whether it is so, write `{self.text[left.at : word.at].strip()[:60]} = true`; {hint}"
            )
        return self.error(f"expected an operator{self.instead()}", hint)

    def comparison(self, sign: str, left: Operand, right: Operand) -> Test:
        """A comparison that some record can meet."""
        left, right = _as_time(left, beside=right), _as_time(right, beside=left)
        if not (any(fields(left)) or any(fields(right))):
            raise self.error(
                "this compares two constants", "a field is a bare name, or a name in back-ticks", left
            )
        types = {type_of(left), type_of(right)} - {"any"}
        if len(types) > 1:
            hint = "both sides must be of one type"
            if "duration" in types:
                hint = "seconds need their unit: 90s, 1h30m; a name with a hyphen goes in back-ticks"
            raise self.error(f"this compares a {type_of(left)} with a {type_of(right)}", hint, right)
        if types == {"boolean"} and sign not in ("=", "!="):
            raise self.error("true and false have no order", "use = or !=", right)
        return Test(sign, (left, right))

    def null(self, left: Operand) -> Test:
        negated = bool(self.step("not"))
        self.need("null", "use = to compare with other values")
        if not isinstance(left, Field):
            raise self.error("only a field can be null", at=left)
        return Test("null", (left,), negated)

    def choices(self) -> list[Operand]:
        self.need(
            "(", "for example: status in ('pending', 'failed'); a field with a list: needs contains 'gpu'"
        )
        values = [self.value()]
        while self.step(","):
            values.append(self.value())
        self.need(")")
        return values

    def bounds(self) -> list[Operand]:
        low = self.value()
        self.need("and", "for example: progress between 0.2 and 0.8")
        return [low, self.value()]

    def text_test(self, operator: str, left: Operand, negated: bool) -> Test:
        if operator in ("starts", "ends"):
            self.need("with")
        if not isinstance(left, Field):
            raise self.error(f"the left side of `{operator}` must be a field", at=left)
        right = self.value()
        found = type_of(right)
        if found == "duration" or (operator != "contains" and found not in ("text", "any")):
            raise self.error(f"`{operator}` does not go with a {found}", "put text in quotes", right)
        if operator == "like" and found != "text":
            raise self.error("the pattern must be a text", "for example: title like 'train%'", right)
        return Test(operator, (left, right), negated)

    # Values.

    def value(self) -> Operand:
        value = self.item()
        while sign := self.step("+", "-"):
            value = self.sum(value, 1 if sign == "+" else -1, self.item())
        return value

    def sum(self, left: Operand, sign: int, right: Operand) -> Sum:
        """time ± duration is a time, duration ± duration and time - time are durations; a field is a time."""
        left, right = _as_time(left, beside=Now(0)), _as_time(right, beside=Now(0))
        types = ["time" if type_of(side) == "any" else type_of(side) for side in (left, right)]
        if types == ["time", "duration"]:
            return Sum("time", left, sign, right, left.at)
        if types == ["duration", "duration"] or (types == ["time", "time"] and sign < 0):
            return Sum("duration", left, sign, right, left.at)
        hint = "for example: now - 1h30m, completed_at - started_at; a name with a hyphen goes in back-ticks"
        raise self.error("only times and durations can be added and subtracted", hint, right)

    def item(self) -> Operand:
        word = self.word
        self.index += 1
        match word.kind, word.text:
            case "name", _:
                return Field(path_of(word.text), word.at)
            case "string", _:
                return Constant("text", unquote(word.text), word.at)
            case "number", _:
                return Constant("number", _number(word.text), word.at)
            case "sign", "-" if self.word.kind == "number":
                self.index += 1
                return Constant("number", -_number(self.words[self.index - 1].text), word.at)
            case "time", _:
                return self.time(word)
            case "duration", _:
                return Constant("duration", duration(word.text) or 0.0, word.at)
            case "reserved", "now":
                return Now(word.at)
            case "reserved", "true" | "false":
                return Constant("boolean", word.text == "true", word.at)
        self.index -= 1
        raise self.no_value(word)

    def no_value(self, word: Word) -> QueryError:
        if word.text == "null":
            return self.error("nothing is equal to null", "use `is null` or `is not null`")
        hint = "for example: status = 'in_progress' and progress > 0.3"
        if word.kind == "reserved":
            hint = f"a field of this name goes in back-ticks: `{word.text}`"
        return self.error(f"expected a field or a value{self.instead()}", hint)

    def time(self, word: Word) -> Constant:
        moment = instant(word.text)
        if moment is None:
            raise self.error(
                "there is no such time", "times are like 2026-01-31 or 2026-01-31T09:30:00Z", word
            )
        return Constant("time", moment, word.at)

    # Lists.

    def listed(self) -> tuple[Path, str, bool]:
        minus = bool(self.step("-"))
        word = self.word
        if word.kind not in ("name", "reserved"):
            raise self.error(
                f"expected the name of a field{self.instead()}", "for example: task_id,metadata.loss"
            )
        self.index += 1
        written = self.text[word.at : word.at + len(word.text)]
        return path_of(written), written, minus


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)


def _as_time(operand: Operand, *, beside: Operand) -> Operand:
    """A quoted timestamp beside a time is a time too."""
    if isinstance(operand, Constant) and isinstance(operand.value, str) and type_of(beside) == "time":
        moment = instant(operand.value)
        return operand if moment is None else Constant("time", moment, operand.at)
    return operand
