"""One worker of the simulation: claims a task, works on it, completes it, and again until there is none.

    python worker.py PROJECT JOURNALS NAME [TTL] [elsewhere]

To work is to sleep: what is measured is how work is handed out. In a journal of its own it notes what it was
told, each line after the call came back. It is stubborn: after a refusal it tries again by the token alone,
so that it is the store that has to refuse it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from mdcoord import Claim, Workspace
from mdcoord.errors import Busy, ClaimLost, NothingReady
from mdcoord.host import Host
from mdcoord.interfaces.demo.journal import Journal

PAUSE = 0.25
"""Seconds between two questions for work where there was none."""


def work(w: Workspace, journal: Journal, ttl: float | None) -> None:
    """Work until every task has ended, or whoever started this worker has."""
    asked, parent = time.time(), os.getppid()
    while os.getppid() == parent:
        try:
            claim = w.tasks.claim(ttl=ttl)
        except NothingReady as nothing:
            if not {"pending", "in_progress"} & set(nothing.details["tasks"]):
                return
            time.sleep(PAUSE)
            asked = time.time()
            continue
        except Busy:  # a paused process has a lock
            continue
        facts = {"task": claim.id, "attempt": claim.attempt}
        journal.note("begin", **facts, asked=asked, seconds=claim.task["seconds"])
        time.sleep(claim.task["seconds"])
        journal.note("completed" if complete(w, claim) else "refused", **facts)
        asked = time.time()


def complete(w: Workspace, claim: Claim) -> bool:
    """Complete the task, with who did it as its result; False when it was refused, and refused again."""
    while True:
        try:
            claim.complete(result=claim.agent)
        except Busy:
            continue
        except ClaimLost:
            return insist(w, claim)
        return True


def insist(w: Workspace, claim: Claim) -> bool:
    """Try it as a program would that knows nothing of the loss."""
    try:
        w.tasks.complete(claim.id, token=claim.token, result=claim.agent)
    except ClaimLost:
        return False
    return True


def elsewhere() -> Host:
    """This machine as if it were another one: its processes and its clock mean nothing to its neighbours."""
    host = Host()
    host.name, host.boot, host.processes = "elsewhere", "another boot", "another boot/other processes"
    return host


def main(project: str, journals: str, name: str, ttl: str = "", place: str = "") -> None:
    """Be one worker. Without a ttl, claims last as long as the settings say."""
    with Workspace.open(project, agent=name, host=elsewhere() if place else None) as w:
        w.agents.register(name, pid=os.getpid())
        work(w, Journal(Path(journals), name), float(ttl) if ttl else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
