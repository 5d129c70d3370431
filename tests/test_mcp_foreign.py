"""The MCP server and a client that shares no code with it: the MCP inspector's command line (TypeScript).

It is installed with npm into a temporary folder, once a run. Without Node, npm or its registry the tests are
skipped; `TEST_INSPECTOR`, a folder in which it is installed already, saves the download.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_peer import REPOSITORY

from mdcoord import Workspace
from mdcoord.interfaces.mcp.tools import TOOLS

PACKAGE = "@modelcontextprotocol/inspector@0.15.0"
"""The last one that runs on Node 20."""

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

INSTALLING = 90
"""Seconds."""

ANSWERING = 60
"""Seconds."""

Inspect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The command of the inspector."""
    folder = Path(os.environ.get("TEST_INSPECTOR") or tmp_path_factory.mktemp("inspector"))
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed for the inspector")
    command = folder / "node_modules" / ".bin" / "mcp-inspector"
    if not command.exists():
        quick = ["--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0"]
        install = ["npm", "install", *quick, f"--prefix={folder}", PACKAGE]
        try:
            subprocess.run(install, check=True, capture_output=True, timeout=INSTALLING)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"npm could not install the inspector: {type(error).__name__}")
    yield [str(command), "--cli"]
    if not os.environ.get("TEST_INSPECTOR"):
        shutil.rmtree(folder)


@pytest.fixture
def inspect(inspector: list[str], tmp_path: Path) -> Inspect:
    """Ask the server that the README's .mcp.json names, in a folder with a workspace."""
    Workspace.create(tmp_path).close()
    section = README.partition("\n## For agents (MCP)\n")[2]
    found = re.search(r"^```json\n(.*?)^```", section, flags=re.M | re.S)
    assert found
    (tmp_path / ".mcp.json").write_text(found[1])
    program = tmp_path / "bin" / "mdcoord"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mdcoord "$@"\n')
    program.chmod(0o755)
    env = {**os.environ}
    env |= {"HOME": str(tmp_path), "PATH": f"{program.parent}{os.pathsep}{env['PATH']}"}

    def ask(*arguments: str) -> dict[str, Any]:
        command = [*inspector, "--config", ".mcp.json", "--server", "mdcoord", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=ANSWERING
        )
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    return ask


def call(inspect: Inspect, tool: str, *arguments: str) -> dict[str, Any]:
    given = [part for argument in arguments for part in ("--tool-arg", argument)]
    result = inspect("--method", "tools/call", "--tool-name", tool, *given)
    answer: dict[str, Any] = json.loads(result["content"][0]["text"])
    return {**answer, "failed": bool(result.get("isError"))}


def test_the_inspector_lists_and_calls_the_tools(inspect: Inspect) -> None:
    listed = inspect("--method", "tools/list")
    assert [tool["name"] for tool in listed["tools"]] == [*TOOLS]

    made = call(inspect, "coord_create_tasks", 'tasks=[{"title": "Train", "id": "train", "priority": 5}]')
    assert (made["created"], made["failed"]) == (["train"], False)
    refused = call(inspect, "coord_complete_task", "id=train")
    assert (refused["error"], refused["failed"]) == ("claim_lost", True)
