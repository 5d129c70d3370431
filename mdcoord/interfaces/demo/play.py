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
    lay_out,
    project_folder,
)
from mdcoord.interfaces.demo.show import Show, Silence, show_for

DEFAULT_WORKERS: Final = 4
DEFAULT_TASKS: Final = 24
MOST_WORKERS: Final = 16
MOST_TASKS: Final = 200


def run(
    *, workers: int = DEFAULT_WORKERS, tasks: int = DEFAULT_TASKS, keep: bool = False, json: bool = False
) -> int:
    """Run the demo, print what happened and the proof (with `json` as one object), return the exit code: 0 or
    1.

    `tasks` is the number of tasks in all. Takes some seconds, at most about a minute. With `keep` the folder
    stays, and when a proof fails; else nothing is left behind. Raises UsageError for impossible numbers and
    MdcoordError when it does not come to its end.
    """
    _within(workers, LEAST_WORKERS, MOST_WORKERS, "workers", "one of them is killed")
    _within(tasks, LEAST_TASKS, MOST_TASKS, "tasks", "the project itself needs most of them")
    folder = Path(tempfile.mkdtemp(prefix="mdcoord-demo-"))
    started = time.time()
    try:
        _play(folder, Plan.make(workers, tasks), Silence() if json else None, started)
        holds = conclude(folder, started, keep=keep, json=json)
    except BaseException:
        _leave(folder, keep=keep)
        raise
    _leave(folder, keep=keep or not holds)
    return 0 if holds else 1


def conclude(folder: Path, started: float, *, keep: bool, json: bool) -> bool:
    """Prove what the folder of a finished demo shows, print it, and tell whether all of it holds.

    `started` is in seconds since 1970.
    """
    from mdcoord.interfaces.demo.report import prove, timeline

    plan, proof = Plan.load(folder), prove(folder)
    holds = all(line.ok for line in proof)
    facts = {
        "ok": holds,
        "workers": len(plan.workers),
        "tasks": len(plan.jobs),
        "seconds": round(time.time() - started, 2),
        "proof": [line._asdict() for line in proof],
        "timeline": [moment._asdict() for moment in timeline(folder, started)],
        "path": str(project_folder(folder)) if keep or not holds else None,
    }
    _print_json(facts) if json else _print_text(facts)
    return holds


def _play(folder: Path, plan: Plan, show: Show | None, started: float) -> None:
    from mdcoord.interfaces.demo.director import Director

    root = lay_out(folder, plan)
    if show is None:
        print(
            "A voice-clone project, worked off by processes through a folder of Markdown files.\n", flush=True
        )
        show = show_for(plan, started)
    try:
        with Director(root, folder, plan, show.tell) as director:
            director.run()
    finally:
        show.close()


def _leave(folder: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


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
        print("The demo FAILED. Its files are kept; beside the project are the journals of the workers.")
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
