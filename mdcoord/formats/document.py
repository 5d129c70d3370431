"""Documents: front matter (YAML between fences) and a body, edited without touching what is not meant.

Values are JSON values. Typing is YAML 1.2 core: `NO` is text, timestamps are text, keys are always text
(`1: a` has the key `"1"`). Reading a document that cannot be understood with certainty raises
InvalidDocument with the line and column of the file and what to do; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mdcoord.errors import InvalidDocument, UsageError
from mdcoord.formats.fields import apply, count, plain, same
from mdcoord.formats.yamltext import fence, subset
from mdcoord.formats.yamltext.fault import Fault
from mdcoord.formats.yamltext.limits import MAX_FILE, MAX_FRONT_MATTER, MAX_VALUES
from mdcoord.model import Change, Path

if TYPE_CHECKING:
    from mdcoord.formats.yamltext.tree import Node

_NEWLINE = re.compile(r"\r?\n")


def decode(data: bytes, *, where: str = "") -> str:
    """The bytes of a file as text: strict UTF-8, line ends as they are, a byte order mark kept as U+FEFF.

    Raises InvalidDocument for other encodings, NUL characters and files above 10 MiB.
    """
    try:
        return fence.decode(data)
    except Fault as fault:
        start = data.rfind(b"\n", 0, fault.index) + 1
        column = len(data[start : fault.index].decode("utf-8", "replace")) + 1
        raise _invalid(fault, where, data.count(b"\n", 0, fault.index) + 1, column) from None


class Document:
    """A document as text and as values. Never changed in place: every edit gives a new one.

    `text` is the whole file, `fields` the values of the front matter (do not change the dict), `body`
    everything after the line of the closing fence (without a byte order mark where there is no front
    matter), `where` the name used in error messages.
    """

    __slots__ = ("_fences", "_root", "_simple", "fields", "text", "where")

    text: str
    fields: dict[str, Any]
    where: str

    def __init__(self, text: str, fields: dict[str, Any], where: str, fences: fence.Fences | None) -> None:
        """For this module; use `parse` or `create`."""
        self.text = text
        self.fields = fields
        self.where = where
        self._fences = fences
        self._simple = True
        self._root: Node | None = None

    @classmethod
    def parse(cls, text: str, *, where: str = "") -> Document:
        """Read a document. Raises InvalidDocument."""
        try:
            fences = fence.split(text)
            if fences is None:
                return cls(text, {}, where, None)
            fields = subset.read(text[fences.start : fences.end])
            if fields is not None:
                return cls(text, fields, where, fences)
            root = _read(text, fences)
        except Fault as fault:
            raise _located(fault, text, where) from None
        document = cls(text, root.value if root else {}, where, fences)
        document._simple = False
        document._root = root
        return document

    @classmethod
    def create(
        cls, fields: Mapping[str, Any], body: str = "", newline: str = "\n", *, where: str = ""
    ) -> Document:
        """A new document in block style with the fields in their order; `body` is kept byte for byte.

        `newline` ends the lines of the front matter. Raises UsageError for values that cannot be kept.
        """
        kept = plain(dict(fields))
        return _reread(_front_matter(kept, newline) + _body_text(body), kept, where)

    @property
    def has_front_matter(self) -> bool:
        """False for a text without fences: all of it is body."""
        return self._fences is not None

    @property
    def body(self) -> str:
        """Everything after the line of the closing fence."""
        if self._fences is None:
            return self.text.removeprefix(fence.BOM)
        return self.text[self._fences.body :]

    @property
    def body_line(self) -> int:
        """The line of the file that the body begins on, from 1."""
        return self.text.count("\n", 0, len(self.text) - len(self.body)) + 1

    @property
    def front_matter(self) -> str:
        """The text between the lines of the fences; "" where there are none."""
        return "" if self._fences is None else self.text[self._fences.start : self._fences.end]

    @property
    def newline(self) -> str:
        """The line end of the first line; a line feed where there is none."""
        found = _NEWLINE.search(self.text)
        return found[0] if found else "\n"

    def edit(self, change: Change) -> Document:
        """Apply the sets, deletes and appends of a change to the front matter (see `fields.apply`).

        Only the text of the changed values changes. The result is parsed again and compared with what was
        meant, key order and types included. Raises UsageError for a change that does not fit the values, and
        InvalidDocument where the text does not allow it (a value that an alias repeats, for example); then
        nothing happens.
        """
        wanted = apply(self.fields, change)
        if same(wanted, self.fields):
            return self
        if self._fences is None:
            raise UsageError("the document has no front matter to change", hint="add front matter first")
        return self._spliced(wanted, change)

    def with_body(self, body: str) -> Document:
        """The same front matter, byte for byte, with another body. Raises UsageError."""
        if self._fences is None:
            head = fence.BOM if self.text.startswith(fence.BOM) else ""
            return _reread(head + _body_text(body), self.fields, self.where)
        head = self.text[: self._fences.body]
        if body and not head.endswith("\n"):
            return _reread(head + self.newline + _body_text(body), self.fields, self.where)
        text = head + _body_text(body)
        if fence.size(text) > MAX_FILE:
            raise UsageError(f"the document would have more than {MAX_FILE} bytes", hint="shorten the body")
        # What stands behind the closing fence changes nothing before it: there is nothing to read again.
        document = Document(text, self.fields, self.where, self._fences)
        document._simple = self._simple
        document._root = self._root
        return document

    def with_front_matter(self, fields: Mapping[str, Any]) -> Document:
        """Adopt a text without front matter: put some before it and keep it byte for byte as body.

        A byte order mark stays at the start of the file. Raises UsageError.
        """
        if self._fences is not None:
            raise UsageError("the document has front matter already", hint="edit it instead")
        mark = fence.BOM if self.text.startswith(fence.BOM) else ""
        kept = plain(dict(fields))
        return _reread(mark + _front_matter(kept, self.newline) + self.body, kept, self.where)

    def _spliced(self, wanted: dict[str, Any], change: Change) -> Document:
        fences = self._fences
        assert fences is not None
        source = self.text[fences.start : fences.end]
        named = _named(change.delete)
        written = None
        if self._simple and not named:
            from mdcoord.formats.yamltext import subset_edit

            written = subset_edit.edit(source, self.fields, wanted)
        if written is None:
            written = self._general(source, wanted, named)
        _refuse_too_large(written, wanted)
        return _verified(self.text[: fences.start] + written + self.text[fences.end :], wanted, self)

    def _general(self, source: str, wanted: dict[str, Any], named: dict[Path, set[int]]) -> str:
        from mdcoord.formats.yamltext.splice import splice
        from mdcoord.formats.yamltext.tree import read

        try:
            root = read(source) if self._simple else self._root
            return splice(source, root, wanted, self.newline, named)
        except Fault as fault:
            start = self._fences.start if self._fences else 0
            raise _located(fault.moved(start), self.text, self.where) from None


def _read(text: str, fences: fence.Fences) -> Node | None:
    from mdcoord.formats.yamltext.tree import read

    try:
        return read(text[fences.start : fences.end])
    except Fault as fault:
        raise fault.moved(fences.start) from None


def _front_matter(fields: dict[str, Any], newline: str) -> str:
    from mdcoord.formats.yamltext import emit

    return newline.join(["---", *emit.entries(fields, 0), "---", ""])


def _body_text(body: str) -> str:
    try:
        body.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            "the body holds half a character (a surrogate)", hint="write it as real text"
        ) from None
    if "\0" in body:
        raise UsageError("the body holds a NUL character", hint="remove it; a text file has none")
    return body


def _reread(text: str, fields: dict[str, Any], where: str) -> Document:
    """Parse a text made from values and make sure that it says them."""
    try:
        document = Document.parse(text, where=where)
    except InvalidDocument as error:
        raise UsageError(f"the values do not fit into a document: {error.message}", hint=error.hint) from None
    if not same(document.fields, fields):
        raise UsageError("the text cannot be kept as it is", hint="a body must not look like front matter")
    return document


def _verified(text: str, wanted: dict[str, Any], before: Document) -> Document:
    try:
        after = Document.parse(text, where=before.where)
    except InvalidDocument as error:
        found, line = error.message, error.details["line"]
    else:
        if same(after.fields, wanted):
            return after
        found, line = "another value would change", 1
    raise InvalidDocument(
        f"{before.where or 'the document'}: this change cannot be made safely: {found}",
        hint="write the values to change as plain `name: value` lines by hand, then try again",
        path=before.where,
        line=line,
        column=1,
    )


def _refuse_too_large(written: str, wanted: dict[str, Any]) -> None:
    # A short text cannot hold too many values: counting them is for long ones.
    if fence.size(written) > MAX_FRONT_MATTER:
        raise UsageError(
            f"the front matter would have more than {MAX_FRONT_MATTER} bytes",
            hint="put long texts into the body or into files of their own",
        )
    if len(written) > MAX_VALUES and count(wanted) > MAX_VALUES:
        raise UsageError(
            f"the front matter would hold more than {MAX_VALUES} keys and values",
            hint="keep large data in files of its own",
        )


def _named(deleted: tuple[Path, ...]) -> dict[Path, set[int]]:
    named: dict[Path, set[int]] = {}
    for path in deleted:
        if path and isinstance(path[-1], int):
            named.setdefault(path[:-1], set()).add(path[-1])
    return named


def _located(fault: Fault, text: str, where: str) -> InvalidDocument:
    start = text.rfind("\n", 0, fault.index) + 1
    line = text.count("\n", 0, fault.index) + 1
    column = fault.index - start + 1 - text.startswith(fence.BOM, start)
    return _invalid(fault, where, line, max(column, 1))


def _invalid(fault: Fault, where: str, line: int, column: int) -> InvalidDocument:
    place = f"{where}, line {line}, column {column}" if where else f"line {line}, column {column}"
    return InvalidDocument(f"{place}: {fault.message}", hint=fault.hint, path=where, line=line, column=column)
