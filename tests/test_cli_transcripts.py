"""The command line as people see it: every `$ command` of tests/transcripts prints what stands below it.

A transcript is Markdown; its `console` blocks are one session of one shell in an empty folder. A line
`> …` goes on with the command above it. Where it says `$SERVER` there is a Redis server of its own. What
differs from run to run is written as a name: <time>, <age>, <token> … Output on stderr is shown where it
appears, and an exit code other than 0 as `[exit 5]`. After a change that is wanted, run
`pytest tests/test_cli_transcripts.py --update-transcripts` and read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from redis_servers import Server, some_program

FOLDER = Path(__file__).parent / "transcripts"
MARK = "\x1e"

VOLATILE = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),
    (r"\b\d+-[0-9a-f]{12}\b", "<token>"),
    (r"\b([a-z]+):\d+:[0-9a-f]{16}\b", r"\1:<cursor>"),
    (r"\b[0-9a-f]{32}\b", "<version>"),
    (r"\b[0-9a-f]{16}\b", "<event>"),
    (r'("host": )"[^"]*"', r'\1"<host>"'),
    (r"(\*\*Duration\*\*: )\ds", r"\1<duration>"),
    (r'(duration_sec: |"seconds": )\d+(\.\d+)?', r"\1<seconds>"),
    (r"(\(attempt \d+, )\d+s", r"\1<duration>"),
    (r"(to be tried again in )\d+s", r"\1<duration>"),
]

Session = list[tuple[str, list[str]]]


def read(text: str) -> list[str | Session]:
    """The parts of a transcript: text as it is, and the commands of a block, each with its expected lines."""
    parts: list[str | Session] = []
    for index, part in enumerate(re.split(r"^```console\n(.*?)^```\n", text, flags=re.M | re.S)):
        parts.append(commands(part) if index % 2 else part)
    return parts


def commands(block: str) -> Session:
    session: Session = []
    for line in block.splitlines():
        if line.startswith("$ "):
            session.append((line[2:], []))
        elif line.startswith("> ") and not session[-1][1]:
            session[-1] = (f"{session[-1][0]}\n{line[2:]}", [])
        else:
            session[-1][1].append(line)
    return session


def shown(parts: list[str | Session], outputs: list[list[str]]) -> str:
    """The transcript with these outputs in place of the expected ones."""
    left = iter(outputs)
    text = []
    for part in parts:
        if isinstance(part, str):
            text.append(part)
            continue
        lines = [line for command, _ in part for line in ("$ " + command.replace("\n", "\n> "), *next(left))]
        text.append("```console\n" + "".join(f"{line}\n" for line in lines) + "```\n")
    return "".join(text)


def run(scripts: list[str], folder: Path) -> list[list[str]]:
    """What each command prints, in one shell, and its exit code where it is not 0."""
    script = "".join(f"{command}\nprintf '{MARK}%s{MARK}' $?\n" for command in scripts)
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=folder / "project",
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    pieces = done.stdout.split(MARK)
    assert len(pieces) == 2 * len(scripts) + 1, done.stdout
    pairs = zip(pieces[0::2], pieces[1::2], strict=False)
    return [stable(output, folder) + ([f"[exit {code}]"] if code != "0" else []) for output, code in pairs]


def environment(folder: Path) -> dict[str, str]:
    binaries = folder / "bin"
    binaries.mkdir()
    for name, meant in (("mdcoord", "-m mdcoord"), ("python", "")):
        command = binaries / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {meant} "$@"\n')
        command.chmod(0o755)
    (folder / "project").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "MDCOORD_DURABILITY"}
    return {
        **kept,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "MDCOORD_SESSION": "terminal-1",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder),
    }


def stable(output: str, folder: Path) -> list[str]:
    text = output.replace(str(folder / "project"), "<project>")
    text = text.replace(os.environ.get("SERVER", "<server>"), "<server>")
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text)
    for word, name in (("ago", "<age>"), ("left", "<left>")):
        # In a table the blanks after it make up for its length, which may differ from run to run.
        text = re.sub(
            rf"\b(\d+[dhms])+ {word}\b(?=  )", lambda found, name=name: name.ljust(len(found[0])), text
        )
        text = re.sub(rf"\b(\d+[dhms])+ {word}\b", name, text)
    return [line.rstrip() for line in text.splitlines()]


def squeezed(text: str) -> str:
    """The text with narrow columns: how wide one with ages is depends on how fast the machine is."""
    return re.sub(r"(?<=\S)  +", "  ", text)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_transcript(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    text = path.read_text()
    parts = read(text)
    scripts = [command for part in parts if not isinstance(part, str) for command, _ in part]
    assert scripts, "a transcript without a command"
    if "$SERVER" in text:
        server = Server(some_program())
        request.addfinalizer(server.close)
        monkeypatch.setenv("SERVER", f"unix://{server.socket}")
    now = shown(parts, run(scripts, tmp_path))
    if request.config.getoption("--update-transcripts"):
        path.write_text(now)
    else:
        assert squeezed(now) == squeezed(text)


def test_a_difference_is_found(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    text = "A.\n\n```console\n$ echo one\none\n$ (exit 3)\n[exit 3]\n$ printf 'a\n> b'\nb\n```\n"
    parts = read(text)
    scripts = [command for part in parts if not isinstance(part, str) for command, _ in part]
    assert shown(parts, run(scripts, tmp_path)) == text.replace("\nb\n", "\na\nb\n")
