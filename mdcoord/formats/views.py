"""The generated parts of a body, from `<!-- mdcoord:view NAME -->` to `<!-- /mdcoord:view -->`.

The marks stand alone on their lines, from the first column; inside fenced code they are text. What is outside
of views belongs to people and passes through every function here byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from mdcoord.errors import InvalidDocument, TemplateFailed
from mdcoord.formats import packaged
from mdcoord.formats.templating import Templates

_OPEN = "<!-- mdcoord:view "
_CLOSE = "<!-- /mdcoord:view -->"
_ANY_MARK = "mdcoord:view"
_MARKS = re.compile(
    r"^(?: {0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)"
    r"|<!-- mdcoord:view (?P<name>[a-z0-9][a-z0-9._-]*) -->[ \t]*(?P<newline>\r?\n|\Z)"
    r"|<!-- /mdcoord:view -->[ \t]*\r?$)",
    re.M,
)


class View(NamedTuple):
    """A generated part: its name, the span of its content, where its closing line ends, its line break."""

    name: str
    start: int
    end: int
    after: int
    newline: str


def find_views(body: str, *, where: str = "", line: int = 1) -> list[View]:
    """The views of a body in their order; `where` and `line` (of the body's first line) are for messages.

    Raises InvalidDocument for a view that is not closed, one inside another and a closing mark alone.
    """
    if _ANY_MARK not in body:
        return []

    def refuse(place: int, problem: str) -> NoReturn:
        raise _broken(problem, where, line + body.count("\n", 0, place))

    views: list[View] = []
    opened: re.Match[str] | None = None
    for mark in _outside_of_fences(body):
        if mark["name"]:
            if opened:
                refuse(opened.start(), f"view {opened['name']!r} is not closed before the next")
            opened = mark
        elif not opened:
            refuse(mark.start(), "a view is closed that was not opened")
        else:
            after = mark.end() + (body[mark.end() : mark.end() + 1] == "\n")
            views.append(View(opened["name"], opened.end(), mark.start(), after, opened["newline"]))
            opened = None
    if opened:
        refuse(opened.start(), f"view {opened['name']!r} is not closed")
    return views


def _outside_of_fences(text: str) -> Iterator[re.Match[str]]:
    """The marks of views that are not inside fenced code."""
    fence = ""
    for match in _MARKS.finditer(text):
        run, info = match["fence"], match["info"]
        if not run:
            if not fence:
                yield match
        elif not fence:
            fence = "" if run[0] == "`" and "`" in info else run
        elif run.startswith(fence) and not info.strip():
            fence = ""


def _broken(problem: str, where: str, line: int) -> InvalidDocument:
    return InvalidDocument(
        f"{where}, line {line}: {problem}" if where else f"line {line}: {problem}",
        hint=f"a view begins with {_OPEN}NAME --> and ends with {_CLOSE}, each alone on its line",
        path=where,
        line=line,
        column=1,
    )


# ---------------------------------------------------------------- rendering


def render_views(body: str, fields: Mapping[str, Any], templates: Templates) -> str:
    """The body with the content of every view made anew that has a template.

    Raises InvalidDocument, and TemplateFailed also for a template whose output would break out of its view.
    """
    parts: list[str] = []
    done = 0
    for view in find_views(body):
        if templates.has(view.name):
            parts += [body[done : view.start], _content(view.name, fields, templates, view.newline)]
            done = view.end
    return "".join(parts) + body[done:]


def initial_body(kind: str, fields: Mapping[str, Any], body: str, templates: Templates) -> str:
    """The body of a new document: the view of its kind, then the given text.

    A text that has views already says itself where they stand.
    """
    if find_views(body):
        return render_views(body, fields, templates)
    newline = _newline_of(body)
    content = _content(kind, fields, templates, newline)
    text = f"{newline}{_OPEN}{kind} -->{newline}{content}{_CLOSE}{newline}"
    return f"{text}{newline}{body}" if body else text


def _content(name: str, fields: Mapping[str, Any], templates: Templates, newline: str) -> str:
    content = templates.render(name, fields)
    if _ANY_MARK in content or "```" in content or "~~~" in content:
        _check_closed(name, content, templates)
    return content if newline == "\n" else content.replace("\n", newline)


def _check_closed(name: str, content: str, templates: Templates) -> None:
    """A template's output must not hold marks of views, nor open a fence that swallows the closing mark."""
    found = [mark.group() for mark in _outside_of_fences(content + _CLOSE)]
    if found != [_CLOSE]:
        path, _ = templates.source(f"{name}.md.j2")
        problem = "prints the mark of a view" if found else "opens a fence that it does not close"
        raise TemplateFailed(
            f"{path}: the template {problem}", hint="correct the template", path=path, line=1
        )


def _newline_of(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


# ---------------------------------------------------------------- people's part


def view_contents(body: str) -> dict[str, str]:
    """What is in the views now, by name (one after the other where a name is used twice)."""
    contents: dict[str, str] = {}
    for view in find_views(body):
        contents[view.name] = contents.get(view.name, "") + body[view.start : view.end]
    return contents


def strip_views(body: str) -> str:
    """The body with empty views: what belongs to people, and where the views stand in it."""
    parts: list[str] = []
    done = 0
    for view in find_views(body):
        parts.append(body[done : view.start])
        done = view.end
    return "".join(parts) + body[done:]


def prose_of(body: str) -> str:
    """What belongs to people alone, without the marks of views. Raises InvalidDocument."""
    parts: list[str] = []
    done = 0
    for view in find_views(body):
        parts.append(body[done : body.rfind("\n", 0, view.start - 1) + 1])
        done = view.after
    return "".join([*parts, body[done:]])


def with_prose(body: str, prose: str) -> str:
    """The body with people's part replaced by `prose`; the content of its views stays.

    Where `prose` has marks of views (as from `strip_views`, or a whole body) they say where the views stand;
    otherwise the views come first and the text below them.
    """
    contents = view_contents(body)
    if not (skeleton := find_views(prose)):
        views = "".join(
            f"{_line_start(body, view)}{body[view.start : view.after]}" for view in find_views(body)
        )
        newline = _newline_of(body)
        return (
            f"{newline}{views}{newline}{prose}"
            if views and prose
            else f"{newline}{views}"
            if views
            else prose
        )
    parts: list[str] = []
    done = 0
    for view in skeleton:
        parts += [prose[done : view.start], contents.get(view.name, prose[view.start : view.end])]
        done = view.end
    return "".join(parts) + prose[done:]


def _line_start(body: str, view: View) -> str:
    return body[body.rfind("\n", 0, view.start - 1) + 1 : view.start]


def keep_hand_edit(body: str, name: str, edited_lines: Sequence[str]) -> str:
    """The body with lines that a person wrote inside view `name` as a quoted note below it.

    Doing it twice leaves one note. Without such a view the note comes last.
    """
    newline = _newline_of(body)
    quoted = [f"> {text}".rstrip() for edited in edited_lines for text in (edited.splitlines() or [""])]
    note = newline.join(
        ["> [!note]", f"> Written by hand inside the generated view `{name}`, kept here:", ">", *quoted]
    )
    if note in body:
        return body
    view = next((view for view in find_views(body) if view.name == name), None)
    place = view.after if view else len(body)
    before, after = body[:place], body[place:]
    lead = newline if not before or before.endswith("\n") else newline * 2
    return f"{before}{lead}{note}{newline}{after}"


# ---------------------------------------------------------------- the fast path


def patch_views(
    body: str, old_fields: Mapping[str, Any], new_fields: Mapping[str, Any], templates: Templates
) -> str | None:
    """What `render_views` makes of a body whose view shows `old_fields`, made in microseconds; or None.

    Only for a body with one view, of a packaged template. None also when in the parts that change the view is
    not what `old_fields` give (an older program, an edit by hand). The caller then renders.
    """
    if _ANY_MARK not in body:
        return body
    view = _view_at_the_top(body)
    if not view:
        views = find_views(body)
        if len(views) != 1:
            return None if views else body
        view = views[0]
    if view.name not in packaged.PACKAGED or templates.overridden(view.name):
        return None
    content = body[view.start : view.end]
    if view.newline != "\n":
        content = content.replace(view.newline, "\n")
    patched = _patch(view.name, content, old_fields, new_fields)
    if patched is None:
        return None
    if view.newline != "\n":
        patched = patched.replace("\n", view.newline)
    return body[: view.start] + patched + body[view.end :]


def _view_at_the_top(body: str) -> View | None:
    """The view of an ordinary body: one view, nothing but blank lines before it (so no fence hides it)."""
    opening = _MARKS.match(body, len(body) - len(body.lstrip("\r\n")))
    if not opening or not opening["name"]:
        return None
    end = body.find(_CLOSE, opening.end())
    another = body.find(_OPEN, opening.end()) >= 0 or body.find(_CLOSE, end + 1) >= 0
    if end < 0 or body[end - 1] != "\n" or another:
        return None
    return View(opening["name"], opening.end(), end, end + len(_CLOSE), opening["newline"])


def _patch(name: str, content: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    changed = _changed(old, new)
    result = content
    for part in packaged.PACKAGED[name]:
        if part.reads.isdisjoint(changed):
            continue
        before, after = part.text(old), part.text(new)
        if before == after:
            continue
        place = _place_of(before, result) if before and after else -1
        if place < 0:
            return _remade(name, content, old, new, changed)
        result = result[:place] + after + result[place + len(before) :]
    return result


def _remade(
    name: str, content: str, old: Mapping[str, Any], new: Mapping[str, Any], changed: set[str]
) -> str | None:
    """The whole view, for a part that comes, goes or is not alone: only if it is what `old` gives."""
    parts = packaged.PACKAGED[name]
    texts = [part.text(old) for part in parts]
    if content != packaged.joined(texts):
        return None
    pairs = zip(parts, texts, strict=True)
    return packaged.joined(text if part.reads.isdisjoint(changed) else part.text(new) for part, text in pairs)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """The fields that may look different: not the same value, type and object (1, 1.0 and true are equal)."""
    changed = {key for key in old if key not in new}
    for key, value in new.items():
        known = old.get(key)
        if known is not value and (type(known) is not str or known != value):
            changed.add(key)
    return changed


def _place_of(lines: str, content: str) -> int:
    """Where these whole lines are in the content, if they are there exactly once; else -1."""
    place = content.find(lines)
    end = place + len(lines)
    if place < 0 or (place and content[place - 1] != "\n") or content[end : end + 1] != "\n":
        return -1
    return place if content.find(lines, place + 1) < 0 else -1
