"""Changes on plain values: what a `Change` means, without any text.

Every backend that keeps records as values applies changes with `apply`, and the lossless editor checks its
result against it, so all of them agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from mdcoord.errors import UsageError
from mdcoord.formats.yamltext.limits import MAX_DEPTH, MAX_INT, MAX_KEY, MAX_VALUES, MIN_INT
from mdcoord.model import Change, Path


def apply(fields: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """The fields after the change; `fields` stays as it is and shares with them what is not touched.

    First every `set`, then every `delete`, then every `append`. A list index means the item that has it
    before this change, so several items of one list can be deleted at once. New keys come last in their
    mapping. Missing parents and parents that are null are made; a delete of something missing does nothing.

    Raises UsageError for a value that JSON does not know, for an index that a list does not have and for a
    path through something that is no mapping or list.
    """
    draft = _Draft(fields)
    for path, value in change.set.items():
        draft.set(path, plain(value, path))
    for path in sorted(change.delete, key=_by_index, reverse=True):
        draft.delete(path)
    for path, values in change.append.items():
        draft.append(path, plain(values, path))
    return draft.fields


def plain(value: Any, path: Sequence[str | int] = ()) -> Any:
    """A copy of the value made of the built-in JSON types only.

    Raises UsageError naming the path of what is none.
    """
    if type(value) is str and value.isascii():  # nearly all
        return value
    return _Plain().copy(value, tuple(path), len(path))


def same(left: Any, right: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, and one order of keys from another."""
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is dict:
        return list(left) == list(right) and all(same(left[name], right[name]) for name in left)
    if kind is list:
        return len(left) == len(right) and all(map(same, left, right))
    if kind is float:
        return repr(left) == repr(right)
    return bool(left == right)


