"""A claim in the hands of its holder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from mdcoord.errors import ClaimLost, MdcoordError, NotFound
from mdcoord.model import Value
from mdcoord.records import Task
from mdcoord.rules.leases import Claimant, Lease
from mdcoord.rules.standing import lease_of
from mdcoord.services.beater import SHARE, Beater


class Verbs(Protocol):
    """What the holder of a task may do; each renews the claim, and raises ClaimLost where there is none."""

    @property
    def heartbeat(self) -> Callable[..., Task]: ...
    @property
    def note(self) -> Callable[..., Task]: ...
    @property
    def complete(self) -> Callable[..., Task]: ...
    @property
    def fail(self) -> Callable[..., Task]: ...
    @property
    def release(self) -> Callable[..., Task]: ...


class Claim:
    """A task that is yours until `expires_at`, renewed by everything you write to it.

    As a context manager it is kept alive in the background, and ends with the block: by your verdict
    (`complete`, `fail`, `release`), else by release; an exception fails the task with its text, Ctrl-C and
    other exits release it. Leaving without a verdict when the claim is lost raises ClaimLost.

    `token` is the fencing token: it is refused once somebody else has the task. Pass it on to whatever else
    you write to. Safe to use from several threads.
    """

    def __init__(self, verbs: Verbs, task: Task, who: Claimant, pause: float, beater: Beater | None) -> None:
        lease = lease_of(task.record)
        holder = lease.holder if lease else None
        if lease is None or holder is None:
            raise ClaimLost(f"the claim on {task.key.name} is over", hint="claim a task again")
        self._verbs = verbs
        self._beater = beater
        self._lock = threading.Lock()
        self._who = {"agent": who.agent, "session": who.session, "token": holder.token}
        self._lost: ClaimLost | None = None
        self._ended = False
        self.task = task
        self.attempt = lease.attempt
        self.token = holder.token
        self.ttl = holder.ttl
        self.expires_at = holder.expires_at
        if beater:
            beater.add(self._beat, min(pause, holder.ttl / SHARE))

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def agent(self) -> str:
        """Who holds it."""
        return self._who["agent"]

    @property
    def session(self) -> str:
        """In which session."""
        return self._who["session"]

    @property
    def lost(self) -> bool:
        """Whether a write or a heartbeat found the claim lost. Long work should look at it now and then."""
        return self._lost is not None

    @property
    def over(self) -> bool:
        """Whether it is lost or was ended, by whomever: what is still done for it is in vain."""
        return self._ended or self._lost is not None

    def heartbeat(self) -> Task:
        """Renew the claim. Raises ClaimLost."""
        return self._do(self._verbs.heartbeat)

    def progress(self, value: float | None = None, /, *, log: str | None = None, **metadata: Value) -> Task:
        """Note how far the task is (0 to 1) and facts about it (`step=3500`). Raises ClaimLost."""
        return self.note(value, metadata, log=log)

    def note(self, value: float | None, facts: Mapping[str, Value], *, log: str | None = None) -> Task:
        """`progress`, with the facts as a mapping, whatever their names. Raises ClaimLost."""
        return self._do(self._verbs.note, value, facts, log)

    def complete(self, result: Value = None, *, op: str | None = None) -> Task:
        """End the task well; with `op`, repeating it after a lost answer is harmless.

        Raises ClaimLost, and NotAccepted or GateNotPassed for a task that must not be completed yet.
        """
        return self._end(self._verbs.complete, result=result, op=op)

    def fail(self, error: str, *, op: str | None = None) -> Task:
        """End this attempt badly.

        The task is pending again, or dead after its last attempt. Raises ClaimLost.
        """
        return self._end(self._verbs.fail, error, op=op)

    def release(self, *, reason: str | None = None, lacks: Sequence[str] = (), op: str | None = None) -> Task:
        """Give the task back; the attempt does not count against the retry limit.

        `reason` goes into its log, what its holder `lacks` among its needs. Raises ClaimLost.
        """
        return self._end(self._verbs.release, reason=reason, lacks=lacks, op=op)

    def abandon(self) -> None:
        """Stop renewing it, without a word to the store: it ends with its time, or with this process."""
        self._stop()

    def as_dict(self) -> dict[str, Value]:
        """The porcelain form: what `_claim` holds in `--json`."""
        return {
            "agent": self.agent,
            "session": self.session,
            "attempt": self.attempt,
            "token": self.token,
            "expires_at": self.expires_at,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended:
            return
        try:
            if isinstance(error, Exception):
                self.fail(f"{type(error).__name__}: {error}".rstrip(": "))
            else:
                self.release()
        except MdcoordError as second:
            if error is None:
                raise
            # What went wrong inside the block matters more than how the claim ended.
            if second is not error:
                error.add_note(f"and the claim could not be ended: {second}")
        finally:
            self._stop()

    def __repr__(self) -> str:
        lost = " lost" if self.lost else ""
        return f"<Claim {self.task.key.name} attempt {self.attempt} by {self.agent}{lost}>"

    def _end(self, verb: Callable[..., Task], *args: Any, **rest: Any) -> Task:
        task = self._do(verb, *args, **rest)
        self._ended = True
        self._stop()
        return task

    def _do(self, verb: Callable[..., Task], *args: Any, **rest: Any) -> Task:
        with self._lock:
            if self._lost:
                raise self._lost
            try:
                self.task = task = verb(self.task.id, *args, **rest, **self._who)
            except ClaimLost as error:
                self._lost = error
                raise
            except NotFound as error:
                self._lost = ClaimLost(
                    f"{self.task.key.name} is gone", hint="stop working on it", task=self.task.key.name
                )
                raise self._lost from error
            self._renewed(lease_of(task.record))
            return task

    def _beat(self) -> bool:
        """Renew in the background; whatever goes wrong but the loss itself may go well the next time."""
        if self._ended or self._lost:
            return False
        try:
            self.heartbeat()
        except Exception:
            return not (self._ended or self._lost)
        return True

    def _renewed(self, lease: Lease | None) -> None:
        if lease and lease.holder:
            self.expires_at = lease.holder.expires_at

    def _stop(self) -> None:
        self._ended = True
        if self._beater:
            self._beater.remove(self._beat)
