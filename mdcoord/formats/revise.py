"""One write on one document's text: read or adopt it, change fields, bring its views up to date, merge.

Every backend that keeps a document's exact text goes through here, so a document looks the same wherever it
lives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document
from mdcoord.formats.templating import Templates
from mdcoord.model import ID_FIELD, KEEP, Change, Key, Value

SCHEMA_VERSION: Final = 1


class Draft(NamedTuple):
    """A document in the making: `fields` and `body` are its record, `text` is what belongs in the file.

    `adopted` tells that the text is a bold-field file without front matter: its next revision gives it one.
    """

    document: Document
    fields: Mapping[str, Value]
    body: str
    adopted: bool = False

    @property
    def text(self) -> str:
        """The exact text, as it is or is to be stored."""
        return self.document.text


class Scribe:
    """Reads and writes the text of documents.

    Holds nothing but the templates; safe to share between threads.
    """

    def __init__(self, templates: Templates) -> None:
        self.templates = templates

    def open(self, key: Key, text: str, where: str = "") -> Draft:
        """Read a document. Raises InvalidDocument with `where` as its path."""
        document = Document.parse(text, where=where)
        if document.has_front_matter:
            return Draft(document, document.fields, document.body)
        from mdcoord.formats.adopt import adopt  # rare: commands that only look do not load it

        return Draft(document, adopt(key.kind, text, key.name), text, adopted=True)

    def create(self, key: Key, fields: Mapping[str, Value], body: str = "") -> Draft:
        """Write a new document: schema and id first, then the fields, then its view, then the body."""
        from mdcoord.formats.views import initial_body

        head = {"schema": f"mdcoord/{key.kind}/{SCHEMA_VERSION}", ID_FIELD[key.kind]: key.id}
        whole = {**head, **fields}
        return _draft(Document.create(whole, initial_body(key.kind, whole, body, self.templates)))

    def revise(self, key: Key, draft: Draft, change: Change) -> Draft:
        """The document after a change.

        Only the bytes of what changes are touched; an old-style file is adopted first. Raises UsageError, and
        InvalidDocument also for a view that is not closed.
        """
        with _telling_the_line(draft.document):
            return self._revised(key, draft, change)

    def _revised(self, key: Key, draft: Draft, change: Change) -> Draft:
        before = self._whole(key, draft)
        after = before.edit(change) if change.set or change.delete or change.append else before
        body = after.body
        if change.body is not KEEP:
            from mdcoord.formats.views import with_prose

            body = with_prose(body, change.body)
        return _draft(self._with_views(after, body, before.fields))

    def merge(self, key: Key, base: str, tool: str, person: str, where: str = "") -> Draft:
        """Unite what the tool and a person each made of `base`; both texts survive (see `formats.unite`)."""
        from mdcoord.formats.unite import unite, with_newline

        if person == base:
            return self.open(key, tool, where)
        saved = self.open(key, person, where)
        with _telling_the_line(saved.document):
            theirs = self._whole(key, saved)
            old, ours = (
                self._whole(key, self.open(key, with_newline(text, theirs.newline), where))
                for text in (base, tool)
            )
            return _draft(unite(old, ours, theirs, lambda text, body: self._with_views(text, body, None)))

    def keep_view_edits(self, key: Key, base: str, draft: Draft) -> Draft:
        """The document with what a person wrote inside a view since `base` put below it, where it is safe."""
        from mdcoord.formats.unite import with_view_edits

        if draft.adopted:
            return draft
        with _telling_the_line(draft.document):
            body = with_view_edits(self._whole(key, self.open(key, base)).body, draft.body, draft.body)
        return draft if body == draft.body else _draft(draft.document.with_body(body))

    def _whole(self, key: Key, draft: Draft) -> Document:
        """The document with front matter: an old-style file as its adoption would make it."""
        return self._adopted(key, draft) if draft.adopted else draft.document

    def _with_views(self, document: Document, body: str, before: Mapping[str, Any] | None) -> Document:
        """The document with this body, its views brought up to date; `before`: the fields they show now."""
        from mdcoord.formats.views import patch_views, render_views

        fresh = None if before is None else patch_views(body, before, document.fields, self.templates)
        if fresh is None:
            fresh = render_views(body, document.fields, self.templates)
        return document if fresh == document.body else document.with_body(fresh)

    def _adopted(self, key: Key, draft: Draft) -> Document:
        from mdcoord.formats.views import initial_body

        head = {"schema": f"mdcoord/{key.kind}/{SCHEMA_VERSION}", ID_FIELD[key.kind]: key.id}
        fields = {**head, **draft.fields, "schema": head["schema"]}
        document = draft.document.with_front_matter(fields)
        return document.with_body(initial_body(key.kind, fields, document.body, self.templates))


@contextmanager
def _telling_the_line(document: Document) -> Iterator[None]:
    """A view of the document that is not closed is told with its place in the file, not in the body."""
    try:
        yield
    except InvalidDocument:
        from mdcoord.formats.views import find_views

        find_views(document.body, where=document.where, line=document.body_line)
        raise


def _draft(document: Document) -> Draft:
    return Draft(document, document.fields, document.body)
