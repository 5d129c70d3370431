"""Places where workspaces live, as people are told of them."""

from __future__ import annotations

import re
from typing import Final

from mdcoord.errors import Moved

_SECRET: Final = re.compile(r"password|username", re.IGNORECASE)


def shown(place: str) -> str:
    """A place for people: an address without the name and the password in it, also not in its query."""
    scheme, separator, rest = place.partition("://")
    if not separator:
        return place
    from urllib.parse import unquote, urlsplit  # 3 ms that most commands need not pay

    try:
        urlsplit(place).port  # noqa: B018
    except ValueError:
        return f"{scheme}://…"  # a password that is not percent-encoded ends where it should not
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    told = [part for part in query.split("&") if not _SECRET.search(unquote(part.partition("=")[0]))]
    query = "&".join(filter(None, told))
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}{'?' if query else ''}{query}"


def moved_to(place: str) -> Moved:
    """The error for a step that found the workspace gone."""
    return Moved(place, shown(place))
