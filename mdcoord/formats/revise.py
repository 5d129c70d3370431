"""One write on one document's text: read or adopt it, change fields, bring its views up to date, merge.

Every backend that keeps a document's exact text goes through here, so a document looks the same wherever it
lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.errors import InvalidDocument, UsageError
from mdcoord.formats.adopt import adopt
from mdcoord.formats.document import Document
from mdcoord.formats.headmerge import merge_head
from mdcoord.formats.merge import Clash, merge_fields, merge_text, same
from mdcoord.formats.templating import Templates
from mdcoord.formats.views import (
    initial_body,
    keep_hand_edit,
    patch_views,
    render_views,
    strip_views,
    view_contents,
    with_prose,
)
from mdcoord.model import ID_FIELD, KEEP, Change, Key, Value

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Draft:
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
        return Draft(document, adopt(key.kind, text, key.name), text, adopted=True)

    def create(self, key: Key, fields: Mapping[str, Value], body: str = "") -> Draft:
        """Write a new document: schema and id first, then the fields, then its view, then the body."""
        head = {"schema": f"mdcoord/{key.kind}/{SCHEMA_VERSION}", ID_FIELD[key.kind]: key.id}
        whole = {**head, **fields}
        return _draft(Document.create(whole, initial_body(key.kind, whole, body, self.templates)))

    def revise(self, key: Key, draft: Draft, change: Change) -> Draft:
        """The document after a change.

        Only the bytes of what changes are touched; an old-style file is adopted first.
        """
        before = self._adopted(key, draft) if draft.adopted else draft.document
        after = before.edit(change) if change.set or change.delete or change.append else before
        body = after.body
        if change.body is not KEEP:
            body = with_prose(body, change.body)
        return _draft(self._with_views(after, body, before.fields))

    def merge(self, key: Key, base: str, tool: str, person: str, where: str = "") -> Draft:
        """Unite what the tool and a person each made of `base`; both texts survive (see
        `mdcoord.formats.merge`).
        """
        if person == base:
            return self.open(key, tool, where)
        theirs = self._whole(key, person, where)
        old, ours = (self._whole(key, _with_newline(text, theirs.newline), where) for text in (base, tool))
        fields = merge_fields(old.fields, ours.fields, theirs.fields)
        document = _with_head(old, ours, theirs, fields.change)
        body = theirs.body
        prose = merge_text(*(strip_views(text.body) for text in (old, ours, theirs)))
        if prose != strip_views(body):
            body = with_prose(body, prose)
        if fields.clashes:
            body = _with_note(body, fields.clashes)
        body = _keep_view_edits(old.body, theirs.body, body)
        return _draft(self._with_views(document, body, None))

    def keep_view_edits(self, key: Key, base: str, draft: Draft) -> Draft:
        """The document with what a person wrote inside a view since `base` moved below it, where it is
        safe.
        """
        if draft.adopted:
            return draft
        body = _keep_view_edits(self._whole(key, base, "").body, draft.body, draft.body)
        return draft if body == draft.body else _draft(draft.document.with_body(body))

    def _whole(self, key: Key, text: str, where: str) -> Document:
        draft = self.open(key, text, where)
        return self._adopted(key, draft) if draft.adopted else draft.document

    def _adopted(self, key: Key, draft: Draft) -> Document:
        head = {"schema": f"mdcoord/{key.kind}/{SCHEMA_VERSION}", ID_FIELD[key.kind]: key.id}
        fields = {**head, **draft.fields, "schema": head["schema"]}
        document = draft.document.with_front_matter(fields)
        return document.with_body(initial_body(key.kind, fields, document.body, self.templates))

    def _with_views(self, document: Document, body: str, before: Mapping[str, Any] | None) -> Document:
        fresh = None if before is None else patch_views(body, before, document.fields, self.templates)
        if fresh is None:
            fresh = render_views(body, document.fields, self.templates)
        return document if fresh == document.body else document.with_body(fresh)


def _with_head(old: Document, ours: Document, theirs: Document, change: Change) -> Document:
    """The person's document after the tool's change, with comments and layout of both where that is
    possible.
    """
    wanted = theirs.edit(change) if change.touches_document else theirs
    head = merge_head(*(side.text[: len(side.text) - len(side.body)] for side in (old, ours, theirs)))
    try:
        document = Document.parse(head + theirs.body, where=theirs.where)
        rest = merge_fields(document.fields, wanted.fields, document.fields).change
        document = document.edit(rest) if rest.touches_document else document
    except (InvalidDocument, UsageError):
        return wanted
    return document if same(document.fields, wanted.fields) else wanted


def _with_newline(text: str, newline: str) -> str:
    """A text with the line ends of another version of it: some editors change them all."""
    own = "\r\n" if "\r\n" in text else "\n"
    return text if own == newline else text.replace(own, newline)


def _draft(document: Document) -> Draft:
    return Draft(document, document.fields, document.body)


def _keep_view_edits(base: str, saved: str, body: str) -> str:
    old = view_contents(base)
    for name, content in view_contents(saved).items():
        if name in old and content != old[name]:
            known = set(old[name].splitlines())
            written = [line for line in content.splitlines() if line.strip() and line not in known]
            if written:
                body = keep_hand_edit(body, name, written)
    return body


def _with_note(body: str, clashes: list[Clash]) -> str:
    newline = "\r\n" if "\r\n" in body else "\n"
    lead = "" if not body or body.endswith("\n") else newline
    lines = ["> [!conflict] changed by the tool and by hand at the same time", *(f"> {c}" for c in clashes)]
    return body + lead + newline + newline.join(lines) + newline
