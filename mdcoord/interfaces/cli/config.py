"""`mdcoord config`."""

from __future__ import annotations

from typing import Any

import click

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.output import note, put, table, write


@verb("config", example="mdcoord config --show-origin")
@click.option("--show-origin", is_flag=True, help="Also where each of them is set.")
def config(call: Call, show_origin: bool) -> None:
    """Show the settings that are in force."""
    from mdcoord.config import SETTINGS

    settings = call.workspace().config
    values = {".".join(setting.keys): getattr(settings, name) for name, setting in SETTINGS.items()}
    origins = {".".join(setting.keys): settings.origin(name) for name, setting in SETTINGS.items()}
    if call.json:
        both = {key: {"value": value, "origin": origins[key]} for key, value in values.items()}
        put(call, both if show_origin else values, "")
        return
    columns = 3 if show_origin else 2
    heads = ("SETTING", "VALUE", "ORIGIN")
    rows = [(key, _shown(value), origins[key])[:columns] for key, value in values.items()]
    write(table(heads[:columns], rows))
    for path, line, key in settings.unknown:
        note(f"({path}:{line}: {key} is no setting of mdcoord)")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}s"
    return (
        "-" if value is None or value in ((), {}) else cell([*value] if isinstance(value, tuple) else value)
    )
