"""`mdcoord task claim`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from mdcoord.errors import NothingReady, NotReady
from mdcoord.interfaces.cli.ages import left
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import named, op_option, words
from mdcoord.interfaces.cli.output import pairs, put
from mdcoord.interfaces.cli.polling import pauses
from mdcoord.interfaces.cli.values import seconds

if TYPE_CHECKING:
    from mdcoord.services.claim import Claim


@verb("claim", example="mdcoord task claim --agent ai-engineer --can training,gpu --ttl 15m")
@named("task", "id", required=False)
@click.option("--can", multiple=True, metavar="CAP,…", help="What you can do; else what you registered.")
@click.option("--ttl", type=seconds, metavar="TIME", help="Yours for so long after each sign of life: 15m.")
@click.option("--pid", type=click.IntRange(1), metavar="PID", help="Give it up when this process is gone.")
@click.option("--wait", type=seconds, metavar="TIME", help="Wait so long for something to be ready: 30s.")
@op_option
def claim(
    call: Call,
    id: str | None,
    can: tuple[str, ...],
    ttl: float | None,
    pid: int | None,
    wait: float | None,
    op: str | None,
) -> None:
    """Take a task: the best one that is ready, or the one named.

    Without --can and without a registration you may have any; one that you name is yours whatever it needs.
    Keep its token, or stay in this terminal's session: what you do with the task next needs one of them.
    Exit code 5 when nothing is ready.
    """
    tasks = call.workspace().tasks
    wanted = words(can) if can else None

    def attempt() -> Claim:
        return tasks.claim(id, can=wanted, ttl=ttl, pid=pid, op=op, heartbeat=False)

    claimed = attempt() if wait is None else _waiting(attempt, wait)
    put(call, {**claimed.task.as_dict(), "_claim": claimed.as_dict()}, lambda: _text(claimed))


def _waiting(attempt: Any, longest: float) -> Claim:
    end = time.monotonic() + longest
    for pause in pauses():
        try:
            claimed: Claim = attempt()
            return claimed
        except (NothingReady, NotReady):
            still = end - time.monotonic()
            if still <= 0:
                raise
        time.sleep(min(pause, still))
    raise AssertionError("pauses never end")


def _text(claimed: Claim) -> str:
    facts = {
        "attempt": str(claimed.attempt),
        "token": claimed.token,
        "expires": f"{claimed.expires_at} ({left(claimed.expires_at)})",
        "instructions": claimed.task.instructions or "",
    }
    return f"{claimed.id}  {claimed.task.title or ''}".rstrip() + "\n" + pairs(facts.items())
