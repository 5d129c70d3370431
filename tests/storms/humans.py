"""People with editors among tools: scripted editors save documents that tools write at the same time.

One person works on each document, in every way that people and agents save files; several tools write to
all of them. Each way of saving has marks of its own (a line of prose, a field, a comment), numbered, so
that the last save of each is to be found in the end; each tool has fields of its own, whose last
acknowledged value is to be found.

Run as a script: `humans.py FOLDER SEED SECONDS` prints a JSON report whose `violations` should be empty.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from processes import run_all

from mdcoord.backends.markdown.history import version_of
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.errors import Busy, InvalidDocument, MdcoordError
from mdcoord.model import Change, Key

DOCUMENTS = 3
TOOLS = 2


class Person:
    """Saves one document in all ways, one after the other, and knows what must be in it."""

    def __init__(self, folder: Path, number: int, seed: int) -> None:
        self.path = folder / f"task-{number}.md"
        self.state = folder / ".state" / "locks" / self.path.stem
        self.random = random.Random(f"{seed}/{number}")
        self.number = 0
        self.saved: dict[str, int] = {}
        self.appended: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.committed = ""

    def work(self, until: float) -> None:
        ways: list[tuple[str, Callable[[], None]]] = [
            ("rename", lambda: self.edit("rename", self.rename)),
            ("truncate", lambda: self.edit("truncate", self.truncate)),
            ("overwrite", lambda: self.edit("overwrite", self.overwrite)),
            ("stalerename", lambda: self.edit("stalerename", self.rename, 0.3)),
            ("staletruncate", lambda: self.edit("staletruncate", self.truncate, 0.3)),
            ("agent", lambda: self.edit("agent", self.whole_file)),
            ("sed", self.sed),
            ("shell", self.shell),
            ("git", self.git),
        ]
        self.git_do("init", "-q")
        while time.monotonic() < until:
            kind, way = self.random.choice(ways)
            way()
            self.kinds[kind] += 1
            self.await_tool()
            time.sleep(self.random.uniform(0, 0.03))

    def await_tool(self) -> None:
        """Until a tool has written a version of its own again, which should have all that was saved.

        What one person saves over another's save, no tool can know. The file alone does not tell: a
        version that is swapped in may be taken back a moment later.
        """
        deadline = time.monotonic() + 10
        while not self.is_united() and time.monotonic() < deadline:
            time.sleep(0.001)

    def is_united(self) -> bool:
        try:
            data, state = self.path.read_bytes(), json.loads(self.state.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        text = data.decode()
        wanted = [f"note of {way}: {number}!" for way, number in self.saved.items()]
        return state["v"] == version_of(data) and all(words in text for words in [*wanted, *self.appended])

    # ------------------------------------------------------------ the ways

    def edit(self, name: str, save: Callable[[bytes], None], stale: float = 0.0) -> None:
        """Open, change the marks of this way, perhaps wait while tools write, save."""
        self.number += 1
        text = mark(self.path.read_bytes().decode(), name, self.number)
        time.sleep(self.random.uniform(0, stale))
        save(text.encode())
        self.saved[name] = self.number

    def rename(self, data: bytes) -> None:
        """As vim, sed and most editors do."""
        temp = self.path.with_name(f".{self.path.name}.{os.getpid()}.swp")
        temp.write_bytes(data)
        os.replace(temp, self.path)

    def truncate(self, data: bytes) -> None:
        """As nano and many others do: the file is empty, then half there, then whole."""
        with open(self.path, "wb", buffering=0) as file:
            self.pause()
            half = self.random.randrange(len(data))
            file.write(data[:half])
            self.pause()
            file.write(data[half:])

    def overwrite(self, data: bytes) -> None:
        """Opened long before it writes, cut to length at the end."""
        with open(self.path, "r+b", buffering=0) as file:
            self.pause()
            file.write(data)
            self.pause()
            file.truncate()

    def whole_file(self, data: bytes) -> None:
        """As agents' tools and VS Code do: truncate, then one write."""
        with open(self.path, "wb", buffering=0) as file:
            file.write(data)

    def sed(self) -> None:
        self.number += 1
        n = self.number
        text = self.path.read_text()
        if "note of sed:" in text:
            script = [f"s/^note of sed: .*/note of sed: {n}!/", f"s/^by_sed: .*/by_sed: {n}  # sed {n}!/"]
        else:
            script = [f"0,/^---$/! s/^---$/by_sed: {n}  # sed {n}!\\n---\\nnote of sed: {n}!/"]
        subprocess.run(["sed", "-i", ";".join(script), self.path], check=True)
        self.saved["sed"] = n

    def shell(self) -> None:
        """`>>` opens the file first; what the command says comes later."""
        line = f"appended {self.path.stem} {len(self.appended)}!"
        script = f'{{ sleep {self.random.uniform(0, 0.02):.4f}; echo; echo "{line}"; }} >> "{self.path}"'
        subprocess.run(["sh", "-c", script], check=True)
        self.appended.append(line)

    def git(self) -> None:
        """Commit what is there, or bring an older version back."""
        name = self.path.name
        if not self.committed or self.random.random() < 0.3:
            self.git_do("add", name)
            self.git_do("commit", "-qm", "work", "--allow-empty")
            self.committed = self.git_do("rev-parse", "HEAD")
        else:
            self.git_do("checkout", "-q", self.committed, "--", name)

    def git_do(self, *arguments: str) -> str:
        folder = self.path.parent
        environment = {
            **os.environ,
            "GIT_DIR": str(folder.parent / f"git-{self.path.stem}"),
            "GIT_WORK_TREE": str(folder),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        done = subprocess.run(
            ["git", *arguments], env=environment, cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def pause(self) -> None:
        time.sleep(self.random.choice([0, 0, self.random.uniform(0, 0.03)]))

    def report(self) -> dict[str, Any]:
        return {
            "document": self.path.stem,
            "saved": self.saved,
            "appended": self.appended,
            "kinds": self.kinds,
        }


def mark(text: str, name: str, number: int) -> str:
    """The text with this way's marks set to a number: a field with a comment, and a line of prose."""
    field = f"by_{name}: {number}  # {name} {number}!"
    prose = f"note of {name}: {number}!"
    if f"note of {name}:" not in text:
        head, fence, body = text[4:].partition("\n---\n")
        assert fence, f"no front matter in {text!r}"
        return f"---\n{head}\n{field}\n---\n{body.rstrip()}\n\n{prose}\n"
    text = re.sub(rf"^by_{name}: .*$", field, text, flags=re.M)
    return re.sub(rf"^note of {name}: .*$", prose, text, flags=re.M)


def tool(folder: Path, number: int, seed: int, until: float) -> dict[str, Any]:
    """Writes counters of its own to all documents until the end; says what was acknowledged."""
    chance = random.Random(f"{seed}/tool/{number}")
    store = MarkdownBackend(folder, durability="none")
    acknowledged: dict[str, int] = {}
    refused: Counter[str] = Counter()
    n = 0
    while time.monotonic() < until:
        key = Key("task", str(chance.randrange(DOCUMENTS)))
        n += 1
        change = Change(
            set={(f"tool_{number}",): n, ("progress",): n % 100 / 100},
            append={("logs",): [{"at": str(n), "message": f"tool {number}"}]} if n % 50 == 0 else {},
        )
        try:
            store.write(key, change)
        except (Busy, InvalidDocument) as error:
            refused[type(error).__name__] += 1
            continue
        acknowledged[key.name] = n
        time.sleep(chance.uniform(0, 0.01))
    return {"tool": number, "acknowledged": acknowledged, "writes": n, "refused": refused}


def violations(folder: Path, people: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Iterator[str]:
    """What is missing in the documents."""
    store = MarkdownBackend(folder, durability="none")
    for person in people:
        name = person["document"]
        key = Key.of("task", name)
        try:
            store.write(key, Change(set={("settled",): True}))
            text, fields = store.text(key), store.read(key).fields
        except MdcoordError as error:
            yield f"{name}: {error!r}"
            continue
        for way, number in person["saved"].items():
            if fields.get(f"by_{way}") != number:
                yield f"{name}: field by_{way} is {fields.get(f'by_{way}')}, saved {number}"
            if f"note of {way}: {number}!" not in text:
                yield f"{name}: the prose of {way} {number} is missing"
            if f"# {way} {number}!" not in text:
                yield f"{name}: the comment of {way} {number} is missing"
        for line in person["appended"]:
            if line not in text:
                yield f"{name}: {line} is missing"
        for report in tools:
            field, wanted = f"tool_{report['tool']}", report["acknowledged"].get(name)
            if wanted is not None and fields.get(field) != wanted:
                yield f"{name}: {field} is {fields.get(field)}, acknowledged {wanted}"
    yield from (f"left over: {path}" for path in folder.glob(".mdc-*"))
    yield from (f"put aside: {path}" for path in folder.glob(".state/kept/*"))


def storm(base: Path, seed: int, seconds: float) -> dict[str, Any]:
    """The whole storm below an empty folder."""
    folder = base / "work"
    folder.mkdir()
    store = MarkdownBackend(folder, durability="none")
    for number in range(DOCUMENTS):
        store.create("task", {"title": f"Task {number}", "status": "pending"}, name=str(number))
    until = time.monotonic() + seconds

    def person(number: int) -> dict[str, Any]:
        who = Person(folder, number, seed)
        who.work(until)
        return who.report()

    jobs: list[Callable[[], dict[str, Any]]] = [
        *(lambda n=n: person(n) for n in range(DOCUMENTS)),
        *(lambda n=n: tool(folder, n, seed, until + 1) for n in range(TOOLS)),
    ]
    reports = run_all(jobs, base)
    people, tools = reports[:DOCUMENTS], reports[DOCUMENTS:]
    return {
        "seed": seed,
        "saves": sum(sum(person["kinds"].values()) for person in people),
        "kinds": dict(sum((Counter(person["kinds"]) for person in people), Counter())),
        "writes": sum(tool["writes"] for tool in tools),
        "refused": dict(sum((Counter(tool["refused"]) for tool in tools), Counter())),
        "violations": list(violations(folder, people, tools)),
    }


if __name__ == "__main__":
    print(json.dumps(storm(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])), indent=1))
