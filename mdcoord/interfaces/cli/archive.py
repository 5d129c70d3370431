"""`mdcoord archive`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import note, put, put_all
from mdcoord.interfaces.cli.values import seconds

_HERE = "mdcoord.interfaces.cli.archive"


@click.group(
    "archive",
    cls=Group,
    invoke_without_command=True,
    members={"list": f"{_HERE}:listing", "restore": f"{_HERE}:restore"},
    example="mdcoord archive --older-than 24h --dry-run",
)
@click.option(
    "--older-than", type=seconds, metavar="TIME", help="How long ago it ended: 24h (as configured)."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.pass_context
def archive(ctx: click.Context, older_than: float | None, dry_run: bool) -> None:
    """Move what ended, and agents that fell silent, to the archive."""
    if ctx.invoked_subcommand is not None:
        return
    call = ctx.find_object(Call) or Call()
    summary = call.workspace().archive(older_than, dry_run=dry_run)
    done = "would go" if dry_run else "archived"
    lines = [*(f"{name} {done}" for name in summary.archived)]
    put(call, summary.as_dict(), "\n".join(lines))
    if call.json:
        return
    if not lines:
        note("nothing to archive")
    if summary.waiting:
        note(f"(others still wait for {', '.join(summary.waiting)})")


@verb("list", example="mdcoord archive list")
def listing(call: Call) -> None:
    """List what is in the archive."""
    found = [{"name": name} for name in call.workspace().archived()]
    put_all(call, found, ("NAME",), lambda item: (item["name"],), empty="the archive is empty")


@verb("restore", example="mdcoord archive restore task-train")
@click.argument("name")
def restore(call: Call, name: str) -> None:
    """Bring a document back."""
    record = call.workspace().restore(name)
    put(call, record.as_dict(), f"{record.key.name} restored")
