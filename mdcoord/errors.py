"""Every error that mdcoord raises: a sentence, a code for programs, an exit code and the next safe step.

Grouped by what the caller can do about them. `message` says what happened and where; `hint` says what to do
next and never names a command that could destroy data. Extra facts (path, line, holder …) are in `details`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MdcoordError(Exception):
    """Base of all errors; catch it to catch everything that mdcoord raises on purpose."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def as_dict(self) -> dict[str, Any]:
        """The porcelain form: what `--json` prints on stderr."""
        return {"error": self.code, "message": self.message, "hint": self.hint, **self.details}


class UsageError(MdcoordError):
    """The call itself is wrong: a bad name, option or value. Nothing was touched."""

    code, exit_code = "usage", 2


class InvalidName(UsageError):
    """A name that cannot be a file name of a workspace."""

    code = "invalid_name"


class QueryError(UsageError):
    """A query that cannot be understood; `details` has `position` (0-based) in the query's text."""

    code = "invalid_query"


class ConfigError(UsageError):
    """A configuration value of the wrong type or out of range; `details` has `path` and `line`."""

    code = "invalid_config"


class NotFound(MdcoordError):
    """No such document, workspace, channel or archive entry."""

    code, exit_code = "not_found", 3


class Conflict(MdcoordError):
    """The document is not in the version that the write relied on. Read it again and decide anew."""

    code, exit_code, retryable = "conflict", 4, True


class AlreadyExists(Conflict):
    """A create found the name taken."""

    code, retryable = "already_exists", False


class NotReady(Conflict):
    """A named task cannot be claimed now; `details` has `reasons`."""

    code, retryable = "not_ready", False


class GateNotPassed(Conflict):
    """A task that needs the quality gate has not passed it in its present attempt.

    `details` has the `verdict`, None where it was not checked. The claim stands.
    """

    code, retryable = "gate_not_passed", False


class NotAccepted(Conflict):
    """A task cannot be completed: not all of its acceptance criteria are met; `details` has `open`.

    These are their numbers. The claim stands.
    """

    code, retryable = "not_accepted", False


class ClaimLost(MdcoordError):
    """The claim that the caller relies on is not (or no longer) its own. Stop working on the task."""

    code, exit_code = "claim_lost", 4


class NothingReady(MdcoordError):
    """No task can be claimed right now by this agent."""

    code, exit_code, retryable = "nothing_ready", 5, True


class Busy(MdcoordError):
    """A lock was not free within its bounded wait; `details` names the holder. Nothing was changed."""

    code, exit_code, retryable = "busy", 6, True


class TimedOut(MdcoordError):
    """What was waited for did not happen in time. Nothing was changed."""

    code, exit_code, retryable = "timeout", 6, True


class InvalidDocument(MdcoordError):
    """A file that cannot be read as a document; `details` has `path`, `line`, `column`.

    It is left as it is.
    """

    code, exit_code = "invalid_document", 7


class TemplateFailed(MdcoordError):
    """A template is wrong; `details` has the template's `path` and `line`.

    The document was left as it was.
    """

    code = "template_failed"


class BackendUnavailable(MdcoordError):
    """The store cannot be reached or cannot do this (unsafe path, full disk, missing permission)."""

    code, exit_code, retryable = "backend_unavailable", 8, True


class Moved(BackendUnavailable):
    """The workspace lives elsewhere now, and nothing was done here. Whoever opens it by its root follows.

    `place` opens it and may hold a password, so it is not among the `details`.
    """

    code, retryable = "moved", False

    def __init__(self, place: str, shown: str) -> None:
        super().__init__(
            f"the workspace has moved to {shown}",
            hint="open it there, or by its root, which knows where it is",
            location=shown,
        )
        self.place = place


class DataMissing(BackendUnavailable):
    """A server has not the data of the workspace: it lost them, or is another one. Nothing was done."""

    code, retryable = "data_missing", False


class NotDurable(MdcoordError):
    """The write is done and visible, but its last step failed: it may not survive a power cut."""

    code, exit_code = "not_durable", 9
