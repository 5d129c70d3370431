"""Hypothesis strategies for values, fields and changes, shared by the tests of documents."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mdcoord.model import Change

TRICKY_TEXT = (
    "", " ", "a", "y", "n", "no", "NO", "Off", "true", "null", "~", "-", "--", "---", "...", "- a", "? a",
    ": a", "a: b", "a:", "a #b", "#a", "a#b", "@claude", "`x`", "%x", "&a", "*a", "!a", "!!str a", "|",
    ">", "[", "]", "[a]", "{", "{a: b}", ",", "a, b", "'", '"', "it's", '"q"', "\\", "\\n", "0", "007",
    "0755", "0o7", "0x1F", "0b1", "1_000", "1,000", "1e3", "1E400", ".5", "5.", "-1", "+1", "-", "+", ".",
    "..", "1.2.3", "12:30", "12:30:45.5", "-1:30", ".inf", "-.INF", ".NaN", "nan", "2026-01-31",
    "2026-01-31T09:30:00.000Z", "2026-1-1 1:1:1", "=", "<<", "<", ">", "a\nb", "a\nb\n", "\n", "\na",
    "a\n\n", "a\n\nb", " a\nb", "a\n  b\nc", "a \nb", "a\tb", "\ta", "a\t\nb", "---\na", "a\n---\nb",
    "a\n...\n", "a\r\nb", "a\rb", "a\x00b", "a\x07b", "a\x7fb", "a\x85b", "a\xa0b", "a\u2028b",
    "a\u2029b", "a\ufeffb", "\ufeff", "a\u200db", "a\u202eb", "\ud7ff", "\ue000", "\ufffd", "\uffff", "😀",
    "👨‍👩‍👧", "é", "e\u0301", "日本語", "<<<<<<< HEAD", "=======\n", ">>>>>>> x", "a  b", "a ", "x" *300,
    "None", "undefined", "key: |", "- - -", "[[[[", "\x1b[0m", "%YAML 1.2", "# comment\nb", "a\n# b",
    "http://x/y?z#w", "/a/b", "~/x", "a/b", "C:\\x", "$1",
)  # fmt: skip
"""Text that some YAML reader, or a careless writer, takes for something else."""

texts = st.one_of(
    st.sampled_from(TRICKY_TEXT),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=12),
    st.text(alphabet="ab1-:#,[]{}'\"\\ \n\t&*!|>%@`?=~.0x_", max_size=8),
)
words = st.text(alphabet="abcdefgh ", min_size=1, max_size=8).map(str.strip).filter(bool)
keys = st.one_of(
    st.sampled_from(
        [
            "status",
            "title",
            "loss",
            "a",
            "b",
            "c",
            "n",
            "y",
            "1",
            "null",
            "true",
            "<<",
            "Last Updated",
            "x-y",
            "",
        ]
    ),
    texts.filter(lambda text: len(text) <= 100),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-9, 99), st.floats(allow_nan=False, allow_infinity=False)
)
scalars = st.one_of(st.none(), st.booleans(), numbers, words, texts)


def nested(leaves: st.SearchStrategy[Any], max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Leaves, lists and mappings of them."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
        max_leaves=max_leaves,
    )


values = nested(scalars)
fields = st.dictionaries(keys, values, max_size=6)
simple_fields = st.dictionaries(
    st.sampled_from(["status", "title", "loss", "metadata", "logs", "n", "1", "Last Updated"]),
    nested(st.one_of(words, numbers, st.none(), st.sampled_from(TRICKY_TEXT))),
    min_size=1,
    max_size=6,
)


@st.composite
def changes(draw: st.DrawFn, of: dict[str, Any], inside: bool = True) -> Change:
    """A change that fits the fields: sets, deletes and appends at existing and new places."""
    places = list(paths(of)) if inside else [(name,) for name in of]
    existing = st.sampled_from(places) if places else st.nothing()
    new = st.tuples(keys)
    containers = [place for place in places if isinstance(at(of, place), dict)]
    if containers:
        new = st.one_of(
            new, st.tuples(st.sampled_from(containers), keys).map(lambda pair: (*pair[0], pair[1]))
        )
    lists = [place for place in places if isinstance(at(of, place), list)]
    to_set = draw(st.dictionaries(st.one_of(existing, new), values, max_size=2))
    to_delete = draw(st.lists(existing, max_size=2)) if places else []
    to_append = (
        draw(st.dictionaries(st.sampled_from(lists), st.lists(values, max_size=2), max_size=1))
        if lists
        else {}
    )
    return Change(set=to_set, delete=tuple(to_delete), append=to_append)


def paths(value: Any, above: tuple[Any, ...] = ()) -> Any:
    """Every place inside of a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in steps:
        yield (*above, step)
        yield from paths(item, (*above, step))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """The value at a path that exists."""
    for step in path:
        value = value[step]
    return value
