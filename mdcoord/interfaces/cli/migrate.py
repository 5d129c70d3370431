"""`mdcoord migrate`: to a server, and back into the files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mdcoord.errors import Conflict, InvalidDocument
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.export import said
from mdcoord.interfaces.cli.output import clean, note, put
from mdcoord.interfaces.cli.warning import notice

if TYPE_CHECKING:
    from mdcoord.moving.transfer import Tell
    from mdcoord.upkeep.migrate import Migrated

_HERE = "mdcoord.interfaces.cli.migrate"


@click.group(
    "migrate",
    cls=Group,
    members={"redis": f"{_HERE}:redis", "markdown": f"{_HERE}:markdown"},
    example="mdcoord migrate redis redis://localhost:6379/0 --dry-run",
)
def migrate() -> None:
    """Move the workspace to a Redis server, or back into its files.

    Everybody may go on working: who is in the middle of a task goes along. A move that was cut off is gone on
    with by doing it again; until its end, all is where it was.
    """


@verb("redis", example="mdcoord migrate redis redis://localhost:6379/0 --prefix team: --dry-run")
@click.argument("url", required=False)
@click.option("--prefix", metavar="TEXT", help="What all keys begin with, where others use the server, too.")
@click.option("--archive", is_flag=True, help="Also archived documents; without, they stay in files.")
@click.option("--keep", is_flag=True, help="Leave the files where they are; nobody reads them any more.")
@click.option("--dry-run", is_flag=True, help="Only say what would move.")
@click.option(
    "--layout",
    type=click.Choice(["hash", "json", "string"]),
    help="Move nothing: only copy the fields of all records to keys of this type, for other programs.",
)
def redis(call: Call, url: str | None, prefix: str | None, layout: str | None, **how: bool) -> int:
    """Move the workspace to the Redis or Valkey server at URL.

    It may be in its files, or on another server. URL is redis://, rediss:// or unix://; without it the
    configured one. When all has been copied and compared, the files go to archive/pre-redis/. Exit code 7
    when a file is no text and stays. With --layout a key that somebody else made stays as it is (exit
    code 4).
    """
    if layout is not None:
        return _copy(call, _prefixed(url or _configured(call), prefix or ""), layout, **how)
    return _migrate(call, _prefixed(url or _configured(call), prefix) if prefix else url or "redis", **how)


@verb("markdown", example="mdcoord migrate markdown --dry-run")
@click.option("--dry-run", is_flag=True, help="Only say what would move.")
def markdown(call: Call, dry_run: bool) -> int:
    """Bring the workspace back into its files.

    The files are byte for byte as they were, or would be now. What is on the server stays there, and is read
    by nobody any more.
    """
    return _migrate(call, "markdown", dry_run=dry_run)


def _copy(call: Call, url: str, layout: str, **how: bool) -> int:
    if any(how.values()):
        raise click.UsageError("--layout moves nothing: leave out --archive, --keep and --dry-run.")
    found = call.workspace().copy_plain(url, layout)
    facts = {"layout": layout, "counts": dict(found.counts), "left": list(found.left)}
    put(call, facts, f"{said(found.counts)} copied")
    for name in found.left:
        notice(call, Conflict.code, f"left: somebody else made the key {name}", name=name)
    return Conflict.exit_code if found.left else 0


def _migrate(call: Call, place: str, **how: bool) -> int:
    from mdcoord.workspace import Workspace

    with _bar(call) as tell:
        found = Workspace.migrate(place, call.root, tell=tell, **how)
    put(call, found.as_dict(), clean(_text(found)))
    if not call.json:
        _explain(found)
    for path in found.left_out:
        notice(call, InvalidDocument.code, f"left where it is, as it is no text: {path}", path=path)
    return InvalidDocument.exit_code if found.left_out else 0


def _text(found: Migrated) -> str:
    if found.already:
        return f"the workspace lives in {found.target} already"
    verb = "would move" if found.dry_run else "moved"
    return f"{said(found.counts)} {verb} to {found.target}"


def _explain(found: Migrated) -> None:
    if found.archived:
        files = "1 file is" if found.archived == 1 else f"{found.archived} files are"
        note(f"({files} in archive/pre-redis/, a backup that nobody reads: delete it when you like)")
    for name in found.set_aside:
        note(clean(f"(saved in the old place after the move, and put aside: {name})"))
    if "://" in found.source and not (found.already or found.dry_run):
        note(clean(f"(the workspace's keys in {found.source} stay there, and are not used any more)"))
    if found.notice:
        note(clean(f"mdcoord: {found.notice}"))


def _prefixed(url: str, prefix: str) -> str:
    from mdcoord.backends.redis.address import with_prefix

    return with_prefix(url, prefix) if prefix else url


def _configured(call: Call) -> str:
    from mdcoord.backends.opening import redis_url
    from mdcoord.workspace import Workspace

    return redis_url(Workspace.config_file(call.root).in_force(os.environ, lenient=True), os.environ)


@contextmanager
def _bar(call: Call) -> Iterator[Tell | None]:
    """On a terminal a line that shows how far it is. No thread draws it: beside one no move would fork."""
    if call.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        lines: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in lines:
                lines[what] = progress.add_task(what)
            progress.update(lines[what], completed=done, total=total or None, refresh=True)

        yield tell
