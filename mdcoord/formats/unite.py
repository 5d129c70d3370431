"""Unite what the tool and a person each made of one version of a document.

The person's text carries: its comments, order and prose stay. The tool's changes are applied to it as a
lossless edit, prose is merged by lines, views are made anew, and what a person wrote inside a view moves
below it.
"""

from __future__ import annotations

from collections.abc import Callable

from mdcoord.errors import InvalidDocument, UsageError
from mdcoord.formats.document import Document
from mdcoord.formats.fieldmerge import Clash, FieldMerge, alike
from mdcoord.formats.headmerge import merge_head
from mdcoord.formats.textmerge import merge_text
from mdcoord.formats.views import keep_hand_edit, strip_views, view_contents, with_prose
from mdcoord.model import Change

Refresh = Callable[[Document, str], Document]
"""A document with another body, whose views show the document's fields."""


def unite(old: Document, ours: Document, theirs: Document, with_views: Refresh) -> Document:
    """The document that the tool's (`ours`) and a person's version of `old` became.

    All three have front matter and the same line ends. `with_views` makes the views of a body anew.
    """
    fields = FieldMerge(old.fields, ours.fields, theirs.fields)
    document = _with_head(old, ours, theirs, fields.change)
    body = theirs.body
    prose = merge_text(*(strip_views(text.body) for text in (old, ours, theirs)))
    if prose != strip_views(body):
        body = with_prose(body, prose)
    if fields.clashes:
        body = _with_note(body, fields.clashes)
    body = with_view_edits(old.body, theirs.body, body)
    return with_views(document, body)


def _with_head(old: Document, ours: Document, theirs: Document, change: Change) -> Document:
    """The person's document after the tool's change, if possible with comments and layout of both."""
    wanted = theirs.edit(change) if change.touches_document else theirs
    head = merge_head(*(side.text[: len(side.text) - len(side.body)] for side in (old, ours, theirs)))
    try:
        document = Document.parse(head + theirs.body, where=theirs.where)
        rest = FieldMerge(document.fields, wanted.fields, document.fields).change
        document = document.edit(rest) if rest.touches_document else document
    except (InvalidDocument, UsageError):
        return wanted
    return document if alike(document.fields, wanted.fields) else wanted


def with_newline(text: str, newline: str) -> str:
    """A text with the line ends of another version of it: some editors change them all."""
    own = "\r\n" if "\r\n" in text else "\n"
    return text if own == newline else text.replace(own, newline)


def with_view_edits(base: str, saved: str, body: str) -> str:
    """The body with the lines that a save has inside a view, and `base` has not, as a note below it."""
    old = view_contents(base)
    for name, content in view_contents(saved).items():
        if name in old and content != old[name]:
            known = set(old[name].splitlines())
            written = [line for line in content.splitlines() if line.strip() and line not in known]
            if written:
                body = keep_hand_edit(body, name, written)
    return body


def _with_note(body: str, clashes: list[Clash]) -> str:
    """The body with a note of the clashes; one that it tells already is from a merge that is done again."""
    known = set(body.splitlines())
    lines = [line for line in (f"> {clash}" for clash in clashes) if line not in known]
    if not lines:
        return body
    newline = "\r\n" if "\r\n" in body else "\n"
    lead = "" if not body or body.endswith("\n") else newline
    lines.insert(0, "> [!conflict] changed by the tool and by hand at the same time")
    return body + lead + newline + newline.join(lines) + newline
