"""`mdcoord quality`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import named, token_option, words
from mdcoord.interfaces.cli.output import put, table, uncontrolled

_HERE = "mdcoord.interfaces.cli.quality"


@click.group(
    "quality",
    cls=Group,
    members={"run": f"{_HERE}:run", "show": f"{_HERE}:show"},
    example="mdcoord quality run --base main",
)
def quality() -> None:
    """Check style, types, tests, security and complexity."""


@verb("run", example="mdcoord quality run --only lint,types --base main")
@click.argument("files", nargs=-1)
@click.option("--task", metavar="ID", help="For this task of yours; its report allows to complete it.")
@click.option("--only", multiple=True, metavar="CHECK,…", help="lint, types, tests, security, complexity.")
@click.option("--base", metavar="REF", help="Also what was committed since this branch or commit.")
@token_option
def run(
    call: Call,
    files: tuple[str, ...],
    task: str | None,
    only: tuple[str, ...],
    base: str | None,
    token: str | None,
) -> int:
    """Run all checks at once on the changed files, and record the report. Exit code 1 if one failed.

    The commands are those of the configuration; auto_detect finds them from the project's files and the
    tools installed. What cannot be run is told as skipped. Without a changed file, or without git, the whole
    project is checked.
    """
    from mdcoord.services.report import FAILED, shown

    gate = call.workspace().quality
    report = gate.run(files, task=task, only=words(only), base=base, token=token)
    put(call, report.as_dict(), lambda: _text(shown(report)))
    return 1 if report.verdict == FAILED else 0


@verb("show", example="mdcoord quality show train")
@named("task", "task", required=False)
def show(call: Call, task: str | None) -> None:
    """Show the last report, of a task or of the project."""
    found = call.workspace().quality.show(task)
    put(call, found.as_dict(), lambda: _text(found.data))


def _text(data: Mapping[str, Any]) -> str:
    """A report for a person: what was looked at, each check, and what the failed ones printed."""
    files, checks, outputs = data.get("files"), data.get("checks"), data.get("output")
    seen = f"{files} changed file{'' if files == 1 else 's'}" if isinstance(files, int) else str(files)
    parts = [f"{data.get('verdict')}: {seen}, {data.get('duration_sec', 0):.1f} s"]
    if isinstance(checks, list):
        parts.append(table(("CHECK", "STATUS", "TIME", "COMMAND", "NOTE"), [_row(check) for check in checks]))
    for name, text in outputs.items() if isinstance(outputs, dict) else ():
        lines = [f"  {uncontrolled(line)}".rstrip() for line in str(text).split("\n")]
        parts.append("\n".join([f"{name}:", *lines]))
    return "\n\n".join(parts)


def _row(check: Any) -> tuple[str, ...]:
    facts = check if isinstance(check, dict) else {}
    seconds = facts.get("duration_sec")
    return (
        str(facts.get("check", "")),
        str(facts.get("status", "")),
        f"{seconds:.1f}s" if isinstance(seconds, int | float) and seconds else "",
        str(facts.get("command", "")),
        str(facts.get("note", "")),
    )
