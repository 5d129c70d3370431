"""`mdcoord config`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mdcoord.errors import ConfigError
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.output import clean, json_line, note, put, table, write
from mdcoord.interfaces.cli.values import value_of

if TYPE_CHECKING:
    from mdcoord.config import Config
    from mdcoord.upkeep.configure import ConfigFile


@click.group(
    "config",
    cls=Group,
    invoke_without_command=True,
    members={"set": "mdcoord.interfaces.cli.config:change"},
    example="mdcoord config --show-origin",
)
@click.option("--show-origin", is_flag=True, help="Also where each of them is set.")
@click.option("--check", "checking", is_flag=True, help="Say all that is wrong; exit code 2 if something is.")
@click.option("--write", "writing", is_flag=True, help="Make the file, with every default explained.")
@click.pass_context
def config(ctx: click.Context, show_origin: bool, checking: bool, writing: bool) -> int:
    """Show the settings that are in force.

    With --write or --check, make their file (one that is there stays as it is) or check it.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    if show_origin + checking + writing > 1:
        raise click.UsageError("Use one of --show-origin, --check and --write.")
    call = ctx.find_object(Call) or Call()
    if checking:
        return _check(call)
    if writing:
        path = str(_file(call).write())
        put(call, {"path": path, "written": True}, f"made {path}")
    else:
        _show(call, show_origin)
    return 0


@verb("set", example="mdcoord config set coordination.claim_ttl 5m")
@click.argument("key")
@click.argument("value")
def change(call: Call, key: str, value: str) -> None:
    """Change a setting in the file. Comments and all else in it stay. The value null is the default again."""
    file = _file(call)
    now = file.set(key, value_of(value), typed=value)
    name = _names()[key]
    put(call, {"key": key, "value": getattr(now, name), "path": str(file.path)}, f"{key}: {_said(now, name)}")
    force = file.in_force(os.environ, lenient=True)
    if force.origin(name) != now.origin(name) and not call.json:
        note(f"({force.origin(name)} goes before it: {_said(force, name)})")


def _check(call: Call) -> int:
    problems = _file(call).problems(os.environ)
    if call.json:
        write("\n".join([json_line(problem.as_dict()) for problem in problems]))
    else:
        hints = (f"\n  hint: {clean(problem.hint)}" if problem.hint else "" for problem in problems)
        write("\n".join(clean(p.message) + hint for p, hint in zip(problems, hints, strict=True)))
        if not problems:
            note("nothing is wrong")
    return ConfigError.exit_code if problems else 0


def _show(call: Call, show_origin: bool) -> None:
    file = _file(call)
    settings = file.in_force(os.environ)  # also when the store cannot be reached
    names = _names()
    if call.json:
        values = {key: getattr(settings, name) for key, name in names.items()}
        both = {key: {"value": values[key], "origin": settings.origin(name)} for key, name in names.items()}
        put(call, both if show_origin else values, "")
        return
    columns = 3 if show_origin else 2
    heads = ("SETTING", "VALUE", "ORIGIN")
    rows = [(key, _said(settings, name), _origins(settings, name))[:columns] for key, name in names.items()]
    write(table(heads[:columns], rows))
    if place := file.lives_at():
        note(clean(f"(this workspace is at {place}, which it remembers by itself)"))
    for path, line, key in settings.unknown:
        note(f"({path}:{line}: {key} is no setting of mdcoord)")


def _file(call: Call) -> ConfigFile:
    from mdcoord.workspace import Workspace

    return Workspace.config_file(call.root)


def _names() -> dict[str, str]:
    """The name in `Config` of every key in the file."""
    from mdcoord.config import SETTINGS

    return {".".join(setting.keys): name for name, setting in SETTINGS.items()}


def _origins(settings: Config, name: str) -> str:
    """Where a setting was made, and the weaker places that say something else."""
    weaker = ", ".join(map(str, settings.overruled.get(name, ())))
    return settings.origin(name) + (f" (before {weaker})" if weaker else "")


def _said(settings: Config, name: str) -> str:
    """The value of a setting for people: of an address without its password."""
    from mdcoord.backends.addresses import shown
    from mdcoord.config import SETTINGS
    from mdcoord.config.kinds import Seconds
    from mdcoord.config.write import duration_text

    value = getattr(settings, name)
    if name == "redis_url":
        return shown(value)
    if isinstance(value, float):
        return duration_text(value) if isinstance(SETTINGS[name].kind, Seconds) else f"{value:g}"
    return "-" if value is None or value == () else cell([*value] if isinstance(value, tuple) else value)
