"""Commands as whole processes, against what click alone costs: `python -c "import click"`.

All cases take turns in one run; the table shows medians, and the median of each round's ratio to the floor.
Bytecode caches are filled first, as they are for an installed package.
    python tests/benchmarks/bench_cli.py [--tasks 1000 10000] [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from mdcoord import Workspace

REPOSITORY = Path(__file__).parents[2]
MDCOORD = [sys.executable, "-m", "mdcoord"]
FLOOR = 'python -c "import click"'
CASES = {
    'python -c "pass"': [sys.executable, "-c", "pass"],
    FLOOR: [sys.executable, "-c", "import click"],
    "--version": [*MDCOORD, "--version"],
    "task heartbeat": [*MDCOORD, "task", "heartbeat", "held"],
    "task show": [*MDCOORD, "task", "show", "held"],
    "task list --limit 20": [*MDCOORD, "task", "list", "--limit", "20"],
    "task list": [*MDCOORD, "task", "list"],
    "task list --json": [*MDCOORD, "task", "list", "--json"],
    "task create": [*MDCOORD, "task", "create", "A new task"],
    "task claim": [*MDCOORD, "task", "claim"],
    "task progress": [*MDCOORD, "task", "progress", "held", "0.5"],
    "task complete": [*MDCOORD, "task", "complete"],
    "event publish": [*MDCOORD, "event", "publish", "training", "saved", "step=1"],
    "event tail": [*MDCOORD, "event", "tail", "training"],
    "status": [*MDCOORD, "status"],
}


def environment(folder: Path) -> dict[str, str]:
    unwanted = ("MDCOORD_", "CLAUDE_", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    who = {"MDCOORD_AGENT": "me", "MDCOORD_SESSION": "here", "MDCOORD_ROOT": str(folder)}
    return {**kept, **who, "PYTHONPATH": str(REPOSITORY)}


def fill(folder: Path, tasks: int) -> None:
    """A workspace with so many tasks, a tenth of them in progress, one of them held by the caller."""
    os.environ["MDCOORD_DURABILITY"] = "none"
    with Workspace.create(folder, agent="me", session="here") as workspace:
        workspace.tasks.create("Held", id="held", priority=-1)
        workspace.tasks.claim("held", heartbeat=False, ttl=86400)
        for number in range(tasks - 1):
            status = {} if number % 10 else {"status": "in_progress", "assigned_agent": "other"}
            workspace.tasks.create(
                f"Task {number}", id=f"t{number}", project="proj-1", instructions="Do it.", fields=status
            )
        for step in range(100):
            workspace.events.publish("training", "step", step=step)


def timed(command: list[str], env: dict[str, str]) -> tuple[float, str]:
    begun = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return (time.perf_counter() - begun) * 1000, done.stdout


def measure(rounds: int, env: dict[str, str]) -> dict[str, list[float]]:
    took: dict[str, list[float]] = defaultdict(list)
    claimed = ""
    for number in range(rounds + 1):
        for name, command in CASES.items():
            more = [claimed] if name == "task complete" else []
            passed, output = timed([*command, *more], env)
            if name == "task claim":
                claimed = output.split(" ")[0]
            if number:  # the first round fills the caches
                took[name].append(passed)
    return took


def table(tasks: int, took: dict[str, list[float]]) -> str:
    lines = [f"### {tasks:,} tasks", "", "| command | median | x of the floor |", "|---|---:|---:|"]
    for name, values in took.items():
        ratio = statistics.median(one / floor for one, floor in zip(values, took[FLOOR], strict=True))
        lines.append(f"| {name} | {statistics.median(values):.1f} ms | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    for tasks in options.tasks:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), tasks)
            print(table(tasks, measure(options.rounds, environment(Path(folder)))), flush=True)


if __name__ == "__main__":
    main()
