"""`mdcoord task create`."""

from __future__ import annotations

from typing import Any

import click

from mdcoord.errors import InvalidDocument, NotFound
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import set_option, text_of, words
from mdcoord.interfaces.cli.output import put
from mdcoord.interfaces.cli.values import nested, number, seconds
from mdcoord.interfaces.cli.warning import notice
from mdcoord.rules import acceptance, gate


@verb("create", example="mdcoord task create 'Train model' --id train --priority 5 --needs gpu,training")
@click.argument("title")
@click.option("--id", metavar="ID", help="Its name; without one it gets a short random one.")
@click.option("--priority", type=number, default=0, metavar="N", help="Higher is handed out first (0).")
@click.option("--needs", multiple=True, metavar="CAP,…", help="What an agent must be able to do.")
@click.option("--type", metavar="TEXT", help="What kind of task it is.")
@click.option("--depends-on", multiple=True, metavar="ID,…", help="Tasks that must be completed before.")
@click.option("--conflicts-with", multiple=True, metavar="ID,…", help="Tasks that must not run meanwhile.")
@click.option("--assign", metavar="AGENT", help="Only this agent may claim it; auto: the best one there.")
@click.option("--project", metavar="ID", help="The project that it belongs to.")
@click.option("--not-before", metavar="TIME", help="Not ready before this time, or for 30m.")
@click.option("--timeout", type=seconds, metavar="TIME", help="How long one attempt may last: 30m.")
@click.option("--ttl", type=seconds, metavar="TIME", help="How long a claim lasts without a sign of life.")
@click.option("--retry-limit", type=click.IntRange(0), metavar="N", help="Failed attempts before it is dead.")
@click.option("--instructions", metavar="TEXT", help="What is to be done, or its file; - reads stdin.")
@click.option("--context", multiple=True, metavar="NAME", help="A file or context to read. Repeatable.")
@click.option("--acceptance", multiple=True, metavar="TEXT", help="When it is done well. Repeatable.")
@click.option("--require-acceptance", is_flag=True, help="Complete only when every criterion is met.")
@click.option("--require-quality", is_flag=True, help="Complete only after `quality run --task ID` passed.")
@click.option("--key", metavar="TEXT", help="Make it once: the same key gives the same task.")
@set_option("Any further field; dotted names nest. Repeatable.")
def create(
    call: Call,
    title: str,
    needs: tuple[str, ...],
    depends_on: tuple[str, ...],
    conflicts_with: tuple[str, ...],
    instructions: str | None,
    require_acceptance: bool,
    require_quality: bool,
    pairs: tuple[str, ...],
    **given: Any,
) -> None:
    """Make a pending task and print its id."""
    wanted: dict[str, Any] = {acceptance.REQUIRED: True} if require_acceptance else {}
    if require_quality:
        wanted[gate.FIELD] = gate.REQUIRED
    tasks, waits_for = call.workspace().tasks, words(depends_on)
    task = tasks.create(
        title,
        needs=words(needs),
        depends_on=waits_for,
        conflicts_with=words(conflicts_with),
        instructions=text_of(instructions),
        fields={**wanted, **nested(pairs)},
        **given,
    )
    put(call, task.as_dict(), task.id)
    for name in waits_for:
        try:
            tasks.get(name)
        except NotFound as error:
            text = f"{task.id} waits for a task that does not exist yet: {name}"
            notice(call, "unknown_task", text, task_id=name, message=error.message, hint=error.hint)
        except InvalidDocument:
            pass  # it is there, and `check` tells what is wrong with it
