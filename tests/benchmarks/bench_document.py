"""Reading and editing one document, against PyYAML's C loader on the same front matter.

All cases take turns in one run; the table shows medians and their ratio to the C loader. A *simple*
document is as the tool writes it, a *hand-edited* one has a comment and takes the general way through the
YAML parser. An edit sets two fields; it includes reading the text, and reading and comparing the result.

    python tests/benchmarks/bench_document.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import frontmatter
import yaml

from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document, decode
from mdcoord.formats.yamltext import subset
from mdcoord.model import Change

FIELDS = {
    "schema": "mdcoord/task/1",
    "task_id": "task-123",
    "project_id": "proj-1",
    "title": "Train the voice model",
    "type": "training",
    "status": "in_progress",
    "priority": 5,
    "assigned_agent": "agent-gpu-1",
    "needs": ["gpu", "python"],
    "depends_on": ["task-122"],
    "not_before": None,
    "attempt": 2,
    "retry_limit": 3,
    "created_at": "2026-01-31T09:30:00.000Z",
    "assigned_at": "2026-01-31T09:31:00.000Z",
    "started_at": "2026-01-31T09:31:05.000Z",
    "updated_at": "2026-01-31T09:40:00.000Z",
    "progress": 0.35,
    "metadata": {"step": 3500, "total_steps": 10000, "loss": 0.42},
    "instructions": "Train the model.\nUse the dataset of task 122.",
}
BODY = "\n# Train the voice model\n\n" + "**Status**: IN PROGRESS\n" * 20
CHANGE = Change(set={("status",): "completed", ("progress",): 1.0})

SIMPLE = Document.create(FIELDS, BODY).text
BY_HAND = SIMPLE.replace("priority: 5\n", "priority: 5  # soon\n")
LOADER = "CSafeLoader of the front matter"


def unseen(text: str) -> Document:
    subset._learned.clear()
    return Document.parse(text)


def cases() -> dict[str, Callable[[], object]]:
    front = Document.parse(SIMPLE).front_matter
    by_hand = Document.parse(BY_HAND).front_matter
    known = Document.parse(BY_HAND)
    return {
        LOADER: lambda: yaml.load(front, yaml.CSafeLoader),
        "the same with a comment": lambda: yaml.load(by_hand, yaml.CSafeLoader),
        "read, hand-edited": lambda: Document.parse(BY_HAND),
        "read and edit, hand-edited": lambda: Document.parse(BY_HAND).edit(CHANGE),
        "edit only, hand-edited": lambda: known.edit(CHANGE),
        "read, simple, lines seen before": lambda: Document.parse(SIMPLE),
        "read, simple, no line seen before": lambda: unseen(SIMPLE),
        "read and edit, simple": lambda: Document.parse(SIMPLE).edit(CHANGE),
        "create": lambda: Document.create(FIELDS, BODY),
        "python-frontmatter, read": lambda: frontmatter.loads(SIMPLE),
        "python-frontmatter, read and write": lambda: frontmatter.dumps(frontmatter.loads(SIMPLE)),
    }


def measure(rounds: int, calls: int = 100) -> dict[str, float]:
    """The median time of each case in microseconds."""
    times: dict[str, list[float]] = {name: [] for name in cases()}
    for _ in range(rounds):
        for name, case in cases().items():
            case()
            start = time.perf_counter()
            for _ in range(calls):
                case()
            times[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def slowest_refusal() -> tuple[float, str]:
    """The longest time in milliseconds that a file of the corpus of bad files takes, and its name."""
    found = []
    for path in (Path(__file__).parent.parent / "badinput").glob("*/*.md"):
        data = path.read_bytes()
        start = time.perf_counter()
        try:
            Document.parse(decode(data))
        except InvalidDocument:
            found.append(((time.perf_counter() - start) * 1e3, f"{path.parent.name}/{path.stem}"))
    return max(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    medians = measure(parser.parse_args().rounds)
    print(f"{len(FIELDS)} fields, {len(Document.parse(SIMPLE).front_matter)} characters of front matter\n")
    print("| case | µs | ratio |\n|---|---:|---:|")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} | {median / medians[LOADER]:.2f} |")
    milliseconds, name = slowest_refusal()
    print(f"\nslowest refusal of the corpus: {milliseconds:.1f} ms ({name})")


if __name__ == "__main__":
    main()
