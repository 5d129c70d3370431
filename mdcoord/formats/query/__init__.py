"""Queries over records: which ones, in what order, and what of them.

    compile_query("status = 'in_progress' and progress > 0.3 and metadata.loss < 0.5", now=host.now)

`grammar` has the language. How values compare:

* Only single values compare. A missing field, null, a list or a mapping makes a comparison false, `!=` and
  `not in` too; `is null` asks for the first two. `not` in front of a test turns false into true: `not
  progress > 0.5` holds for a record without progress.
* Nothing is converted: 3 is not '3', true is not 1. Values of different types are unequal and have no order.
* Two texts that are both ISO 8601 times compare as instants, whatever their precision and offset (none:
  UTC; a date is its first moment). Other texts compare character by character.
* Beside a time (`now - 1h`, an unquoted date), only a time makes a comparison true.
* Beside a duration, a number counts as seconds and a text is read as a duration: `avg_duration_sec > 1h30m`.
* `like` disregards case; `%` is any text, `_` one character, after a backslash they are themselves.
  `contains` finds an equal value in a list, or a part of a text; it, `starts with` and `ends with` regard
  case.
* `body` is the text below the front matter. `body.KEY` looks into its JSON blocks, the first that is a
  mapping with this key; `body[0].KEY` into the first block, `body[-1]` the last. A front matter field
  `body` goes before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from mdcoord.errors import QueryError
from mdcoord.formats.query.grammar import parse, parse_list
from mdcoord.formats.query.predicates import predicate
from mdcoord.formats.query.tree import Node, fields
from mdcoord.formats.query.values import Clock, Getter, Row, getter
from mdcoord.formats.times import instant
from mdcoord.model import Record

__all__ = ["Query", "Row", "compile_query", "get", "order", "row_of", "select", "sort_key"]


class Query:
    """A compiled query: call it with a row.

    `fields` are the names at the top level that it looks at (`body` stands for `_body`): a store needs to
    provide only these, and a name that no record has is probably a text without its quotes.
    """

    __slots__ = ("_test", "fields", "text")

    def __init__(self, text: str, tree: Node, now: Clock) -> None:
        self.text = text
        self.fields = frozenset(str(path[0]) for path in fields(tree))
        self._test = predicate(tree, now)

    def __call__(self, row: Row) -> bool:
        """Whether the row meets the query. Raises nothing and reads nothing but the row."""
        return self._test(row)

    def __repr__(self) -> str:
        return f"Query({self.text!r})"


def compile_query(text: str, *, now: Clock) -> Query:
    """Make a predicate of the text of a query; blank text is met by every row.

    `now` gives seconds since 1970 and is asked in each evaluation that needs it. Raises QueryError, whose
    detail `position` is the place in the text (0-based, in characters) where it goes wrong.
    """
    return Query(text, parse(text), now)


def row_of(record: Record, **own: Any) -> dict[str, Any]:
    """A record as a row: its front matter, `_kind`, `_id`, `_version`, `_path`, `_body`, and `own` names."""
    return {
        **record.fields,
        "_kind": record.key.kind,
        "_id": record.key.id,
        "_version": record.version,
        "_path": record.path,
        "_body": record.body,
        **own,
    }


def get(row: Row, field: str) -> Any:
    """The value of a field like `metadata.loss`, None where there is none. Raises QueryError."""
    found = _listed(field)
    if len(found) != 1:
        raise QueryError(f"{field[:80]!r} is more than one field", position=0)
    return found[0][1](row)


def select(row: Row, names: str) -> dict[str, Any]:
    """The fields of a list like `task_id,progress,metadata.loss`, each under the name as written.

    Raises QueryError.
    """
    return {name: value_of(row) for name, value_of, _ in _listed(names)}


def order(rows: Iterable[Row], names: str) -> list[Row]:
    """The rows sorted by a list of fields like `-progress,title`; a minus puts the greatest first.

    Stable. Rows without the field come last in both directions; `sort_key` says how values of different types
    are sorted. Raises QueryError.
    """
    result = list(rows)
    for _, value_of, descending in reversed(_listed(names)):
        keyed = [(sort_key(value_of(row)), row) for row in result]
        present = sorted((pair for pair in keyed if pair[0] < _LAST), key=itemgetter(0), reverse=descending)
        result = [row for _, row in present] + [row for key, row in keyed if key == _LAST]
    return result


def sort_key(value: Any) -> tuple[int, Any]:
    """Sorts JSON values of any types: booleans, numbers, times, other texts, lists and mappings, null."""
    if isinstance(value, str):
        moment = instant(value)
        return (3, value) if moment is None else (2, moment)
    if isinstance(value, bool):
        return (0, value)
    if isinstance(value, int | float) and value == value:  # not NaN, which has no order
        return (1, value)
    return _LAST if value is None else (4, 0)


_LAST = (5, 0)


@lru_cache(maxsize=64)
def _listed(names: str) -> tuple[tuple[str, Getter, bool], ...]:
    return tuple((name, getter(path), minus) for path, name, minus in parse_list(names))
