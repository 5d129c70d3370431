"""Tasks and what they wait for, as a graph: its cycles, its picture as text, for Graphviz and for Mermaid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mdcoord.model import Record, Value
from mdcoord.rules.readiness import DONE, UNDONE, conflicts, dependencies, task_id

_COLOURS: Final = {"completed": "palegreen", "in_progress": "khaki", "pending": "white"}
_ENTITIES: Final = str.maketrans(
    {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "\n": " "}
)
MISSING: Final = "missing"
"""The status of a task that others depend on and that does not exist."""


@dataclass(frozen=True, slots=True)
class Node:
    """One task: what it depends on, and what it conflicts with, by the names of files."""

    id: str
    title: str
    status: str
    depends_on: tuple[str, ...] = ()
    conflicts_with: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return {
            "task_id": self.id,
            "title": self.title,
            "status": self.status,
            "depends_on": list(self.depends_on),
            "conflicts_with": list(self.conflicts_with),
        }


Graph = Mapping[str, Node]
"""The nodes by their ids, in the order in which they are shown."""


def graph_of(records: Iterable[Record]) -> dict[str, Node]:
    """The graph of these tasks. What they depend on and is not among them is there as missing."""
    tasks = sorted(records, key=lambda record: (str(record.fields.get("created_at") or ""), record.key.id))
    aliases = {task_id(task.fields): task.key.id for task in tasks} | {t.key.id: t.key.id for t in tasks}
    found: dict[str, Node] = {}
    for task in tasks:
        fields = task.fields
        needed = tuple(dict.fromkeys(aliases.get(other, other) for other in dependencies(fields)))
        rivals = tuple(dict.fromkeys(aliases.get(other, other) for other in conflicts(fields)))
        status = str(fields.get("status") or "pending")
        found[task.key.id] = Node(task.key.id, str(fields.get("title") or ""), status, needed, rivals)
    for node in list(found.values()):
        for other in node.depends_on:
            found.setdefault(other, Node(other, "", MISSING))
    return found


def cycle(start: str, needed: Callable[[str], Iterable[str]]) -> list[str]:
    """A way from a task over what it depends on back to itself, both ends named; empty when there is none.

    `needed` gives what a task depends on.
    """
    back: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for other in needed(here):
            if other == start:
                way = [here]
                while way[-1] != start:
                    way.append(back[way[-1]])
                return [*reversed(way), start]
            if other not in back:
                back[other] = here
                waiting.append(other)
    return []


def blockers(start: str, node: Callable[[str], Node | None]) -> list[tuple[str, str]]:
    """The tasks that keep a task from ever starting, with their statuses: failed ones and missing ones."""
    found: list[tuple[str, str]] = []
    seen, waiting = {start}, [start]
    while waiting:
        here = node(waiting.pop())
        for other in here.depends_on if here else ():
            if other in seen:
                continue
            seen.add(other)
            there = node(other)
            status = there.status if there else MISSING
            if status in UNDONE or status == MISSING:
                found.append((other, status))
            elif status not in DONE:
                waiting.append(other)
    return found


def around(graph: Graph, ids: Collection[str]) -> dict[str, Node]:
    """The part of a graph that these tasks wait for, or that waits for them."""
    dependents = waiting_for(graph)
    kept: set[str] = set()
    for step in (lambda id: graph[id].depends_on, lambda id: dependents.get(id, ())):
        waiting, seen = [id for id in ids if id in graph], set[str]()
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                waiting += step(here)
        kept |= seen
    return {id: node for id, node in graph.items() if id in kept}


def waiting_for(graph: Graph) -> dict[str, list[str]]:
    """For each task the tasks that depend on it."""
    found: dict[str, list[str]] = {}
    for node in graph.values():
        for other in node.depends_on:
            found.setdefault(other, []).append(node.id)
    return found


def tree(graph: Graph, label: Callable[[Node], str]) -> list[str]:
    """The graph as lines: below each task those that wait for it, each task in full the first time only.

    Tasks that wait for each other in a circle have no first one; they stand at the end, marked.
    """
    dependents = waiting_for(graph)
    shown: set[str] = set()
    lines: list[str] = []
    for id, node in graph.items():
        if not any(other in graph for other in node.depends_on):
            lines += _branch(graph, dependents, id, "", "", shown, label)
    for id in graph:
        if id not in shown:
            mark = "(waits for itself) " if cycle(id, lambda one: graph[one].depends_on) else ""
            lines += _branch(graph, dependents, id, mark, "", shown, label)
    return lines


def _branch(
    graph: Graph,
    dependents: Mapping[str, Sequence[str]],
    id: str,
    head: str,
    indent: str,
    shown: set[str],
    label: Callable[[Node], str],
) -> Iterator[str]:
    """A task and what waits for it. Without recursion: chains may be longer than Python's stack."""
    stack = [(id, head, indent)]
    while stack:
        id, head, indent = stack.pop()
        if id in shown:
            yield f"{head}{id} (see above)"
            continue
        shown.add(id)
        yield head + label(graph[id])
        below = dependents.get(id, ())
        for index, other in reversed([*enumerate(below)]):
            last = index == len(below) - 1
            branch, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
            stack.append((other, indent + branch, indent + deeper))


def dot(graph: Graph) -> list[str]:
    """The graph in Graphviz' language: arrows go from a task to those that wait for it."""
    lines = ["digraph tasks {", "  rankdir=LR;", "  node [shape=box, style=filled];"]
    for node in graph.values():
        text = "\\n".join(_quoted(word) for word in (node.id, node.title, node.status) if word)
        colour = _COLOURS.get(node.status, "lightpink")
        lines.append(f'  "{_quoted(node.id)}" [label="{text}", fillcolor="{colour}"];')
    for node in graph.values():
        name = _quoted(node.id)
        lines += [f'  "{_quoted(other)}" -> "{name}";' for other in node.depends_on]
        rivals = [other for other in node.conflicts_with if other in graph]
        lines += [
            f'  "{name}" -> "{_quoted(other)}" [dir=none, style=dashed, color=red];' for other in rivals
        ]
    return [*lines, "}"]


def mermaid(graph: Graph) -> list[str]:
    """The graph as a Mermaid flowchart, as it goes into Markdown."""
    number = {id: f"t{index}" for index, id in enumerate(graph)}
    lines = ["flowchart LR"]
    for node in graph.values():
        words = [node.id, *([node.title] if node.title else []), node.status]
        lines.append(f'  {number[node.id]}["{"<br>".join(map(_escaped, words))}"]')
    for node in graph.values():
        lines += [f"  {number[other]} --> {number[node.id]}" for other in node.depends_on]
        lines += [
            f"  {number[node.id]} -. conflicts .- {number[other]}"
            for other in node.conflicts_with
            if other in number
        ]
    return lines


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _escaped(text: str) -> str:
    return text.translate(_ENTITIES)
