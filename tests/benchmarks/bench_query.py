"""Queries against the same questions written in Python by hand, over the same mappings.

The functions by hand guard against missing fields and other types only where these rows have them. Both take
turns; the table shows the best of the rounds.

    python tests/benchmarks/bench_query.py [--rows 10000] [--rounds 9]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mdcoord.formats.query import compile_query, order, select

Row = dict[str, Any]
Work = Callable[[list[Row]], object]

NOW = datetime.fromisoformat("2025-10-12T14:30:00Z").timestamp()
STATUSES = ["pending", "in_progress", "completed", "failed"]
BLOCK = re.compile("^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def make_rows(count: int) -> list[Row]:
    source = random.Random(1)
    return [make_row(source, number) for number in range(count)]


def make_row(source: random.Random, number: int) -> Row:
    row: Row = {
        "schema": "mdcoord/task/1",
        "task_id": f"task-{number}",
        "title": f"Train model {number % 97}",
        "status": source.choice(STATUSES),
        "priority": source.randrange(10),
        "progress": source.random(),
        "needs": source.sample(["gpu", "cpu", "disk"], 2),
        "metadata": {"loss": source.random(), "step": number},
        "updated_at": f"2025-10-{source.randrange(1, 13):02}T{source.randrange(24):02}:30:00.000Z",
        "_body": f'text\n\n```json\n{{"segments_count": {number}, "kept": true}}\n```\n',
    }
    if source.random() < 0.1:
        del row["metadata"]
    return row


def three_terms(row: Row) -> bool:
    progress = row.get("progress")
    loss = (row.get("metadata") or {}).get("loss")
    return (
        row.get("status") == "in_progress"
        and isinstance(progress, (int, float))
        and progress > 0.3
        and isinstance(loss, (int, float))
        and loss < 0.5
    )


def recent(row: Row) -> bool:
    stamp = row.get("updated_at")
    return stamp is not None and datetime.fromisoformat(stamp).timestamp() > NOW - 86400


def many_segments(row: Row) -> bool:
    found = BLOCK.search(row["_body"])
    return found is not None and json.loads(found[1])["segments_count"] > 5000


def selected(row: Row) -> Row:
    loss = (row.get("metadata") or {}).get("loss")
    return {"task_id": row.get("task_id"), "progress": row.get("progress"), "metadata.loss": loss}


def filtering(text: str, by_hand: Callable[[Row], Any]) -> tuple[str, Work, Work]:
    query = compile_query(text, now=lambda: NOW)
    return text, lambda rows: [r for r in rows if query(r)], lambda rows: [r for r in rows if by_hand(r)]


CASES = [
    filtering("status = 'pending'", lambda r: r.get("status") == "pending"),
    filtering("status = 'in_progress' and progress > 0.3 and metadata.loss < 0.5", three_terms),
    filtering(
        "status in ('failed', 'completed') or priority >= 8",
        lambda r: r.get("status") in ("failed", "completed") or r.get("priority", 0) >= 8,
    ),
    filtering(
        "needs contains 'gpu' and title like '%MODEL 1_'", lambda r: "gpu" in r["needs"] and TITLE(r["title"])
    ),
    filtering("updated_at > now - 1d", recent),
    filtering("body.segments_count > 5000", many_segments),
    (
        "sort -priority,title",
        lambda rows: order(rows, "-priority,title"),
        lambda rows: sorted(rows, key=lambda r: (-r["priority"], r["title"])),
    ),
    (
        "select task_id,progress,metadata.loss",
        lambda rows: [select(row, "task_id,progress,metadata.loss") for row in rows],
        lambda rows: [selected(row) for row in rows],
    ),
]

TITLE = re.compile(r".*model 1.", re.IGNORECASE).fullmatch


def seconds(work: Work, rows: list[Row]) -> float:
    start = time.perf_counter()
    work(rows)
    return time.perf_counter() - start


def import_time() -> float:
    """Milliseconds to import the query modules in a new process that has what every command needs."""
    program = (
        "import time, json, datetime, mdcoord.model; start = time.perf_counter();"
        "import mdcoord.formats.query; print(time.perf_counter() - start)"
    )
    return min(float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(9)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    rows = make_rows(options.rows)
    print(f"{'microseconds a row':<70} mdcoord  by hand  ratio")
    for name, ours, by_hand in CASES:
        pairs = [(seconds(ours, rows), seconds(by_hand, rows)) for _ in range(options.rounds)]
        mine, theirs = (min(times) / len(rows) * 1e6 for times in zip(*pairs, strict=True))
        print(f"{name:<70} {mine:7.2f} {theirs:8.2f} {mine / theirs:6.2f}")
    text = CASES[1][0]
    start = time.perf_counter()
    for _ in range(1000):
        compile_query(text, now=time.time)
    print(f"\ncompiling the second: {(time.perf_counter() - start) * 1000:.0f} us")
    print(f"importing the query modules: {import_time():.1f} ms")


if __name__ == "__main__":
    main()
