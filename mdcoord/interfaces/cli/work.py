"""`mdcoord work`."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Final

import click

from mdcoord.errors import NothingReady
from mdcoord.interfaces.cli.ages import age, span
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import words
from mdcoord.interfaces.cli.output import clean, note, put, uncontrolled
from mdcoord.interfaces.cli.values import seconds

if TYPE_CHECKING:
    from mdcoord.services.claim import Claim
    from mdcoord.services.job import Outcome
    from mdcoord.services.worker import Worked
    from mdcoord.workspace import Workspace

GRACE: Final = "5s"


@verb("work", example="mdcoord work --agent ai-engineer --can training --idle 10m -- python train.py")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--can", multiple=True, metavar="CAP,…", help="What you can do; else what you registered, or all."
)
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Work on N tasks at a time (1).")
@click.option("--idle", type=seconds, metavar="TIME", help="End after so long without work: 10m.")
@click.option("--max", "limit", type=click.IntRange(1), metavar="N", help="End after N tasks.")
@click.option(
    "--once", is_flag=True, help="One task; exit code 1 if it is not completed, 5 if none is ready."
)
@click.option("--ttl", type=seconds, metavar="TIME", help="A claim lasts so long after each sign of life.")
@click.option(
    "--grace",
    type=seconds,
    default=GRACE,
    metavar="TIME",
    help=f"Time that commands have to end, when stopped ({GRACE}).",
)
@click.option("--brief", is_flag=True, help="Tell the command the task's brief on stdin, not JSON.")
def work(
    call: Call,
    command: tuple[str, ...],
    can: tuple[str, ...],
    jobs: int,
    idle: float | None,
    limit: int | None,
    once: bool,
    ttl: float | None,
    grace: float,
    brief: bool,
) -> int:
    """Claim tasks and run a command for each.

    The command gets the task as JSON on stdin, and MDCOORD_TASK_ID, MDCOORD_TOKEN and more in its
    environment, so that every `mdcoord` in it acts for this claim. Exit code 0 completes the task, 75 gives
    it back, any other fails it, with the last lines of the output. These lines on stdout are reports:

    \b
      ::progress 0.35 step=3500   how far it is (35% and 7/20 will do); figures
      ::log TEXT                  a line for the task's log
      ::event CHANNEL NAME k=v    an event
      ::accept N                  an acceptance criterion (or its text) is met
      ::lacks CAP                 this worker cannot do it; exit with 75 then
      ::result JSON               what the task gave; the last one counts

    All else that it prints goes to stderr. Stdout tells how each task ended.

    After Ctrl-C or SIGTERM no task is claimed any more, and commands get a little time to end (--grace); then
    they are ended, and their tasks given back. A second signal does that at once.
    """
    from mdcoord.services.command import Command
    from mdcoord.services.worker import Worker

    gc.enable()  # other commands leave no garbage worth a collection, this one stays
    workspace = call.workspace(session=_session())
    talk = _Talk(call, several=jobs > 1)
    runner = Command(
        command,
        feed=(lambda claim: _brief(workspace, claim)) if brief else None,
        output=talk.output,
        note=talk.problem,
    )
    worker = Worker(
        workspace,
        runner,
        can=words(can) if can else None,
        jobs=jobs,
        limit=1 if once else limit,
        idle=0.0 if once and idle is None else idle,
        ttl=ttl,
        grace=grace,
        on_end=talk.ended,
        note=talk.note,
    )
    worked = worker.run()
    return _once(worked, worker.agent) if once else 0


work.allow_interspersed_args = False  # all that follows the command's name is the command's


def _session() -> str:
    """One session for each worker: several in one terminal are several claimants."""
    from mdcoord.host import Host

    host = Host()
    return os.environ.get("MDCOORD_SESSION") or f"{host.name}-{os.getpid()}-{host.started(os.getpid())}"


def _once(worked: Worked, agent: str) -> int:
    if worked.completed:
        return 0
    if worked.failed or worked.released or worked.lost:
        return 1
    raise NothingReady(
        f"no task is ready for {agent}",
        hint="`mdcoord status` tells what there is, and `mdcoord task show ID` why a task is not ready",
    )


def _brief(workspace: Workspace, claim: Claim) -> str:
    return str(workspace.brief(claim.id))


class _Talk:
    """What a worker says. Output and problems of commands come from several threads."""

    def __init__(self, call: Call, *, several: bool) -> None:
        self._call = call
        self._several = several

    def ended(self, outcome: Outcome) -> None:
        """One line about a task that is over, to stdout."""

        def text() -> str:
            error = outcome.error.strip().split("\n")
            why = f": {error[0]}" if outcome.error else ""
            more = f" … {error[-1].strip()}" if len(error) > 1 else ""
            again = f", to be tried again {age(outcome.again)}" if outcome.again else ""
            dead = ", dead now" if outcome.task.status == "dead" else ""
            facts = f"attempt {outcome.attempt}, {span(outcome.seconds)}{again}{dead}"
            return clean(f"{outcome.task.id} {outcome.verdict} ({facts}){why}{more}")

        put(self._call, outcome.as_dict(), text)
        sys.stdout.flush()

    def output(self, claim: Claim, stream: str, line: str) -> None:
        """A line of a command's own."""
        self._say(f"[{claim.id}] {line}" if self._several else line)

    def problem(self, claim: Claim, text: str) -> None:
        """Something that a command said and that could not be taken in."""
        self._say(f"mdcoord: {claim.id}: {text}")

    def note(self, text: str) -> None:
        """Something about the worker itself."""
        self._say(f"mdcoord: {text}")

    def _say(self, line: str) -> None:
        try:
            note(uncontrolled(line))
        except (OSError, ValueError):
            pass  # nobody listens any more: the work goes on
