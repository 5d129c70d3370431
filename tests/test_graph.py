"""The graph of tasks, on values alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mdcoord.model import Key, Record
from mdcoord.rules.graph import Node, around, blockers, cycle, dot, graph_of, mermaid, tree


def graph(**needs: str) -> dict[str, Node]:
    return {name: Node(name, "", "pending", tuple(listed.split())) for name, listed in needs.items()}


def record(name: str, **fields: Any) -> Record:
    return Record(Key("task", name), fields, "", "v")


def test_documents_as_a_graph() -> None:
    found = graph_of(
        [
            record("b", depends_on=["task-122", "a", "gone"], conflicts_with="a", created_at="2026-01-02"),
            record("a", task_id="task-122", title="First", status="completed", created_at="2026-01-01"),
        ]
    )
    assert found == {
        "a": Node("a", "First", "completed"),
        "b": Node("b", "", "pending", ("a", "gone"), ("a",)),
        "gone": Node("gone", "", "missing"),
    }


def test_circles() -> None:
    known = graph(a="b", b="c d", c="a", d="", e="c", f="f")
    way = lambda start: cycle(start, lambda name: known[name].depends_on)  # noqa: E731
    assert way("a") == ["a", "b", "c", "a"]
    assert way("c") == ["c", "a", "b", "c"]
    assert way("f") == ["f", "f"]
    assert way("d") == way("e") == [], "who waits for a circle is not in it"


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_a_circle_is_one(edges: list[tuple[int, int]]) -> None:
    needed = {number: [b for a, b in edges if a == number] for number in range(8)}

    def reachable(start: int) -> set[int]:
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            for other in needed[waiting.pop()]:
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen

    for number in range(8):
        way = [int(name) for name in cycle(str(number), lambda name: map(str, needed[int(name)]))]
        assert bool(way) == (number in reachable(number))
        assert all(b in needed[a] for a, b in pairwise(way))
        assert not way or way[0] == way[-1] == number


def test_what_keeps_a_task_from_ever_starting() -> None:
    known = graph(a="b done", b="c gone", c="", done="x")
    known["c"] = Node("c", "", "dead")
    known["done"] = Node("done", "", "completed", ("x",))
    known["x"] = Node("x", "", "failed")
    assert sorted(blockers("a", known.get)) == [("c", "dead"), ("gone", "missing")]


def test_the_part_around_a_task() -> None:
    known = graph(a="", b="a", c="b", d="b", e="", f="e")
    assert list(around(known, ["b"])) == ["a", "b", "c", "d"]
    assert list(around(known, ["c"])) == ["a", "b", "c"]
    assert around(known, ["gone"]) == {}


def test_as_a_tree() -> None:
    known = graph(data="", train="data", eval="train data", report="eval", alone="", x="y", y="x")
    assert tree(known, lambda node: node.id.upper()) == [
        "DATA",
        "├─ TRAIN",
        "│  └─ EVAL",
        "│     └─ REPORT",
        "└─ eval (see above)",
        "ALONE",
        "(waits for itself) X",
        "└─ Y",
        "   └─ x (see above)",
    ]
    assert tree({}, str) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
def test_a_tree_shows_every_task_in_full_once(edges: list[tuple[int, int]]) -> None:
    needs = {f"n{n}": " ".join(sorted({f"n{b}" for a, b in edges if a == n})) for n in range(10)}
    lines = tree(graph(**needs), lambda node: f"[{node.id}]")
    assert sorted(name for line in lines for name in needs if f"[{name}]" in line) == sorted(needs)


def test_a_long_chain_is_no_problem() -> None:
    known = graph(**{f"n{n}": f"n{n - 1}" if n else "" for n in range(3000)})
    assert len(tree(known, lambda node: node.id)) == 3000
    assert len(cycle("n0", lambda name: [f"n{(int(name[1:]) + 1) % 3000}"])) == 3001


def test_for_graphviz_and_mermaid() -> None:
    known = {
        "a": Node("a", 'say "hi" <b>\\', "completed"),
        "b": Node("b", "", "dead", ("a",), ("a", "gone")),
    }
    assert dot(known) == [
        "digraph tasks {",
        "  rankdir=LR;",
        "  node [shape=box, style=filled];",
        '  "a" [label="a\\nsay \\"hi\\" <b>\\\\\\ncompleted", fillcolor="palegreen"];',
        '  "b" [label="b\\ndead", fillcolor="lightpink"];',
        '  "a" -> "b";',
        '  "b" -> "a" [dir=none, style=dashed, color=red];',
        "}",
    ]
    assert mermaid(known) == [
        "flowchart LR",
        '  t0["a<br>say #quot;hi#quot; #lt;b#gt;\\<br>completed"]',
        '  t1["b<br>dead"]',
        "  t0 --> t1",
        "  t1 -. conflicts .- t0",
    ]
