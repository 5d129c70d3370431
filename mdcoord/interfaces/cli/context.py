"""`mdcoord context`."""

from __future__ import annotations

from typing import TextIO

import click

from mdcoord.errors import NotFound
from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell, details
from mdcoord.interfaces.cli.options import list_options, named, pairs_argument
from mdcoord.interfaces.cli.output import json_line, put, put_all, write
from mdcoord.interfaces.cli.values import mapping_from, nested
from mdcoord.interfaces.cli.warning import warn

_HERE = "mdcoord.interfaces.cli.context"


@click.group(
    "context",
    cls=Group,
    members={"set": f"{_HERE}:put_data", "get": f"{_HERE}:get", "list": f"{_HERE}:listing"},
    example="mdcoord context get proj1-dataset segments",
)
def context() -> None:
    """Share what you found out: data under a name."""


@verb("set", example="mdcoord context set proj1-dataset path=data/alice segments=1847")
@named("context", "name")
@pairs_argument(required=False)
@click.option("--from", "source", type=click.File(encoding="utf-8"), help="A JSON object; - is stdin.")
@click.option("--title", metavar="TEXT", help="What it is about.")
@click.option("--project", metavar="ID", help="The project that it belongs to.")
@click.option("--replace", is_flag=True, help="Drop the data that was there.")
def put_data(
    call: Call,
    name: str,
    pairs: tuple[str, ...],
    source: TextIO | None,
    title: str | None,
    project: str | None,
    replace: bool,
) -> None:
    """Put data into a context, which is made when missing. What is not named stays."""
    data = {**(mapping_from(source.read()) if source else {}), **nested(pairs)}
    if not data and not replace and title is None:
        raise click.UsageError("There is nothing to set: give KEY=VALUE or --from FILE.")
    contexts = call.workspace().context
    found = contexts.set(name, data, title=title, merge=not replace, project=project)
    put(call, found.as_dict(), f"{found.id} updated")


@verb("get", example="mdcoord context get proj1-dataset")
@named("context", "name")
@click.argument("field", required=False)
def get(call: Call, name: str, field: str | None) -> None:
    """Show a context, or one value of its data."""
    found = call.workspace().context.get(name)
    if field is None:
        put(call, found.as_dict(), lambda: details(found))
        return
    value = found.record.get("data", *field.split("."))
    if value is None:
        known = ", ".join(found.data)
        raise NotFound(f"{found.key.name} has no {field!r} in its data", hint=f"its fields: {known}")
    write(json_line(value) if call.json else cell(value))


@verb("list", example="mdcoord context list")
@list_options
def listing(call: Call, where: str | None, sort: str | None, limit: int | None) -> None:
    """List contexts."""
    workspace = call.workspace()
    contexts = workspace.context.list(where, sort=sort, limit=limit)
    put_all(
        call,
        contexts,
        ("CONTEXT", "PROJECT", "BY", "UPDATED", "TITLE"),
        lambda found: (
            found.id,
            found.project_id or "",
            found.created_by or "",
            age(found.last_updated),
            found.title or "",
        ),
        empty="no contexts",
    )
    warn(call, workspace, "context", where, sort, found=contexts)
