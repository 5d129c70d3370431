"""The demo from its beginning to its end: lay out, play, prove, print, clean up."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from mdcoord.errors import UsageError
from mdcoord.interfaces.demo.project import (
    LEAST_TASKS,
    LEAST_WORKERS,
    Plan,
    journal_folder,
    lay_out,
    project_folder,
)

DEFAULT_WORKERS: Final = 4
DEFAULT_TASKS: Final = 24
MOST_WORKERS: Final = 16
MOST_TASKS: Final = 200


def run(
    *, workers: int = DEFAULT_WORKERS, tasks: int = DEFAULT_TASKS, keep: bool = False, json: bool = False
) -> int:
    """Run the demo and print what happened and the proof (with `json` as one object). Returns the exit code:
    0 or 1.

    `tasks` is the number of tasks in all. With `keep` the folder stays, else nothing is left behind. Takes
    some seconds, at most about a minute. Raises UsageError for impossible numbers and DemoFailed when it
    cannot be brought to its end.
    """
    _within(workers, LEAST_WORKERS, MOST_WORKERS, "workers", "one of them is killed")
    _within(tasks, LEAST_TASKS, MOST_TASKS, "tasks", "the project itself needs most of them")
    folder = Path(tempfile.mkdtemp(prefix="mdcoord-demo-"))
    try:
        return _play(folder, Plan.make(workers, tasks), keep=keep, as_json=json)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _play(folder: Path, plan: Plan, *, keep: bool, as_json: bool) -> int:
    from mdcoord.interfaces.demo.director import Director
    from mdcoord.interfaces.demo.journal import read_all
    from mdcoord.interfaces.demo.report import prove, timeline
    from mdcoord.interfaces.demo.show import show_for

    started = time.time()
    root = lay_out(folder, plan)
    show = show_for(plan, json=as_json, started=started)
    try:
        with Director(root, folder, plan, show.tell) as director:
            director.run()
    finally:
        show.close()
    proof = prove(folder)
    facts = {
        "ok": all(line.ok for line in proof),
        "workers": len(plan.workers),
        "tasks": len(plan.jobs),
        "seconds": round(time.time() - started, 2),
        "proof": [line._asdict() for line in proof],
        "timeline": [moment._asdict() for moment in timeline(read_all(journal_folder(folder)), started)],
        "path": str(project_folder(folder)) if keep else None,
    }
    _print_json(facts) if as_json else _print_text(facts)
    return 0 if facts["ok"] else 1


def _print_json(facts: dict[str, Any]) -> None:
    import json

    print(json.dumps(facts))


def _print_text(facts: dict[str, Any]) -> None:
    width = max(len(line["name"]) for line in facts["proof"])
    print(f"\n{facts['tasks']} tasks, {facts['workers']} workers, {facts['seconds']:.1f} seconds.")
    print("The proof, from the files and from what each worker wrote down when a call came back:\n")
    for line in facts["proof"]:
        print(f"  {'ok    ' if line['ok'] else 'FAILED'}  {line['name']:{width}}  {line['text']}")
    print()
    if not facts["ok"]:
        print("The demo FAILED: what is said above was lost, doubled or changed.")
    if facts["path"]:
        _print_tour(facts["path"])
    else:
        print("Its files are removed. To look around in them: mdcoord demo --keep")


def _print_tour(path: str) -> None:
    print("Look around:")
    print(f"  cd {shlex.quote(path)}")
    print("  mdcoord status")
    print('  mdcoord query task "attempt > 1"')
    print("  cat .claude/coordination/task-train-model.md")


def _within(value: int, least: int, most: int, name: str, why: str) -> None:
    if not least <= value <= most:
        raise UsageError(f"{value} {name} are not possible", hint=f"{least} to {most}: {why}", option=name)
