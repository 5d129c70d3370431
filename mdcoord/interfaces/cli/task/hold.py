"""What the holder of a claim does: `mdcoord task heartbeat`, `progress`, `complete`, `fail`, `release`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mdcoord.errors import ClaimLost
from mdcoord.interfaces.cli.ages import age, left
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import named, op_option, set_option, text_of, token_option, words
from mdcoord.interfaces.cli.output import put
from mdcoord.interfaces.cli.values import flat, share_of, steps_of, value_of

if TYPE_CHECKING:
    from mdcoord.records import Task


@verb("heartbeat", example="mdcoord task heartbeat train --token 1-4f1c0a9b2d3e")
@named("task", "id")
@token_option
def heartbeat(call: Call, id: str, token: str | None) -> None:
    """Renew your claim for its full time."""
    with _mine(call, token):
        task = call.workspace().tasks.heartbeat(id, token=token)
    claim = _claim(task)
    put(call, {**task.as_dict(), "_claim": claim}, lambda: f"{task.id}: {left(claim['expires_at'])}")


@verb("progress", example="mdcoord task progress train 3500/10000 --set loss=0.42 --log 'checkpoint saved'")
@named("task", "id")
@click.argument("value", required=False)
@set_option("A figure about it: loss=0.42. Repeatable.")
@click.option("--log", metavar="TEXT", help="A line for the task's log.")
@token_option
def progress(
    call: Call, id: str, value: str | None, pairs: tuple[str, ...], log: str | None, token: str | None
) -> None:
    """Note how far your task is: 0.35, 35% or 3500/10000. Renews the claim."""
    share = share_of(value) if value is not None else None
    if value is not None and share is None:
        raise click.BadParameter(f"{value!r} is no progress from 0 to 1; try 0.35, 35% or 3500/10000")
    if value is None and not pairs and log is None:
        raise click.UsageError("There is nothing to note: say how far it is, or use --set or --log.")
    facts = {**steps_of(value or ""), **flat(pairs)}
    with _mine(call, token):
        task = call.workspace().tasks.note(id, share, facts, log, token=token)
    done = task.progress
    put(call, task.as_dict(), task.id if done is None else f"{task.id}: {done:.0%}")


@verb("complete", example='mdcoord task complete train --result \'{"path": "final.pt"}\'')
@named("task", "id")
@click.option("--result", metavar="VALUE", help="What it gave: JSON, or text; - reads it from stdin.")
@token_option
@op_option
def complete(call: Call, id: str, result: str | None, token: str | None, op: str | None) -> None:
    """End your task well."""
    text = text_of(result)
    value = None if text is None else value_of(text)
    with _mine(call, token):
        task = call.workspace().tasks.complete(id, result=value, token=token, op=op)
    _ended(call, task)


@verb("fail", example="mdcoord task fail train 'out of memory at step 3500'")
@named("task", "id")
@click.argument("error")
@token_option
@op_option
def fail(call: Call, id: str, error: str, token: str | None, op: str | None) -> None:
    """End this attempt badly. The task is pending again, or dead after its last attempt."""
    with _mine(call, token):
        task = call.workspace().tasks.fail(id, error, token=token, op=op)
    _ended(call, task)


@verb("release", example="mdcoord task release train --reason 'no GPU here' --lacks gpu")
@named("task", "id")
@click.option("--reason", metavar="TEXT", help="Why, for the task's log.")
@click.option("--lacks", multiple=True, metavar="CAP,…", help="What it needs and you have not.")
@token_option
@op_option
def release(
    call: Call, id: str, reason: str | None, lacks: tuple[str, ...], token: str | None, op: str | None
) -> None:
    """Give your task back; the attempt does not count.

    What you lack is added to what the task needs, and you are not offered it again.
    """
    with _mine(call, token):
        tasks = call.workspace().tasks
        task = tasks.release(id, token=token, op=op, reason=reason, lacks=words(lacks))
    _ended(call, task)


@contextmanager
def _mine(call: Call, token: str | None) -> Iterator[None]:
    """Where the claim is one of the same agent in another session, say how a command shows whose it is."""
    try:
        yield
    except ClaimLost as error:
        if token is None and call.agent and error.details.get("holder") == call.agent:
            error.hint = "if it is yours, say so with --token or MDCOORD_SESSION; else stop working on it"
        raise


def _ended(call: Call, task: Task) -> None:
    more, pause = "", age(task.get("not_before"))
    if task.status == "dead":
        more = f": no attempt is left (mdcoord task retry {task.id})"
    elif task.status == "pending" and pause.startswith("in "):
        more = f", to be tried again {pause}"
    put(call, task.as_dict(), f"{task.id} is {task.status}{more}")


def _claim(task: Task) -> dict[str, Any]:
    lease = task.record.lease
    holder = lease.holder
    return {
        "agent": holder.agent,
        "session": holder.session,
        "attempt": lease.attempt,
        "token": holder.token,
        "expires_at": holder.expires_at,
    }
