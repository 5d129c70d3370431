"""What exporting and importing cost, against reading and parsing the same files.

    python tests/benchmarks/bench_export.py [--documents 10000] [--rounds 3]

All but the import are whole commands, in processes of their own; see `spending`. Rounds take turns.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from spending import Spent, medians, reading, run, show, spent_by, tasks

from mdcoord.backends.memory import MemoryBackend
from mdcoord.moving.importing import lines_of
from mdcoord.workspace import Workspace


def rounds(root: Path, count: int) -> dict[str, list[Spent]]:
    """What each case spends, round by round."""
    file = str(root.parents[1] / "export.jsonl")
    spent: dict[str, list[Spent]] = {}
    for _ in range(count):
        cases = {
            **reading(root),
            "mdcoord export": run(root, "-m", "mdcoord", "export", file),
            "import into memory": spent_by(lambda: Workspace(MemoryBackend()).import_(lines_of(file))),
        }
        for name, found in cases.items():
            spent.setdefault(name, []).append(found)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Workspace.create(folder) as workspace:
        assert workspace.root is not None
        tasks(workspace.root, given.documents)
        print(f"{given.documents} documents")
        show(medians(rounds(workspace.root, given.rounds)))


if __name__ == "__main__":
    main()
