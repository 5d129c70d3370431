"""The checklist for beginning to work: what it finds, that it only looks, that it may be repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from contract.fakes import FakeHost

from mdcoord.errors import NotFound, UsageError
from mdcoord.interfaces.cli.app import cli
from mdcoord.upkeep.assess import CAPABILITIES, Assessment, Point, proposed_id
from mdcoord.workspace import Workspace


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, programs = tmp_path / "project", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("MDCOORD_SESSION", "s1")
    monkeypatch.chdir(folder)
    return folder


def install(name: str) -> None:
    path = Path(os.environ["PATH"], name)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def point(found: Assessment, name: str) -> Point:
    (one,) = [point for point in found.points if point.name == name]
    return one


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run(*arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    return done.exit_code, json.loads(done.output) if done.exit_code == 0 else done.output


# -- what it finds


def test_nothing_is_there(project: Path) -> None:
    found = Workspace.assess()
    assert (found.workspace, found.types, found.agents, found.registered) == (None, (), [], False)
    assert {point.name: point.status for point in found.points} == {
        "workspace": "none",
        "configuration": "none",
        "redis": "none",
        "redis variables": "none",
        "taskqueue": "none",
        "live agents": "none",
        "project type": "none",
        "lint": "none",
        "tests": "none",
        "build": "none",
        "your name": "none",
    }
    assert point(found, "build").found == "the project's type is not known; set project.build_command"
    assert files(project) == []


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("docker-compose.yml", "services:\n  cache:\n    image: redis:7\n", "ok"),
        ("compose.yaml", "services:\n  cache: {image: valkey/valkey}\n", "ok"),
        ("docker-compose.yml", "services:\n  # redis\n  credits: {}\n", "none"),
        ("other.yml", "redis\n", "none"),
    ],
)
def test_redis_in_a_compose_file(project: Path, name: str, text: str, status: str) -> None:
    (project / name).write_text(text)
    assert point(Workspace.assess(), "redis").status == status


def test_redis_variables_are_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@there")
    monkeypatch.setenv("MDCOORD_REDIS_URL", "redis://:secret@there")
    found = Workspace.assess()
    assert point(found, "redis variables").found == "MDCOORD_REDIS_URL, REDIS_URL"
    assert "secret" not in str(found)


def test_taskqueue(project: Path) -> None:
    (project / ".mcp.json").write_text('{"mcpServers": {"other": {}}}')
    assert point(Workspace.assess(), "taskqueue").status == "none"
    (project / ".mcp.json").write_text('{"mcpServers": {"taskqueue": {}}}')
    assert point(Workspace.assess(), "taskqueue").found == "in .mcp.json"
    install("taskqueue-mcp")
    assert point(Workspace.assess(), "taskqueue").found == "taskqueue-mcp is installed"


@pytest.mark.parametrize(
    ("mark", "tools", "expected"),
    [
        ("package.json", "npm", {"project type": "node (package.json)", "tests": "npm run --silent test"}),
        ("go.mod", "go", {"project type": "go (go.mod)", "build": "go build ./...", "lint": "go vet ./..."}),
        ("Cargo.toml", "cargo", {"tests": "cargo test --quiet", "lint": "cargo-clippy is not installed"}),
        ("requirements.txt", "pytest ruff", {"tests": "pytest -q", "lint": "ruff check {files}"}),
    ],
)
def test_how_the_project_is_built(project: Path, mark: str, tools: str, expected: dict[str, str]) -> None:
    (project / mark).write_text('{"scripts": {"test": "jest"}}')
    for tool in tools.split():
        install(tool)
    found = Workspace.assess()
    assert {name: point(found, name).found for name in expected} == expected


def test_the_configuration_counts(project: Path) -> None:
    Workspace.create(project).close()
    (project / ".claude/workflow-config.yml").write_text(
        "project:\n  type: cobol\n  build_command: make\n  lint_command: off\ntasks:\n  retries: 1\n"
    )
    found = Workspace.assess()
    assert point(found, "project type").found == "cobol (as configured)"
    assert point(found, "build").found == "make"
    assert point(found, "lint").found == "turned off by project.lint_command"
    wrong = point(found, "configuration")
    assert (wrong.status, wrong.found.partition(": ")[2]) == (
        "wrong",
        "tasks.retries is no setting of mdcoord",
    )
    (project / ".claude/workflow-config.yml").write_text("project:\n  type: [\n")
    wrong = point(Workspace.assess(), "configuration")
    assert (wrong.status, wrong.hint) == ("wrong", "`mdcoord config --check` tells all")


def test_live_agents(project: Path) -> None:
    host = FakeHost()
    with Workspace.create(project, host=host) as workspace:
        workspace.agents.register("early")
        host.forward(1000)
        workspace.agents.register("late")
    found = Workspace.assess(host=host)
    assert (found.agents, point(found, "live agents").found) == (["late"], "late (online)")
    host.forward(1000)
    assert point(Workspace.assess(host=host), "live agents").found == "none of 2"


# -- making and joining


def test_looking_writes_nothing(project: Path) -> None:
    Workspace.create(project).close()
    before = files(project)
    assert run("assess")[0] == 0
    assert files(project) == before


def test_making_twice_is_making_once(project: Path) -> None:
    root = str(project / ".claude/coordination")
    assert run("assess", "--init")[1]["workspace"] == root
    before = files(project)
    assert run("assess", "--init")[1]["workspace"] == root
    (project / "below").mkdir()
    assert run("assess", "below", "--init")[1]["workspace"] == str(project / "below/.claude/coordination")
    assert sorted({*files(project)} - {*before})[0] == "below"


def test_a_workspace_above_is_taken(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.create(project).close()
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert Workspace.assess(init=True).workspace == str(project / ".claude/coordination")
    assert files(project / "below") == []


def test_joining_twice_is_joining_once(project: Path) -> None:
    (project / "go.mod").write_text("")
    code, first = run("assess", "--init", "--register")
    assert (code, first["registered"], first["agents"]) == (0, True, [first["agent_id"]])
    with Workspace.open(project) as workspace:
        (agent,) = workspace.agents.list()
        assert (agent.id, tuple(agent.capabilities)) == (first["agent_id"], CAPABILITIES)
        assert (agent["project_type"], agent["coordination_mode"]) == ("go", "markdown")
        assert run("assess", "--register") == (0, first)
        assert run("assess", "--register", "--can", "go,testing")[0] == 0
        (agent,) = workspace.agents.list()
        assert agent.capabilities == ["go", "testing"]
        assert [event.name for event in workspace.events.tail("agent:events")] == ["agent_registered"]


def test_joining_as_who_one_is(project: Path) -> None:
    (project / ".claude").mkdir()
    (project / ".claude/workflow-config.yml").write_text("agents:\n  specializations: [testing]\n")
    code, found = run("assess", "--init", "--register", "--agent", "ai-engineer")
    assert (code, found["agent_id"]) == (0, "ai-engineer")
    with Workspace.open(project) as workspace:
        assert workspace.agents.get("ai-engineer").capabilities == ["testing"]


def test_joining_nothing() -> None:
    with pytest.raises(NotFound):
        Workspace.assess(register=True)
    assert run("assess", "--register")[0] == 3


@pytest.mark.parametrize(
    ("name", "place"), [("Ada's Mac.local", "ada-s-mac-local"), ("---", "host"), ("x" * 90, "x" * 40)]
)
def test_a_name_is_proposed(name: str, place: str) -> None:
    host = FakeHost(name)
    first = proposed_id(host, "s1")
    assert first.startswith(f"claude-{place}-")
    assert proposed_id(host, "s1") == first != proposed_id(host, "s2")
    assert len(first) == len(f"claude-{place}-") + 6


def test_the_command_for_people() -> None:
    done = CliRunner().invoke(cli, ["assess"])
    lines = done.output.splitlines()
    assert lines[0].split() == ["STATUS", "POINT", "FOUND"]
    assert lines[lines.index("Next") + 1] == "  `mdcoord assess --init` makes the workspace"


def test_a_workspace_is_made_where_it_is_asked_for(project: Path) -> None:
    with pytest.raises(UsageError, match="there is no backend 'sqlite'"):
        Workspace.assess(backend="sqlite", init=True)
    assert Workspace.assess(backend="markdown", init=True).workspace == str(project / ".claude/coordination")
    with pytest.raises(UsageError, match="there is no backend 'sqlite'"):
        Workspace.assess(backend="sqlite")
