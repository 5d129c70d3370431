"""What a workflow is made of: phases of tasks, however they were written down."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from mdcoord.model import DEVICES, Value, normalise_name

_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class TaskDef:
    """A task of a workflow; for the meaning of the rest see `Tasks.create`.

    `id` names it within the workflow (None: the words of its title); `depends_on` and `conflicts_with` name
    other tasks of the workflow by their ids there, or any other task. With `allow_failure` the tasks that
    wait for it may start when it ended badly, too.
    """

    title: str
    id: str | None = None
    needs: Sequence[str] = ()
    priority: float = 0
    depends_on: Sequence[str] = ()
    conflicts_with: Sequence[str] = ()
    allow_failure: bool = False
    assign: str | None = None
    not_before: str | None = None
    project: str | None = None
    type: str | None = None
    instructions: str | None = None
    context: Sequence[Value] = ()
    acceptance: Sequence[Value] = ()
    retry_limit: int | None = None
    timeout: float | str | None = None
    ttl: float | str | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    body: str = ""

    @property
    def name(self) -> str:
        """The id within the workflow. Raises InvalidName."""
        return normalise_name(self.id) if self.id is not None else slug(self.title)


@dataclass(frozen=True, slots=True)
class Phase:
    """Tasks that may be done at the same time, once those of the phase before are completed.

    With `allow_failures` the next phase also starts when tasks of this one ended badly. A text among the
    tasks is a title.
    """

    name: str
    tasks: Sequence[TaskDef | str] = ()
    allow_failures: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """A workflow as it was written down. `where` names the file, for messages."""

    name: str
    phases: Sequence[Phase]
    title: str | None = None
    project: str | None = None
    where: str = ""


def slug(text: str) -> str:
    """A name made of the words of a text; that of a long, foreign or reserved one ends with a checksum."""
    words = "-".join(re.findall(r"[a-z0-9]+", text.lower()))
    if words and len(words) <= _LONGEST and text.isascii() and words not in DEVICES:
        return words
    digest = sha256(text.encode()).hexdigest()[:8]
    return f"{words[: _LONGEST - 9].strip('-')}-{digest}".lstrip("-")
