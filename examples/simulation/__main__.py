"""How well is work shared by processes that die and stall? A simulation, and its figures.

python examples/simulation                                  10,000 tasks, 32 workers: some six minutes
python examples/simulation --workers 8 --tasks 150 --kills 6 --pauses 4 --seconds 0.2 --ttl 2 --elsewhere 5
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from elsewhere import killed_elsewhere
from figures import figures, seconds, table
from judge import Run, judge
from project import lay_out, read_documents
from storm import Plan, storm


def main(arguments: Sequence[str]) -> int:
    """Run the simulation, print the table, and return 1 if work was done twice, accepted late or lost."""
    given = options().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # like Ctrl-C: no worker stays behind
    with tempfile.TemporaryDirectory(prefix="mdcoord-simulation-") as name:
        folder = Path(name)
        tasks = lay_out(folder / "project", given.tasks, given.seconds, given.seed)
        plan = Plan(given.seed, given.tasks, given.kills, given.pauses)
        run = Run.of(storm(folder / "project", folder / "journals", plan, given.workers, given.ttl))
        found = judge(run, read_documents(folder / "project"), tasks, given.ttl)
        far = killed_elsewhere(folder / "elsewhere", given.elsewhere)
    lasts = f"ttl {given.elsewhere:g} s" if given.elsewhere else "default settings"
    unseen = f"the same where nobody can see the process, {lasts}"
    rows = [("tasks", "", f"{given.tasks:,}"), *figures(run, found), (unseen, "< 30 s", seconds(far))]
    print(table(rows))
    for sentence in (*found.duplicate, *found.late, *found.lost):
        print(f"WRONG: {sentence}")
    return 0 if found.clean else 1


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="examples/simulation", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--workers", type=int, default=32, help="processes at a time")
    add("--tasks", type=int, default=10_000, help="how many there are")
    add("--seed", type=int, default=1, help="of all that is random")
    add("--kills", type=int, default=40, help="workers that are killed, and replaced")
    add("--pauses", type=int, default=40, help="workers that are stopped for longer than their ttl")
    add("--seconds", type=float, default=0.8, help="what a task takes on the average")
    add("--ttl", type=float, default=5.0, help="seconds that a claim lives without a sign of life")
    add("--elsewhere", type=float, help="the ttl where nobody can see the worker's process; else as usual")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
