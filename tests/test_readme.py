"""What the README shows is what happens: its console session and its Python are run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from test_cli_transcripts import commands, environment, run, stable

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SHOWN = Path("/home/you")


def block(language: str) -> str:
    found = re.findall(rf"^(`{{3,4}}){language}\n(.*?)^\1\n", README, flags=re.M | re.S)
    assert len(found) == 1, f"the README has {len(found)} {language} blocks"
    return str(found[0][1])


def test_the_session_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "project")], check=True)
    session = commands(block("console"))
    outputs = run([command for command, _ in session], tmp_path)
    for (command, expected), output in zip(session, outputs, strict=True):
        assert output == stable("\n".join(expected), SHOWN), command


def test_the_python_block_runs(tmp_path: Path) -> None:
    env = environment(tmp_path)
    program = block("python") + "\nprint(Workspace.open('.').tasks.get('evaluate').status)\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "project",
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "completed\n", "")


def test_the_workflow_is_made(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "release.md").write_text(block("yaml"))
    lines = [
        line.partition("  #")[0] for line in README.splitlines() if line.startswith("mdcoord workflow run")
    ]
    made, shown = run(
        ["mdcoord init >/dev/null && " + lines[0], "mdcoord workflow results release-1.2"], tmp_path
    )
    assert made == ["release-1.2: 5 of 5 tasks made now"]
    assert len(shown) == 6


def test_both_set_up_commands_are_one_line_and_make_their_own_environment() -> None:
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [line.rpartition("/")[2] for line in lines] == ["mdcoord demo", "python -m pytest -n auto"]


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPOSITORY / target).exists(), target
