"""What a power cut can leave of a workspace, after every call of a verb.

`Recorder` notes what the verb does to files and folders. `states` then plays all that a file system may
have kept of it when the power goes, in a weak model: what was synced is there; of what was not, file
contents may be whole, missing, half there or zeros, and names may be what they were before, in any
combination (what one call renames is whole). Where there are too many combinations: all extremes, and a
seeded choice of the others.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from faulty import Faults
from sweep import afterwards, invalid, prepared
from verbs import Content, Verb, World

from mdcoord.backends.markdown.attributes import MARK

MOST = 16
"""States that are looked at after one call; more in the long version."""


class Op(NamedTuple):
    """One thing that was done.

    `kind`: write, cut or mark (to the file `where`), name (in the folders `where`: which file each path
    is now), sync (of a file or folder), ack.
    """

    kind: str
    where: Any
    details: tuple[Any, ...] = ()


class Recorder(Faults):
    """Lets all calls happen, but for syncs, and notes those that change something."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self._open: dict[int, Any] = {}
        self._born: dict[int, str] = {}

    def call(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        new = name in ("open", "mkdir") and not os.path.lexists(arguments[0])
        result = None if name == "fsync" else function(*arguments, **named)
        if name == "open" and isinstance(result, int):
            self._opened(result, arguments[0], new)
        elif name == "mkdir" and new:
            self._named(arguments[0])
        else:
            self._note(name, arguments, result)
        return result

    def _opened(self, descriptor: int, path: str, new: bool) -> None:
        if new:
            # Numbers of inodes are used again.
            inode = os.fstat(descriptor).st_ino
            self._born[inode] = f"{inode} of {len(self.ops)}"
            self._named(path)
        self._open[descriptor] = path if os.path.isdir(path) else self._file(path)

    def _file(self, path: str) -> Any:
        """What a path is: a file, True for a folder, None for nothing."""
        if os.path.isdir(path):
            return True
        inode = os.lstat(path).st_ino if os.path.lexists(path) else None
        return inode and self._born.get(inode, inode)

    def _named(self, *paths: str) -> None:
        folders = tuple(dict.fromkeys(map(os.path.dirname, paths)))
        self.ops.append(Op("name", folders, tuple((path, self._file(path)) for path in paths)))

    def _note(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        there = self._open.get(arguments[0]) if arguments and isinstance(arguments[0], int) else None
        if name == "write":
            end = os.fstat(arguments[0]).st_size
            self.ops.append(Op("write", there, (end - result, bytes(arguments[1])[:result])))
        elif name == "pwrite":
            self.ops.append(Op("write", there, (arguments[2], bytes(arguments[1])[:result])))
        elif name == "ftruncate":
            self.ops.append(Op("cut", there, (arguments[1],)))
        elif name == "setxattr" and arguments[1] == MARK:
            self.ops.append(Op("mark", there, (arguments[2],)))
        elif name == "fsync":
            self.ops.append(Op("sync", there))
        elif name == "unlink":
            self._named(arguments[0])
        elif name in ("rename", "rename_new", "exchange", "link") and result is not False:
            self._named(*arguments[:2])


@dataclass
class Disk:
    """What is on a disk: contents and marks by file, files by path, folders."""

    contents: dict[Any, bytes] = field(default_factory=dict)
    marks: dict[Any, bytes] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: Path) -> Disk:
        """The disk as it is, all of it safe."""
        disk = cls()
        for base, folders, files in os.walk(folder):
            disk.folders.update(os.path.join(base, name) for name in folders)
            for name in files:
                path = os.path.join(base, name)
                inode = os.stat(path).st_ino
                disk.names[path] = inode
                disk.contents[inode] = Path(path).read_bytes()
                try:
                    disk.marks[inode] = os.getxattr(path, MARK)
                except OSError:
                    pass
        return disk

    def copy(self) -> Disk:
        """Another one that is the same."""
        return Disk(dict(self.contents), dict(self.marks), dict(self.names), set(self.folders))

    def name(self, op: Op) -> None:
        """Do what changes folders."""
        for path, file in op.details:
            if file is True:
                self.folders.add(path)
            elif file is None:
                self.names.pop(path, None)
            else:
                self.names[path] = file

    def write(self, op: Op, how: str) -> None:
        """Do what changes a file: `whole`, `half` of it, or `zeros` instead of it."""
        old = self.contents.get(op.where, b"")
        if op.kind == "mark":
            self.marks[op.where] = op.details[0]
        elif op.kind == "cut":
            self.contents[op.where] = old[: op.details[0]]
        else:
            place, data = op.details
            data = bytes(len(data)) if how == "zeros" else data[: len(data) // 2] if how == "half" else data
            self.contents[op.where] = old[:place].ljust(place, b"\0") + data + old[place + len(data) :]

    def put(self, source: Path, target: Path) -> None:
        """Make real files of it, those of `source` in `target`."""

        def moved(path: str) -> Path:
            return target / os.path.relpath(path, source)

        target.mkdir()
        for folder in sorted(self.folders):
            moved(folder).mkdir(exist_ok=True)
        for path, inode in self.names.items():
            if moved(path).parent.is_dir():
                moved(path).write_bytes(self.contents.get(inode, b""))
                if inode in self.marks:
                    os.setxattr(moved(path), MARK, self.marks[inode])


def states(before: Disk, ops: Sequence[Op], most: int, chance: random.Random) -> Iterator[Disk]:
    """What may be on the disk when the power goes after these operations."""
    synced: dict[Any, int] = {op.where: number for number, op in enumerate(ops) if op.kind == "sync"}
    sure = before.copy()
    pending_names: list[Op] = []
    pending_data: dict[Any, list[Op]] = {}
    for number, op in enumerate(ops):
        if op.kind == "name":
            if any(synced.get(folder, -1) > number for folder in op.where):
                sure.name(op)
            else:
                pending_names.append(op)
        elif op.kind in ("write", "cut", "mark"):
            if synced.get(op.where, -1) > number:
                sure.write(op, "whole")
            else:
                pending_data.setdefault(op.where, []).append(op)
    hows = [("none", "whole", "half", "zeros")] * len(pending_data)
    for choice in _some([(False, True)] * len(pending_names), hows, most, chance):
        names, data = choice[: len(pending_names)], choice[len(pending_names) :]
        disk = sure.copy()
        for op, kept in zip(pending_names, names, strict=True):
            if kept:
                disk.name(op)
        for changes, how in zip(pending_data.values(), data, strict=True):
            for op in changes if how != "none" else ():
                disk.write(op, str(how))
        yield disk


def _some(
    names: list[tuple[bool, ...]], hows: list[tuple[str, ...]], most: int, chance: random.Random
) -> list[tuple[Any, ...]]:
    """All combinations, or the extremes and some of the others."""
    options: list[tuple[Any, ...]] = [*names, *hows]
    total = 1
    for option in options:
        total *= len(option)
    if total <= most:
        return list(product(*options))
    ways = ("none", "whole", "half", "zeros")
    extremes = [(kept,) * len(names) + (how,) * len(hows) for kept in (True, False) for how in ways]
    single = [
        tuple(place != gone for place in range(len(names))) + ("whole",) * len(hows)
        for gone in range(len(names))
    ]
    chosen = dict.fromkeys([*extremes, *single])
    while len(chosen) < most:
        chosen[tuple(chance.choice(option) for option in options)] = None
    return list(chosen)


def power_cuts(
    verbs: Sequence[Verb], scratch: Path, most: int = MOST, enough: int = 1000
) -> tuple[int, list[str]]:
    """Cut the power after each call of some verbs, which act one after the other in one workspace.

    Returns how many states were looked at, and what was wrong in them; ends early with `enough` problems.
    """
    template = prepared(verbs[0], scratch / "template")
    disk = Disk.read(template.folder)
    ops, contents = _recorded(verbs, template.folder)
    names = [verb.name for verb in verbs]
    found: list[str] = []
    count = 0
    for end in range(len(ops) + 1):
        done = ops[:end]
        if done and done[-1].kind == "sync":
            continue  # only takes possibilities away
        acknowledged = sum(op.kind == "ack" for op in done)
        for state in states(disk, done, most, random.Random(f"{names}/{end}")):
            count += 1
            state.put(template.folder, scratch / "state")
            problems = list(_check(verbs, scratch / "state", acknowledged, contents))
            shutil.rmtree(scratch / "state")
            found += [f"{names}, after {end} ({done[-1:]}): {problem}" for problem in problems]
            if len(found) >= enough:
                return count, found
    return count, found


def _recorded(verbs: Sequence[Verb], folder: Path) -> tuple[list[Op], list[Content]]:
    """What the verbs do, and what the workspace says before and after each."""
    recorder = Recorder()
    world = World(folder, "full")
    contents = [world.content()]
    for number, verb in enumerate(verbs):
        with recorder.active():
            verb.act(world)
        recorder.ops.append(Op("ack", number))
        contents.append(World(folder, "none").content())
    return recorder.ops, contents


def _check(
    verbs: Sequence[Verb], folder: Path, acknowledged: int, contents: Sequence[Content]
) -> Iterator[str]:
    content = World(folder, "none").content()
    yield from invalid(content)
    possible = contents[acknowledged : acknowledged + 2]
    if content not in possible:
        yield f"neither of {possible}: {content}"
    yield from afterwards(verbs, World(folder, "none"))