def kept_names(old: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The keys of `old` that can stay where they are; all others of `wanted` come behind them."""
    kept: list[str] = []
    behind = iter(old)
    for name in wanted:
        if name not in behind:
            break
        kept.append(name)
    return kept


def count(value: Any) -> int:
    """How many keys and values a value holds, itself included, as `limits.MAX_VALUES` counts them."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(count, value.values()))
    return 1 + sum(map(count, value)) if isinstance(value, list) else 1


def spell(path: Sequence[str | int]) -> str:
    """A path as people read it: `metadata.loss`, `logs[0].at`."""
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return written.removeprefix(".")[:200] or "the front matter"


class _Draft:
    """Fields whose changed containers, and only those, are copies of its own."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields: dict[str, Any] = dict(fields)
        self._own = {id(self.fields)}

    def set(self, path: Path, value: Any) -> None:
        path = _path(path)
        parent = self._parent(path)
        _child(parent, path)
        parent[path[-1]] = value

    def delete(self, path: Path) -> None:
        at: Any = self.fields
        for step in path[:-1]:
            if not _has(at, step):
                return
            at = at[step]
        if path and _has(at, path[-1]):
            del self._parent(path)[path[-1]]

    def append(self, path: Path, values: Any) -> None:
        if not isinstance(values, list):
            raise UsageError(f"{spell(path)}: append takes a list of values", hint="wrap the value in a list")
        path = _path(path)
        parent = self._parent(path)
        old = _child(parent, path)
        if old is None:
            parent[path[-1]] = values
        elif not isinstance(old, list):
            raise UsageError(f"{spell(path)} is {_kind(old)}, not a list", hint="set it instead of appending")
        elif values:
            parent[path[-1]] = [*old, *values]

    def _parent(self, path: Path) -> Any:
        """The container of the path's last step, a copy that may be changed; missing ones are made."""
        at: Any = self.fields
        for depth, step in enumerate(path[:-1], 1):
            below = _container(at, path[:depth])
            if id(below) not in self._own:
                below = dict(below) if isinstance(below, dict) else list(below)
                self._own.add(id(below))
            at[step] = below
            at = below
        return at


class _Plain:
    """Copies one value and counts what it holds."""

    def __init__(self) -> None:
        self.count = 0

    def copy(self, value: Any, path: Path, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise UsageError(
                f"{spell(path)}: more than {MAX_VALUES} values", hint="keep large data in its own file"
            )
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return _text(value, path)
        if isinstance(value, int):
            return _whole(value, path)
        if isinstance(value, float):
            return _real(value, path)
        if isinstance(value, (dict, list)):
            if depth >= MAX_DEPTH:
                raise UsageError(
                    f"{spell(path)} is nested deeper than {MAX_DEPTH} levels", hint="flatten the value"
                )
            if isinstance(value, list):
                return [self.copy(item, (*path, index), depth + 1) for index, item in enumerate(value)]
            return {
                _key(name, path): self.copy(item, (*path, name), depth + 1) for name, item in value.items()
            }
        raise UsageError(
            f"{spell(path)} is a {type(value).__name__}, which JSON does not know",
            hint="use text, numbers, true, false, null, lists and mappings",
        )


def _text(value: str, path: Path) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            f"{spell(path)!a} holds half a character (a surrogate)", hint="write it as real text"
        ) from None
    return str.__str__(value)


def _key(name: Any, path: Path) -> str:
    if not isinstance(name, str):
        raise UsageError(f"{spell(path)}: the key {name!r} is no text", hint="keys are text")
    if len(name) > MAX_KEY:
        raise UsageError(f"{spell(path)}: a key is longer than {MAX_KEY} characters", hint="make it a value")
    return _text(name, (*path, name))


def _whole(value: int, path: Path) -> int:
    if not MIN_INT <= value <= MAX_INT:
        raise UsageError(f"{spell(path)}: the number needs more than 64 bits", hint="write it as text")
    return int(value)


def _real(value: float, path: Path) -> float:
    if not isfinite(value):
        raise UsageError(f"{spell(path)}: {value!r} is no number that JSON knows", hint="use null or text")
    return float(value)


def _by_index(path: Path) -> tuple[tuple[bool, int, str], ...]:
    return tuple((True, step, "") if isinstance(step, int) else (False, 0, step) for step in path)


def _has(container: Any, step: str | int) -> bool:
    if isinstance(container, dict):
        return step in container
    return isinstance(container, list) and type(step) is int and 0 <= step < len(container)


def _path(path: Path) -> Path:
    """The path with its names as built-in text. Raises UsageError for one that leads nowhere."""
    if len(path) == 1 and type(path[0]) is str:
        return path
    if not path:
        raise UsageError("a change needs a path", hint="name a field, for example ('status',)")
    if len(path) > MAX_DEPTH:
        raise UsageError(f"{spell(path)} is deeper than {MAX_DEPTH} levels", hint="flatten the fields")
    return tuple(str.__str__(step) if isinstance(step, str) else step for step in path)


def _child(container: Any, path: Path) -> Any:
    """What the container holds at the path's last step; None for a key that is not there yet."""
    step = path[-1]
    if isinstance(container, list):
        return container[_index(container, path)]
    if not isinstance(step, str):
        raise _wrong_step(path, container)
    if step not in container:
        _key(step, path[:-1])
    return container.get(step)


def _container(above: Any, path: Path) -> dict[str, Any] | list[Any]:
    """The mapping or list at the path's last step, a new mapping where there is nothing yet."""
    below = _child(above, path)
    if below is None:
        return {}
    if not isinstance(below, (dict, list)):
        raise UsageError(
            f"{spell(path)} is {_kind(below)}, so nothing can be set inside it",
            hint="set it to a mapping first",
        )
    return below


def _index(container: list[Any], path: Path) -> int:
    step = path[-1]
    if type(step) is not int or not 0 <= step < len(container):
        raise UsageError(
            f"{spell(path)}: the list has {len(container)} items, so {step!r} names none",
            hint="count from 0, or append",
        )
    return step


def _wrong_step(path: Path, container: Any) -> UsageError:
    return UsageError(
        f"{spell(path)}: {path[-1]!r} does not fit {_kind(container)}", hint="keys of a mapping are text"
    )


def _kind(value: Any) -> str:
    names = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")
