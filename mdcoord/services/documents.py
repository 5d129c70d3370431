"""What all kinds of documents have in common: get, list, update, remove."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

from mdcoord.backends.base import Decide
from mdcoord.errors import AlreadyExists, NotFound, UsageError
from mdcoord.model import ANY, ID_FIELD, KEEP, Change, Expect, Key, Path, Record, Value
from mdcoord.records import TYPES, Own, TypedRecord
from mdcoord.services.env import Env
from mdcoord.shapes import fault_of

R = TypeVar("R", bound=TypedRecord)

Where = str | Callable[[Mapping[str, Any]], bool] | None
"""Which records: a query's text, a function of a record, or None for all."""

Names = Mapping[Any, Value]
"""Fields by name (`title`), dotted name (`metadata.loss`) or path (`("metadata", "a.b")`)."""

STAMP: Final = {"task": "updated_at"}
"""The field that says when a document was last changed; `last_updated` where none is named here."""


def path_of(name: str | Path) -> Path:
    """The path that a dotted name means; a tuple is a path already. Raises UsageError."""
    path = tuple(name.split(".")) if isinstance(name, str) else tuple(name)
    if not path or "" in path:
        raise UsageError(f"{name!r} is no field", hint="a name, or names joined with dots: metadata.loss")
    return path


def texts(items: Iterable[str], name: str) -> list[str]:
    """A list of texts as it was given. Raises UsageError for a single text, which is a sequence, too."""
    if isinstance(items, str):
        raise UsageError(f"{name} is a list of texts, not one text", hint=f"{name}=[{items!r}]")
    if not isinstance(items, Iterable):
        raise UsageError(f"{name} is a list of texts, not {items!r}", hint=f"{name}=[…]")
    return [*items]


class Documents(Generic[R]):
    """The documents of one kind."""

    kind: ClassVar[str]
    missing: ClassVar[str] = ""
    """What to do about a `{name}` that no document has, where it may be more than a slip."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend = env.backend

    def get(self, name: str) -> R:
        """One document by its file's name or its id. Raises NotFound, InvalidDocument."""
        return self._typed(self._backend.read(self._key(name)))

    def list(self, where: Where = None, *, sort: str | None = None, limit: int | None = None) -> Sequence[R]:
        """The documents that meet a query, in the order of `sort` (`-priority,title`), else by name.

        Files that cannot be read are left out; `Workspace.unreadable` names them. Raises QueryError.
        """
        rows: Iterable[R] = self._all()
        if where is not None:
            rows = filter(self._predicate(where), rows)
        if sort is not None:
            from mdcoord.formats.query import order

            rows = order(rows, sort)  # type: ignore[assignment]  # it returns the very rows
        return [*rows][:limit]

    def update(
        self,
        name: str,
        set: Names | None = None,
        *,
        delete: Iterable[str | Path] = (),
        append: Mapping[Any, Sequence[Value]] | None = None,
        body: Any = KEEP,
        expect: Expect = ANY,
    ) -> R:
        """Change fields of a document, and the stamp of its last change. `expect` is a version as read.

        Raises NotFound, Conflict, Busy, InvalidDocument, and UsageError for a field that names the document,
        and for a value that does not belong into a known one.
        """
        change = Change(
            set={path_of(key): value for key, value in (set or {}).items()},
            delete=tuple(path_of(key) for key in delete),
            append={path_of(key): [*items] for key, items in (append or {}).items()},
            body=body,
        )
        self._check(change)
        return self._write(self._key(name), change, expect)

    def remove(self, name: str) -> str:
        """Move a document to the archive and return its name there. Raises NotFound."""
        return self._backend.archive(self._key(name))

    def text(self, name: str) -> str:
        """The exact text of a document. Raises NotFound."""
        return self._backend.text(self._key(name))

    def _check(self, change: Change) -> None:
        """Raise UsageError for what a caller must not change, and for values that a field cannot have."""
        for path in (*change.set, *change.append):
            if str(path[0]).startswith("_"):
                raise UsageError(
                    f"{path[0]} cannot be set: names like that are for mdcoord's own facts",
                    hint="use a name that does not begin with _",
                )
        for path in (*change.set, *change.append, *change.delete):
            self._refuse(path)
        if (wrong := fault_of(self.kind, change)) is not None:
            raise UsageError(wrong, hint="nothing was changed")

    def _refuse(self, path: Path) -> None:
        if path[0] in ("schema", ID_FIELD[self.kind]):
            raise UsageError(
                f"{path[0]} cannot be changed: it says what the document is", hint="make a new one"
            )

    def _write(self, key: Key, change: Change, expect: Expect = ANY) -> R:
        stamp: Path = (STAMP.get(self.kind, "last_updated"),)
        if change.touches_document and stamp not in change.set:
            stamped = {**change.set, stamp: self._env.host.stamp()}
            change = Change(stamped, change.delete, change.append, change.body, change.lease)
        return self._typed(self._env.write(key, change, expect))

    def _put(self, name: str, fields: Mapping[str, Value], change: Change | Decide) -> R:
        """Change a document, or make it with `fields` where there is none."""
        self._check(Change(set={(field,): value for field, value in fields.items()}))
        try:
            key = self._key(name)
        except NotFound:
            try:
                return self._typed(self._backend.create(self.kind, fields, name=name))
            except AlreadyExists:
                key = Key.of(self.kind, name)  # somebody made it just now
        return self._typed(self._env.write(key, change)) if callable(change) else self._write(key, change)

    def _key(self, name: str) -> Key:
        try:
            return self._backend.resolve(self.kind, name)
        except NotFound as error:
            archived = Key.of(self.kind, name).name
            if archived not in self._backend.archived():
                error.hint = self.missing.format(name=name) or error.hint
                raise
            raise NotFound(
                f"{archived} is in the archive",
                hint=f"bring it back with `mdcoord archive restore {archived}`",
            ) from None

    def _all(self) -> Sequence[R]:
        return [self._typed(record) for record in self._backend.list(self.kind).records]

    def _predicate(self, where: str | Callable[[Mapping[str, Any]], bool]) -> Callable[[Any], bool]:
        if callable(where):
            return where
        from mdcoord.formats.query import compile_query

        return compile_query(where, now=self._env.host.now)

    def _typed(self, record: Record, own: Own | None = None) -> R:
        return TYPES[self.kind](record, own)  # type: ignore[return-value]  # TYPES pairs them
