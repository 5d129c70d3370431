"""Where a workspace lives: remembered in the state folder of its root, and looked at by everybody.

A workspace that was moved to another store leaves its root's state folder behind, with the file `home` that
says where it is now. Whoever still works on the files finds that out here: a write is refused before it has
begun, a read before its answer counts.

Moving needs a moment in which nobody writes. A lock that every write shares would cost each of them an open
file; so a write only looks at the file `home`, while it holds the lock of its document. Who moves says in
that file that he is about to, and then takes every lock there is once: a write that did not see it has ended
by then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, Protocol, Self, TypeVar

from mdcoord.backends.addresses import moved_to
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.flock import Lock
from mdcoord.backends.markdown.oserrors import unavailable
from mdcoord.errors import BackendUnavailable, Busy

HERE: Final = "markdown"
"""The place of a workspace that lives in its files."""

MOMENT: Final = 0.2
"""Seconds in which the forks of a process that was killed let go of its lock."""

Sign = tuple[int, int, int] | None
"""Time of change, inode and size of the file; None: there is none."""


class Said(NamedTuple):
    """What the file says: a place ("": nothing is remembered), why, and whether somebody is about to move.

    `since` is the moment at which the last write here had ended, as the file system stamps changes
    (nanoseconds); 0 where nobody has moved away.
    """

    place: str = ""
    reason: str = ""
    closing: bool = False
    since: int = 0


class Home:
    """Where one workspace lives. Cheap to ask; safe to share between threads.

    `name` is the backend's whose home it is. With `ignored` nobody is refused: for the store that a workspace
    is being moved to.
    """

    def __init__(self, files: FileIO, name: str = HERE, *, ignored: bool = False) -> None:
        self._files = files
        self._name = name
        self._ignored = ignored
        self._path = os.path.join(files.state, "home")
        self._lock = os.path.join(files.state, "home.lock")
        self._seen: tuple[Sign, Said] = (None, Said())

    @classmethod
    def of(cls, state: str | os.PathLike[str]) -> Self:
        """The home that a state folder remembers."""
        return cls(FileIO("", os.fspath(state)))

    def place(self) -> str:
        """The place, as `backends.opening` understands it; "" when none is remembered.

        It may hold a password: see `addresses.shown`. Raises BackendUnavailable.
        """
        return self._look().place

    def reason(self) -> str:
        """Why it lives there, as far as that was remembered. Raises BackendUnavailable."""
        return self._look().reason

    def remember(self, place: str, reason: str = "") -> None:
        """Say where the workspace lives from now on, and why. Raises BackendUnavailable, NotDurable."""
        self._say(Said(place, reason, since=self._look().since if place != self._name else 0))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who moves or mirrors the workspace, from the first copy on. Raises Busy."""
        self._files.prepare()
        with ExitStack() as stack:
            try:
                stack.enter_context(Lock(os.path.join(self._files.state, "migration.lock"), "home", MOMENT))
            except Busy:
                raise Busy(
                    "another process moves or mirrors this workspace",
                    hint="wait until it has moved, or end the mirror (`mdcoord status` says where it is)",
                ) from None
            yield

    def since(self) -> int:
        """What was changed later than this (a change time in nanoseconds) was changed after the move."""
        return self._look().since

    def leave(self, place: str) -> None:
        """See `base.Gate`."""
        self._say(Said(place, since=os.stat(self._path).st_ctime_ns))

    def keep(self) -> None:
        """Nothing to do: the move lasts as long as its process."""

    def require_here(self) -> None:
        """Raise Moved when the workspace lives elsewhere."""
        self._require_here(self._look())

    def _require_here(self, said: Said) -> None:
        if said.place and said.place.partition(":")[0] != self._name and not self._ignored:
            raise moved_to(said.place)

    def writable(self) -> bool:
        """Whether who holds the lock of a document may write it now; not while somebody moves the workspace.

        Raises Moved.
        """
        said = self._look()
        self._require_here(said)
        return not said.closing or self._ignored or self._opened_again()

    @contextmanager
    def closed(self, wait: float) -> Iterator[Self]:
        """Keep everybody from writing until the end; then `remember` may have said where to go on.

        Ends also when this process is killed. Waits up to `wait` seconds for each write that has begun.
        Raises Busy, Moved.
        """
        with Lock(self._lock, "the move of the workspace", wait):
            self.require_here()
            before = self._look()
            self._say(before._replace(closing=True))
            try:
                for name in self._files.locked_names():
                    with Lock(self._files.lock_path(name), name, wait):
                        pass
                self._say(before._replace(closing=True))  # so that its stamp tells when all had ended
                yield self
            finally:
                if self._look().closing:
                    self._say(before)

    def _opened_again(self) -> bool:
        """Whether nobody is moving the workspace any more: who began to was killed."""
        try:
            with Lock(self._lock, "the move of the workspace", 0):
                said = self._look()
                if said.closing:
                    self._say(said._replace(closing=False))
        except Busy:
            return False
        self.require_here()
        return True

    def _look(self) -> Said:
        try:
            info = os.stat(self._path)
            sign: Sign = (info.st_mtime_ns, info.st_ino, info.st_size)
        except FileNotFoundError:
            sign = None
        except OSError as error:
            raise unavailable(self._path, error) from error
        seen = self._seen
        if seen[0] != sign:
            # What is read may be newer than the sign: then the next look reads it once more.
            seen = self._seen = (sign, Said() if sign is None else self._load())
        return seen[1]

    def _load(self) -> Said:
        try:
            data: Any = json.loads(self._files.read(self._path))
            facts = {name: data[name] for name in Said._fields if name in data}
            return Said(**{**facts, "place": str(data["place"])})
        except FileNotFoundError:
            return Said()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackendUnavailable(
                f"{self._path} does not say where the workspace lives",
                hint='write the place into it: {"place": "markdown"}, or the address of its server',
                path=self._path,
            ) from error

    def _say(self, said: Said) -> None:
        told = {name: value for name, value in said._asdict().items() if value}
        data = {**told, "place": said.place or self._name}
        self._files.prepare()
        self._files.replace(self._path, json.dumps(data).encode() + b"\n", private=True)


class _Housed(Protocol):
    @property
    def home(self) -> Home: ...


P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=_Housed)


def here(read: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A read of a store with a `home`: its answer, or its error, counts only if nobody moved it meanwhile."""

    @wraps(read)
    def checked(self: S, /, *arguments: P.args, **rest: P.kwargs) -> R:
        try:
            answer = read(self, *arguments, **rest)
        except Exception:
            self.home.require_here()
            raise
        self.home.require_here()
        return answer

    return checked


def here_to_the_end(
    read: Callable[Concatenate[S, P], Iterator[R]],
) -> Callable[Concatenate[S, P], Iterator[R]]:
    """The same for a read that answers little by little: Moved comes when all that was found was given."""
    begin = here(read)

    @wraps(read)
    def checked(self: S, /, *arguments: P.args, **rest: P.kwargs) -> Iterator[R]:
        return _while_here(self.home, begin(self, *arguments, **rest))

    return checked


def _while_here(home: Home, answers: Iterator[R]) -> Iterator[R]:
    try:
        yield from answers
    except Exception:
        home.require_here()
        raise
    home.require_here()
