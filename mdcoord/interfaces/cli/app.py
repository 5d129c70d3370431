"""The command `mdcoord`: its sub-commands, and where each of them is."""

from __future__ import annotations

from typing import Any

import click

from mdcoord._version import __version__
from mdcoord.interfaces.cli.base import Root

_HERE = "mdcoord.interfaces.cli"


def _version(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"mdcoord {__version__}")
        ctx.exit()


@click.group(
    "mdcoord",
    cls=Root,
    no_args_is_help=True,
    members={
        "init": f"{_HERE}.init:init",
        "status": f"{_HERE}.status:status",
        "demo": f"{_HERE}.demo:demo",
        "assess": f"{_HERE}.assess:assess",
        "task": f"{_HERE}.task:task",
        "agent": f"{_HERE}.agent:agent",
        "event": f"{_HERE}.event:event",
        "context": f"{_HERE}.context:context",
        "metrics": f"{_HERE}.metrics:metrics",
        "progress": f"{_HERE}.progress:progress",
        "message": f"{_HERE}.message:message",
        "workflow": f"{_HERE}.workflow:workflow",
        "work": f"{_HERE}.work:work",
        "query": f"{_HERE}.query:query",
        "quality": f"{_HERE}.quality:quality",
        "check": f"{_HERE}.check:check",
        "recover": f"{_HERE}.recover:recover",
        "archive": f"{_HERE}.archive:archive",
        "rotate": f"{_HERE}.rotate:rotate",
        "log": f"{_HERE}.log:log",
        "export": f"{_HERE}.export:export",
        "import": f"{_HERE}.import_:import_",
        "migrate": f"{_HERE}.migrate:migrate",
        "mirror": f"{_HERE}.mirror:mirror",
        "config": f"{_HERE}.config:config",
        "mcp": f"{_HERE}.mcp:mcp",
    },
    example="mdcoord init && mdcoord task create 'Train model' --priority 5 && mdcoord status",
    epilog=(
        'Tab completion: put `eval "$(_MDCOORD_COMPLETE=bash_source mdcoord)"` into ~/.bashrc '
        "(zsh_source and fish_source for the others)."
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Coordinate agents, scripts and people through Markdown files in one git repository."""
