"""Taking in the files of a folder that is no workspace any more: the mirror of one whose server was lost."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mdcoord._version import __version__
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.errors import NotFound
from mdcoord.host import Host
from mdcoord.layout import looks_used
from mdcoord.moving.export import Export, kinds_of
from mdcoord.moving.importing import Import, Imported
from mdcoord.moving.stream import Header


def import_folder(folder: Path, target: Import, host: Host) -> Imported:
    """Import all documents and events in a folder, and those in its archive; nothing in it is changed.

    Claims and the places of consumers are not in its files: who has a task is only told by its fields.
    Raises NotFound for a folder without such files.
    """
    if not looks_used(folder):
        raise NotFound(
            f"there are no files of a workspace in {folder}",
            hint="name the one that has task-….md in it, or use --from for what other programs wrote",
        )
    with ExitStack() as stack:
        # What its own state remembers was true at another time, and may be about another store.
        state = stack.enter_context(TemporaryDirectory())
        files = stack.enter_context(MarkdownBackend(folder, state=state, durability="none", elsewhere=True))
        head = Header(files.name, files.location, host.stamp(), kinds_of(()), True, __version__)
        export = Export(files, head, (), host)
        found = target.run(export, str(folder))
    return replace(found, left_out=tuple(sorted(one.path for one in export.left_out)))
