"""Templates: `<name>.md.j2` makes the content of the view `name` from a document's front matter.

A workspace's own templates come first, then the packaged ones. Templates are Jinja's, in its sandbox; what
they print goes through `markdown.one_line` unless a filter made Markdown of it: no value becomes structure.

Templates are code of the repository and trusted like it: the sandbox and the bounds (an output of 1 MiB,
100,000 steps of `range`) stop accidents, not an author who wants to keep the processor busy.

Jinja is imported only for a template that a workspace overrides or adds (see `packaged`), and nothing else
that renders before something is rendered: most commands only read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from mdcoord.errors import TemplateFailed

if TYPE_CHECKING:
    from mdcoord.formats.sandbox import Sandbox

MAX_TEMPLATE_BYTES: Final = 256 * 1024

_NAME = r"[a-z0-9][a-z0-9._-]*"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def packaged_folder() -> str:
    """The folder of the packaged templates: in the installed package, else beside it in a source checkout."""
    installed = os.path.join(_PACKAGE, "templates")
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(_PACKAGE), "templates")


class Templates:
    """The templates that a workspace sees. Files that change are noticed; keep an instance for ever."""

    def __init__(self, search: Sequence[str] = ()) -> None:
        """`search`: folders of the workspace's own templates, the first one wins; they need not exist."""
        self._search = tuple(search)
        self._sandbox: Sandbox | None = None

    def overridden(self, name: str) -> bool:
        """Whether the workspace has a template of its own for this view."""
        # On the path of every write: access(2) is half the price of what os.path.exists does.
        return any(os.access(f"{folder}/{name}.md.j2", os.F_OK) for folder in self._search)

    def has(self, name: str) -> bool:
        """Whether there is a template for this view."""
        from mdcoord.formats.packaged import PACKAGED

        return name in PACKAGED or bool(re.fullmatch(_NAME, name) and self.overridden(name))

    def render(self, name: str, fields: Mapping[str, Any]) -> str:
        """The content of view `name`: lines that all end in a line feed. Raises TemplateFailed."""
        from mdcoord.formats import packaged

        if name in packaged.PACKAGED and not self.overridden(name):
            return packaged.render(name, fields)
        if self._sandbox is None:
            from mdcoord.formats.sandbox import Sandbox

            self._sandbox = Sandbox(self.source)
        return self._sandbox.view(f"{name}.md.j2", context(fields))

    def source(self, file_name: str) -> tuple[str, str]:
        """Path and text of the template in effect. Raises TemplateFailed when there is none to read."""
        if re.fullmatch(_NAME, file_name):
            for folder in (*self._search, packaged_folder()):
                path = os.path.join(folder, file_name)
                if os.access(path, os.F_OK):
                    return path, _read(path)
        raise TemplateFailed(
            f"there is no template {file_name!r}",
            hint="put it into the workspace's templates folder; a name has a-z, 0-9, '.', '_' and '-'",
            path=file_name,
            line=1,
        )


def context(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a template sees: every field of the format (None where missing), the other keys, and `fields`.

    Fields that hold lists and mappings hold them here whatever a person wrote: templates rely on it.
    """
    from mdcoord.formats.derived import listed, mapping, rows

    seen = dict.fromkeys(_KNOWN) | dict(fields)
    for shape, names in ((mapping, _MAPPINGS), (rows, _ROWS), (listed, _LISTS)):
        seen.update((name, shape(seen[name])) for name in names)
    seen["fields"] = dict(fields)
    return seen


_MAPPINGS = ("metadata", "metrics", "circuit_breaker", "data", "values")
_ROWS = ("active_tasks", "recent_completions", "logs", "acks", "phases")
_LISTS = ("acceptance", "blockers", "context", "depends_on", "dependencies", "next_steps", "samples")
_FIELDS_OF_THE_FORMAT = """
    schema title type status created_at last_updated notes
    task_id project_id priority assigned_agent needs depends_on conflicts_with declined_by not_before
    attempt retry_limit excused timeout ttl idempotency_key
    assigned_at started_at updated_at completed_at eta progress duration_sec remaining_sec metadata
    instructions context acceptance next_steps logs result error
    agent_id agent_type capabilities specializations host pid session registered_at last_heartbeat
    max_concurrent_tasks metrics active_tasks recent_completions circuit_breaker
    channel context_id domain created_by data dependencies metrics_type values samples
    message_id subject description from to in_reply_to acks phase steps_done steps_total blockers phases
"""
_KNOWN = _FIELDS_OF_THE_FORMAT.split()


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_TEMPLATE_BYTES + 1)
        if len(data) <= MAX_TEMPLATE_BYTES:
            return data.decode("utf-8-sig")
        problem = f"it has more than {MAX_TEMPLATE_BYTES // 1024} KiB"
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 (byte {error.start})"
    except OSError as error:
        problem = error.strerror or str(error)
    raise TemplateFailed(f"cannot read the template {path}: {problem}", hint=_HINT, path=path, line=1)


_HINT = "correct the template, or rename it so that the packaged one is used"
