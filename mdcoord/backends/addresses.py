"""Places where workspaces live, as people are told of them."""

from __future__ import annotations

from mdcoord.errors import Moved


def shown(place: str) -> str:
    """A place for people: an address without the name and the password in it."""
    scheme, separator, rest = place.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else place


def moved_to(place: str) -> Moved:
    """The error for a step that found the workspace gone."""
    return Moved(place, shown(place))
