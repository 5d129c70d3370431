"""Making a workspace: its folder, a README for people, what git is not to see. What is there stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mdcoord.errors import BackendUnavailable
from mdcoord.layout import STATE, checkout_of

README: Final = """\
# Coordination

This folder is how coding agents, scripts and people share work in this project. Every file is Markdown that
you can read, and that you may edit in any editor, at any time, also while agents are running: what you save
is kept, and what they write at the same moment is merged with it. Tools read the part between the `---` lines
at the top of a file; the rest is for people. What stands between `<!-- mdcoord:view … -->` lines is written
from it.

| file | what it is |
| --- | --- |
| `task-{id}.md` | one piece of work: its status, who has it, what depends on it |
| `agent-{name}.md` | one agent: what it can do, when it was last seen |
| `events-{channel}.md` | what happened, newest at the end |
| `context-{project}-{domain}.md` | what one agent found out and others use |
| `metrics-{type}.md` | figures |
| `progress-{project}.md` | how far a project is |
| `message-{id}.md` | one message |
| `templates/` | your own templates, used instead of those that come with mdcoord |
| `archive/` | finished tasks and older events; `mdcoord archive` moves them there |

To hold a task back, set its `status` to `cancelled`; to have it done again, to `pending`. To make a task,
copy a task file, give it another name and another `task_id`, and set its `status` to `pending`.

`mdcoord status` shows what is going on, `mdcoord check` whether all files can be read, `mdcoord --help` the
rest.
"""

_EPHEMERAL: Final = (
    "# Coordination files (ephemeral state)",
    ".claude/coordination/*",
    "!.claude/coordination/README.md",
    "!.claude/coordination/.gitkeep",
)
"""With `/*`, since git does not look into a folder that is ignored itself: the `!` lines would do nothing."""

_TRACKED: Final = (
    "# Locks, leases and unfinished files of mdcoord",
    f".claude/coordination/{STATE}/",
    ".claude/**/.mdc-*.tmp",
)


_TRACKING: Final = frozenset([_TRACKED[1], "/" + _TRACKED[1]])
"""Lines that only a workspace has whose documents git is to see."""


def make_workspace(root: Path, *, track: bool = False) -> list[Path]:
    """Make the workspace whose root this is, and return what was made or changed; nothing when all is there.

    With `track` git is to see the documents; else only the README, unless they are tracked already or some
    rule of git leaves them out. Raises BackendUnavailable.
    """
    project = root.parent.parent
    try:
        done = [root] if not root.is_dir() else []
        root.mkdir(parents=True, exist_ok=True)
        if _write_new(root / "README.md", README):
            done.append(root / "README.md")
        ignored = project / ".gitignore"
        if checkout_of(project) and _add_lines(ignored, _TRACKED if track else _EPHEMERAL):
            done.append(ignored)
        return done
    except OSError as error:
        raise BackendUnavailable(
            f"the workspace cannot be made: {error}", hint="check the folder's permissions", path=str(root)
        ) from error


def _write_new(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _add_lines(path: Path, lines: tuple[str, ...]) -> bool:
    """Append the lines that are missing, in one write; whatever is there stays byte for byte."""
    there = path.read_bytes() if path.exists() else b""
    known = {line.strip() for line in there.decode("utf-8", "replace").splitlines()}
    rules = [line for line in lines if not line.startswith("#")]
    covered = {
        ".claude/coordination",
        ".claude/coordination/",
        "/.claude/coordination/",
        ".claude/",
        ".claude",
    }
    if known.issuperset(rules) or (known & covered):
        return False
    if lines is _EPHEMERAL and (known & _TRACKING or (not known & {*rules} and _left_out(path.parent))):
        return False
    newline = "\r\n" if b"\r\n" in there else "\n"
    missing = [line for line in lines if line not in known]
    lead = ("" if there.endswith(b"\n") else newline) + newline if there else ""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "ab") as file:
        file.write((lead + "".join(line + newline for line in missing)).encode())
    return True


def _left_out(project: Path) -> bool:
    """Whether git ignores documents of the workspace by whatever rule: another file's, or the user's own."""
    import subprocess

    probe = ".claude/coordination/task-0.md"
    try:
        done = subprocess.run(
            ["git", "check-ignore", "--quiet", "--no-index", "--", probe],
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
