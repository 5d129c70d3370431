"""The fenced code blocks of a Markdown text that hold JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^`\r\n]*?)[ \t]*\r?$", re.MULTILINE)


def json_blocks(text: str) -> Iterator[Any]:
    """The value of each block that begins with ```` ```json ````, in order; None for one that is no JSON.

    As in Markdown, a block ends at a fence at least as long as its first, and a block inside another is
    only text.
    """
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif not fence[2] and fence[1].startswith(opened[1]):
            if _is_json(opened):
                yield _load(text[opened.end() : fence.start()])
            opened = None
    if opened is not None and _is_json(opened):
        yield _load(text[opened.end() :])


def _is_json(fence: re.Match[str]) -> bool:
    return fence[2].split(maxsplit=1)[:1] == ["json"]


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
