"""Running a function in several processes at once."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Job = Callable[[], Any]
"""Runs in a process of its own and returns JSON data."""


def run_all(jobs: Sequence[Job], scratch: Path) -> list[Any]:
    """Run each job in a forked process, all at the same time, and return what they return.

    They start together, as far as that is possible. Raises AssertionError when one of them fails.
    """
    start, go = os.pipe()
    children = [_fork(job, scratch / f"{number}.json", start, go) for number, job in enumerate(jobs)]
    os.close(start)
    os.close(go)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1]]
    assert not failed, f"{len(failed)} of {len(jobs)} processes failed"
    return [json.loads((scratch / f"{number}.json").read_text()) for number in range(len(jobs))]


def _fork(job: Job, target: Path, start: int, go: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.close(go)
        os.read(start, 1)  # ends when the last process that could write is ready, too
        target.write_text(json.dumps(job()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
