"""One task in the hands of a worker: its claim, the effort, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.errors import BackendUnavailable, Busy, ClaimLost, MdcoordError, NotDurable, NotFound
from mdcoord.host import timestamp
from mdcoord.model import Value
from mdcoord.records import Task
from mdcoord.rules.leases import OVERDUE
from mdcoord.rules.readiness import DONE, OPEN, UNDONE
from mdcoord.rules.standing import IN_PROGRESS, timeout_of
from mdcoord.services.claim import Claim
from mdcoord.services.desk import Desk
from mdcoord.services.env import Env
from mdcoord.services.work import Failed, GiveBack, Work

COMPLETED: Final = "completed"
FAILED: Final = "failed"
RELEASED: Final = "released"
LOST: Final = "lost"

KILL_AFTER: Final = 3.0
"""Seconds between the request to end and the end. A container's or a service's stop allows ten in all."""

_STOPPED: Final = "its worker was stopped"

_LOOK: Final = 1.0
"""Seconds between two looks whether the claim still stands; its heartbeats are much rarer."""

_UNDYING: Final = 2.0
"""Seconds after which what was made to end and did not is left to itself."""

_PATIENCE: Final = (0.1, 0.3, 1.0, 3.0)
"""Seconds between tries to write down an outcome. A claim that stays unwritten would have its work redone."""


_LONGEST_ERROR: Final = 10_000
"""Characters of the text of an error."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker's claim ended: `completed`, `failed`, `released`, or `lost` to somebody else.

    `task` is as it was last read, `seconds` how long it took, `error` what went wrong.
    """

    task: Task
    attempt: int
    verdict: str
    seconds: float
    error: str = ""

    @property
    def again(self) -> str | None:
        """When the task may be tried again, where it waits for a time."""
        waits = self.verdict in (FAILED, RELEASED) and self.task.status in OPEN
        return self.task.not_before if waits else None

    def as_dict(self) -> dict[str, Value]:
        """The porcelain form."""
        facts: dict[str, Value] = {
            "_id": self.task.id,
            "title": self.task.title,
            "outcome": self.verdict,
            "status": self.task.status,
            "attempt": self.attempt,
            "seconds": round(self.seconds, 3),
        }
        if self.verdict == COMPLETED and self.task.result is not None:
            facts["result"] = self.task.result
        if self.again:
            facts["not_before"] = self.again
        return {**facts, "error": self.error} if self.error else facts


class Job:
    """Works on one task, in a thread of its own. `start`, `watch` and `end` belong to the worker's thread.

    `outcome` is there when the claim is over; the thread may still be `running` then, a plain function that
    cannot be made to end.
    """

    def __init__(self, claim: Claim, work: Work, desk: Desk, env: Env, ended: Callable[[], None]) -> None:
        self.outcome: Outcome | None = None
        self.running = True
        self._claim = claim
        self._desk = desk
        self._env = env
        self._ended = ended
        self._effort = work.begin(claim, desk)
        self._thread = threading.Thread(target=self._run, name=f"mdcoord-{claim.id}", daemon=True)
        self._lock = threading.Lock()
        self._settled = self._finished = False
        self._reason: str | None = None
        self._hard = False
        self._begun = self._looked = time.monotonic()
        self._started = claim.task.started_at or ""
        self._timeout = timeout_of(claim.task.fields, env.rules)
        self._next = float("inf") if self._timeout is None else self._begun + _shortly_before(self._timeout)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def watch(self) -> None:
        """See whether the claim still stands and has time left, and make end what did not end when asked."""
        if self._settled:
            return
        now = time.monotonic()
        if self._reason is None and now - self._looked >= _LOOK:
            self._looked = now
            self._look()
        if self._reason is None and self._claim.lost and not self._finished:
            self.end(LOST)
        elif now < self._next:
            return
        elif self._reason is None:
            self.end(OVERDUE)
        elif not self._hard:
            self.end(self._reason, hard=True)
        else:
            self._settle(None)

    def stop(self, *, hard: bool = False) -> None:
        """End it, and give the task back."""
        self.end(_STOPPED, hard=hard)

    def end(self, reason: str, *, hard: bool = False) -> None:
        """Ask the work to end, for the first reason that is given, with `hard` make it."""
        with self._lock:
            if self._settled or (self._reason and (self._hard or not hard)):
                return
            self._reason, self._hard = self._reason or reason, hard
        self._next = time.monotonic() + (_UNDYING if hard else KILL_AFTER)
        if not self._effort.interrupt(hard=hard):
            self._settle(None)

    def _run(self) -> None:
        end: Callable[[], tuple[str, str]]
        try:
            result = self._effort.run()
        except GiveBack as wish:
            end = _bound(self._give_back, wish)
        except BaseException as error:  # whatever it is, it must not keep the claim
            end = _bound(self._fail, _described(error))
        else:
            end = _bound(self._complete, result)
        self._settle(end)
        self.running = False
        self._ended()

    def _settle(self, end: Callable[[], tuple[str, str]] | None) -> None:
        """Write down how it ended: as the effort says (`end`), unless there was a reason to end it."""
        with self._lock:
            if self._settled:
                return
            self._settled, reason = True, self._reason
        error = ""
        try:
            if reason == LOST:
                verdict, error = self._after_loss("")
            elif reason == OVERDUE:
                verdict, error = self._fail(f"{OVERDUE} of {self._timeout:g} s")
            elif reason or end is None:
                verdict, error = self._write(RELEASED, self._claim.release, reason=reason)
            else:
                verdict, error = end()
        except Exception as problem:  # without an outcome the worker would wait for ever
            verdict, error = LOST, f"its outcome could not be written down: {_described(problem)}"
        if not self._claim.over:
            self._claim.abandon()
        seconds = time.monotonic() - self._begun
        self.outcome = Outcome(self._claim.task, self._claim.attempt, verdict, seconds, error)

    def _complete(self, result: Value) -> tuple[str, str]:
        try:
            return self._write(COMPLETED, self._claim.complete, result)
        except Exception as error:
            # No JSON, too long, a criterion that is not met: trying once more changes nothing.
            return self._fail(_described(error))

    def _fail(self, error: str) -> tuple[str, str]:
        error = error[:_LONGEST_ERROR].encode("utf-8", "replace").decode()
        verdict, problem = self._write(FAILED, self._claim.fail, error)
        return verdict, problem or (error if verdict == FAILED else "")

    def _give_back(self, wish: GiveBack) -> tuple[str, str]:
        if not wish.lacks and not self._claim.over:
            self._postpone()
        given: dict[str, Any] = {"reason": wish.reason or None, "lacks": wish.lacks}
        verdict, problem = self._write(RELEASED, self._claim.release, **given)
        return verdict, problem or wish.reason

    def _postpone(self) -> None:
        """Leave the task alone for a while, or this worker would take it again at once, and so on."""
        given_back = self._claim.task.get("excused")
        times = given_back + 1 if isinstance(given_back, int) else 1
        pause = self._env.rules.backoff.delay(times, self._env.host.chance())
        try:
            self._desk.tasks.update(self._claim.id, {"not_before": timestamp(self._env.host.now() + pause)})
        except MdcoordError:
            pass  # it is given back all the same

    def _write(self, verdict: str, verb: Callable[..., Task], *given: Any, **rest: Any) -> tuple[str, str]:
        """End the claim, again and again where the store is busy or not there, and say what came of it."""
        if self._claim.lost:
            return self._after_loss("")
        if self._claim.over:
            return self._meaning(self._claim.task), ""  # a function may end its claim itself
        for pause in (*(() if self._hard else _PATIENCE), None):
            try:
                verb(*given, **rest, op=self._claim.token)
            except ClaimLost as error:
                return self._after_loss(error.message)
            except NotDurable:
                continue  # it is done and visible; asked once more, the store says so
            except (Busy, BackendUnavailable):
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                break
        return verdict, ""

    def _after_loss(self, error: str) -> tuple[str, str]:
        """What became of a claim that this worker did not end: its command may have done so itself."""
        try:
            task = self._desk.tasks.get(self._claim.id)
        except MdcoordError as problem:
            return LOST, error or problem.message
        lease, taken = task.record.lease, self._noted(task) == "lost"
        if lease is None or lease.attempt != self._claim.attempt or lease.holder or taken:
            return LOST, error or "somebody else has it, or it was set to another status"
        self._claim.task = task
        return self._meaning(task), ""

    def _meaning(self, task: Task) -> str:
        """What a task says about this attempt, which has ended."""
        if task.status in DONE:
            return COMPLETED
        return FAILED if task.status in UNDONE or self._noted(task) == "failed" else RELEASED

    def _noted(self, task: Task) -> str | None:
        """How this attempt ended by the last line of the task's log (see `lifecycle`), if it is about it."""
        last = task.logs[-1] if task.logs else None
        if not isinstance(last, dict) or str(last.get("at")) < self._started:
            return None
        return last.get("outcome")

    def _look(self) -> None:
        try:
            task = self._desk.tasks.get(self._claim.id)
        except NotFound:
            pass
        except MdcoordError:
            return  # perhaps somebody is just saving it
        else:
            lease, holder = task.record.lease, task.holder
            if holder and holder.token == self._claim.token and task.status == IN_PROGRESS:
                return
            if lease and lease.attempt == self._claim.attempt and not holder and task.status in DONE:
                self._finished = True  # by its own command, which may say goodbye
                return
        try:
            self._claim.heartbeat()
        except MdcoordError:
            pass  # the claim knows now whether it is lost


def _shortly_before(timeout: float) -> float:
    """When to ask the work to end, so that it is over at the moment when others may take the task."""
    return timeout - min(KILL_AFTER, timeout / 10)


def _described(error: BaseException) -> str:
    if isinstance(error, MdcoordError):
        return error.message
    return str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}".rstrip(": ")


def _bound(verb: Callable[[Any], tuple[str, str]], given: Any) -> Callable[[], tuple[str, str]]:
    return lambda: verb(given)
