"""`mdcoord export`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from mdcoord.errors import BackendUnavailable, InvalidDocument
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import words
from mdcoord.interfaces.cli.output import note, put
from mdcoord.interfaces.cli.warning import located, notice

if TYPE_CHECKING:
    from mdcoord.moving.export import Export


@verb("export", example="mdcoord export backup.jsonl && mdcoord import backup.jsonl --dry-run")
@click.argument("file", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind; may be repeated.")
@click.option("--archive", is_flag=True, help="Also what is in the archive.")
def export(call: Call, file: str, kinds: tuple[str, ...], archive: bool) -> int:
    """Write everything as lines of JSON, to FILE or to stdout.

    Documents with their exact text, their fields and their claims, events in their order, and where
    consumers are. `mdcoord import` reads it into any workspace. The last line counts the others, so that a
    file that was cut off is noticed. Exit code 7 when a file is no text and was left out.
    """
    found = call.workspace().export(words(kinds), archive=archive)
    if file == "-":
        _print(found)
        note(f"exported {said(found.counts)}")
    else:
        _save(found, file)
        facts = {"file": file, "counts": dict(found.counts)}
        put(call, facts, f"exported {said(found.counts)} to {file}")
    for one in found.left_out:
        text = f"left out: {located(one.path, one.line, one.message)}"
        notice(call, InvalidDocument.code, text, path=one.path, message=one.message, hint=one.hint)
    return InvalidDocument.exit_code if found.left_out else 0


def said(counts: Mapping[str, int]) -> str:
    """`2 tasks, 1 agent`; `nothing`."""
    names = [f"{count} {_plural(kind, count)}" for kind, count in sorted(counts.items()) if count]
    return ", ".join(names) or "nothing"


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 or kind in ("metrics", "progress") else kind + "s"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.buffer.write(_encoded(line))
    sys.stdout.buffer.flush()


def _save(lines: Export, file: str) -> None:
    """Write a file; one that is there is replaced when the new one is complete. Raises BackendUnavailable."""
    device = os.path.exists(file) and not os.path.isfile(file)  # a pipe, for example, or /dev/null
    part = file if device else f"{file}.part"
    try:
        with open(part, "wb") as target:
            target.writelines(map(_encoded, lines))
            if not device:
                target.flush()
                os.fsync(target.fileno())
        if not device:
            os.replace(part, file)
    except OSError as error:
        raise BackendUnavailable(
            f"{file} cannot be written: {error.strerror}",
            hint="name another file, or - for stdout",
            path=file,
        ) from None
    finally:
        if not device and os.path.exists(part):
            os.unlink(part)


def _encoded(line: str) -> bytes:
    return line.encode("utf-8", "surrogatepass")
