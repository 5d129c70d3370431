"""Settings: defaults, sources and their order, origins, and errors that name the place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mdcoord.config import SETTINGS, Config, files, load_config, project_folder
from mdcoord.config.kinds import AUTO, OFF
from mdcoord.config.problems import problems
from mdcoord.errors import ConfigError, InvalidDocument

SEED = """\
# .claude/workflow-config.yml
coordination:
  mode: redis  # or "file" for fallback
  redis_url: redis://localhost:6379
  heartbeat_interval: 30
  claim_ttl: 300

tasks:
  priority_queue: tasks:priority
  assignment_strategy: skill_based  # or "round_robin", "load_balanced"
  timeout: 1800  # 30 minutes
  retry_limit: 3

agents:
  max_concurrent_tasks: 3
  specializations:
    - development
    - testing
    - documentation
    - deployment

monitoring:
  metrics_enabled: true
  log_level: INFO
  dashboard_port: 8080

project:
  type: auto_detect
  test_command: auto_detect
  build_command: auto_detect
  lint_command: auto_detect
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / ".claude" / "coordination"
        self.root.mkdir(parents=True)
        self.yaml_path = str(folder / ".claude" / "workflow-config.yml")
        self.toml_path = str(folder / "pyproject.toml")

    def yaml(self, text: str) -> None:
        Path(self.yaml_path).write_bytes(text.encode())

    def toml(self, text: str) -> None:
        Path(self.toml_path).write_bytes(text.encode())

    def load(self, **environ: str) -> Config:
        return load_config(self.root, environ)

    def error(self, **environ: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.load(**environ)
        return caught.value


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_defaults(project: Project) -> None:
    config = project.load()
    assert config == Config()
    assert (config.claim_ttl, config.heartbeat_interval, config.grace) == (900, 60, 90)
    assert (config.retry_limit, config.max_concurrent_tasks, config.keep_events) == (3, 3, 100)
    assert (config.stale_after, config.archive_after, config.lock_timeout) == (3600, 86400, 10)
    assert (config.mode, config.durability, config.worktrees) == ("auto", "full", "shared")
    assert (config.assignment_strategy, config.task_timeout) == ("skill_based", None)
    assert (config.lint_command, config.quality_security, config.quality_timeout) == (AUTO, AUTO, 600)
    assert {config.origin(name) for name in SETTINGS} == {"default"}
    assert config.unknown == ()
    with pytest.raises(KeyError):
        config.origin("nonsense")


def test_the_file_of_the_workflow_plan(project: Project) -> None:
    project.yaml(SEED)
    config = project.load()
    assert (config.mode, config.redis_url) == ("redis", "redis://localhost:6379")
    assert (config.heartbeat_interval, config.claim_ttl, config.grace) == (30, 300, 30)
    assert (config.priority_queue, config.task_timeout) == ("tasks:priority", 1800)
    assert config.specializations == ("development", "testing", "documentation", "deployment")
    assert config.unknown == ()
    lines = SEED.splitlines()
    for name, setting in SETTINGS.items():
        source, _, line = config.origin(name).rpartition(":")
        if source:
            assert source == project.yaml_path
            assert lines[int(line) - 1].startswith(f"  {setting.keys[-1]}:")
        else:
            assert setting.keys[0] + ":\n" not in SEED or f"  {setting.keys[-1]}:" not in SEED


def test_later_sources_go_first(project: Project) -> None:
    project.yaml("coordination:\n  claim_ttl: 1h\n  lock_timeout: 1\n  stale_after: 2h\n")
    project.toml('[tool.mdcoord.coordination]\nlock_timeout = "2s"\nstale_after = 60.5\n')
    config = project.load(MDCOORD_STALE_AFTER="1h30m")
    assert (config.claim_ttl, config.lock_timeout, config.stale_after) == (3600, 2, 5400)
    assert config.origin("claim_ttl") == f"{project.yaml_path}:2"
    assert config.origin("lock_timeout") == f"{project.toml_path}:2"
    assert config.origin("stale_after") == "MDCOORD_STALE_AFTER"
    assert config.origin("heartbeat_interval") == "default"


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "coordination:\n", "coordination:\n  claim_ttl:\n", "a: {}\n"]
)
def test_nothing_set_is_the_default(project: Project, text: str) -> None:
    project.yaml(text)
    config = project.load(MDCOORD_CLAIM_TTL="")
    assert config == Config()
    assert config.origin("claim_ttl") == "default"


@pytest.mark.parametrize("head", ["---\n", "# a comment\n\n---\n", "\ufeff", "\ufeff---\r\n"])
def test_a_document_marker_or_a_byte_order_mark_may_begin_the_file(project: Project, head: str) -> None:
    project.yaml(head + "tasks:\n  retry_limit: 5\n")
    config = project.load()
    assert config.retry_limit == 5
    assert config.origin("retry_limit") == f"{project.yaml_path}:{head.count(chr(10)) + 2}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tasks: {retry_limit: 5}\n", 1),
        ("other: 1\n\ntasks:\n    # why\n    'retry_limit' : 5\n", 5),
        ("project:\n  retry_limit: 1\ntasks:\n  retry_limit: 5\n", 4),
        ('{"tasks": {"retry_limit": 5}}\n', 1),
    ],
)
def test_lines_of_other_ways_to_write_yaml(project: Project, text: str, line: int) -> None:
    project.yaml(text)
    config = project.load()
    assert config.retry_limit == 5
    assert config.origin("retry_limit") == f"{project.yaml_path}:{line}"


@pytest.mark.parametrize(
    "text",
    [
        SEED,
        'tasks: # a\n  # b\n\n  retry_limit: 5   # " \n  priority_queue: "a:b"\nquality:\n  g:\n    - x\n',
        "quality:\n  a: x#y\n",
        "quality:\n  a: \"x # y\"\n  b: 'it''s'\n",
        "quality:\n  a: |\n    x\n    # y\n\n    z\n",
        "quality:\n  a: x\n    # y\n",
        "quality:\n  a: x\n\n    y\n",
        'quality:\n  a: "x\n    # y\n    z"\n',
        "quality:\n  a: don't # x\n  b: [1, 2] # y\n  c: {d: 1}\n",
        "quality:\n  a: !t x\n",
        "quality:\n\t# x\n  a: 1\n",
    ],
)
def test_comments_are_told_from_values(text: str) -> None:
    without = files._fields_without_comments(text)
    try:
        with_them = files._fields(text)
    except InvalidDocument:
        assert without is None
    else:
        assert without in (None, with_them)


def test_the_file_of_the_workflow_plan_takes_no_yaml_parser(project: Project) -> None:
    project.yaml(SEED)
    program = (
        "import sys, pathlib, mdcoord.config\n"
        "assert mdcoord.config.load_config(pathlib.Path(sys.argv[1]), {}).claim_ttl == 300\n"
        "print('yaml' in sys.modules, 'tomllib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, project.root], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[project]\nname = "x"\n\n[tool.mdcoord.tasks]\nretry_limit = 5\n', 5),
        ("[tool.mdcoord]\n# why\ntasks.retry_limit = 5\n", 3),
        ("[tool.mdcoord]\ntasks = {retry_limit = 5}\n", 2),
        ("[tool]\nmdcoord.tasks.retry_limit = 5 # tool.mdcoord\n", 2),
        ('[tool.mdcoord."tasks"]\r\n"retry_limit" = 5\r\n', 2),
        ("[tool.other]\nretry_limit = 1\n[ tool.mdcoord . tasks ]\nretry_limit = 5\n[tool.last]\n", 4),
    ],
)
def test_lines_of_toml(project: Project, text: str, line: int) -> None:
    project.toml(text + "[[tool.mdcoord-other.list]]\nx = 1\n")
    config = project.load()
    assert config.retry_limit == 5
    assert config.origin("retry_limit") == f"{project.toml_path}:{line}"


def test_a_pyproject_of_others_is_not_parsed(project: Project) -> None:
    project.toml("this = is [no TOML")
    assert project.load() == Config()


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("MDCOORD_CLAIM_TTL", "5m", "claim_ttl", 300.0),
        ("MDCOORD_CLAIM_TTL", "600", "claim_ttl", 600.0),
        ("MDCOORD_DURABILITY", "DATA", "durability", "data"),
        ("MDCOORD_MODE", "file", "mode", "markdown"),
        ("MDCOORD_METRICS_ENABLED", "False", "metrics_enabled", False),
        ("MDCOORD_METRICS_ENABLED", "1", "metrics_enabled", True),
        ("MDCOORD_SPECIALIZATIONS", "a, b,", "specializations", ("a", "b")),
        ("MDCOORD_DASHBOARD_PORT", "0", "dashboard_port", 0),
        ("MDCOORD_KEEP_EVENTS", "7", "keep_events", 7),
        ("MDCOORD_ARCHIVE_AFTER", "0", "archive_after", 0.0),
        ("MDCOORD_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("MDCOORD_TEST_COMMAND", "pytest -q", "test_command", "pytest -q"),
        ("MDCOORD_TASK_TIMEOUT", "2h", "task_timeout", 7200.0),
        ("MDCOORD_GRACE", "0", "grace", 0.0),
        ("MDCOORD_BACKOFF_BASE", "0", "backoff_base", 0.0),
        ("MDCOORD_BACKOFF_FACTOR", "1.5", "backoff_factor", 1.5),
        ("MDCOORD_FALLBACK_AFTER", "10m", "fallback_after", 600.0),
        ("MDCOORD_ASSIGNMENT_STRATEGY", "learned", "assignment_strategy", "learned"),
    ],
)
def test_the_environment(project: Project, variable: str, text: str, name: str, value: Any) -> None:
    config = project.load(**{variable: text})
    assert getattr(config, name) == value
    assert type(getattr(config, name)) is type(value)
    assert config.origin(name) == variable


def test_the_heartbeat_follows_a_short_ttl(project: Project) -> None:
    config = project.load(MDCOORD_CLAIM_TTL="30s")
    assert (config.heartbeat_interval, config.grace) == (10, 3)
    assert Config(claim_ttl=0.3, heartbeat_interval=0.1).grace == pytest.approx(0.03)


def test_unknown_keys_are_listed_and_harmless(project: Project) -> None:
    project.yaml("coordination:\n  claim_tll: 1\n  claim_ttl: 5m\nextra:\n  claim_ttl: x\n")
    project.toml("[tool.mdcoord]\nclaim_ttl = 1\n[tool.mdcoord.tasks]\nretries = 1\n")
    config = project.load()
    assert config.claim_ttl == 300
    assert config.unknown == (
        (project.yaml_path, 2, "coordination.claim_tll"),
        (project.yaml_path, 4, "extra"),
        (project.toml_path, 2, "claim_ttl"),
        (project.toml_path, 4, "tasks.retries"),
    )


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ("coordination", "claim_ttl: soon"),
        ("coordination", "claim_ttl: 0"),
        ("coordination", "claim_ttl: -5"),
        ("coordination", "claim_ttl: true"),
        ("coordination", "claim_ttl: 200000d"),
        ("coordination", "claim_ttl: [1]"),
        ("coordination", "mode: sometimes"),
        ("coordination", "durability: no"),
        ("coordination", "worktrees: 1"),
        ("coordination", "redis_url: 6379"),
        ("tasks", "retry_limit: 0"),
        ("tasks", "retry_limit: 3.5"),
        ("tasks", "retry_limit: '3'"),
        ("tasks", "retry_limit: true"),
        ("agents", "specializations: testing"),
        ("agents", "specializations: [1]"),
        ("monitoring", "metrics_enabled: 1"),
        ("monitoring", "dashboard_port: 65536"),
        ("project", "test_command: [pytest, 3]"),
        ("project", "test_command: []"),
        ("quality", "lint: ' '"),
        ("quality", "security: true"),
        ("quality", "timeout: 0"),
    ],
)
def test_wrong_values_are_refused_with_their_place(project: Project, section: str, wrong: str) -> None:
    project.yaml(f"# one\n{section}:\n  # three\n  {wrong}\n")
    error = project.error()
    assert error.details["path"] == project.yaml_path
    assert error.details["line"] == 4
    assert error.message.startswith(f"{project.yaml_path}:4: {section}.{wrong.partition(':')[0]} must be ")


@pytest.mark.parametrize("value", ["1979-05-27", "nan", "inf", "{}"])
def test_wrong_values_in_toml(project: Project, value: str) -> None:
    project.toml(f"[tool.mdcoord.coordination]\nclaim_ttl = {value}\n")
    error = project.error()
    assert (error.details["path"], error.details["line"]) == (project.toml_path, 2)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MDCOORD_CLAIM_TTL", "soon"),
        ("MDCOORD_RETRY_LIMIT", "three"),
        ("MDCOORD_RETRY_LIMIT", "9" * 5000),
        ("MDCOORD_METRICS_ENABLED", "perhaps"),
        ("MDCOORD_QUALITY_LINT", " "),
        ("MDCOORD_MODE", "sometimes"),
    ],
)
def test_wrong_values_in_the_environment(project: Project, variable: str, text: str) -> None:
    error = project.error(**{variable: text})
    assert error.details["variable"] == variable
    assert error.message.startswith(variable + ": ")
    assert len(error.message) < 250


def test_variables_that_look_like_a_setting(project: Project) -> None:
    names = ["CLAMI_TTL", "COORDINATION_CLAIM_TTL", "CLAIM_TTL", "TASK_ID", "TOKEN", "AGENT", "SESSION", "X"]
    environ = {f"MDCOORD_{name}": "5m" for name in names} | {"CLAMI_TTL": "5m"}
    found = [(error.details["variable"], error.hint) for error in problems(project.folder, environ)]
    assert found == [
        (f"MDCOORD_{name}", "did you mean MDCOORD_CLAIM_TTL?") for name in ("CLAMI_TTL", names[1])
    ]


def test_a_command_is_a_text_a_list_or_off(project: Project) -> None:
    project.yaml(
        "project:\n  lint_command: [ruff, check, '{files}']\nquality:\n  types: off\n  tests: make test\n"
    )
    project.toml("[tool.mdcoord.quality]\nsecurity = false\n")
    config = project.load()
    assert config.lint_command == ("ruff", "check", "{files}")
    assert (config.quality_types, config.quality_security) == (OFF, OFF)
    assert config.quality_tests == "make test"


def test_weaker_places_of_a_setting_are_known(project: Project) -> None:
    project.yaml("coordination:\n  claim_ttl: 1h\n")
    project.toml("[tool.mdcoord.coordination]\nclaim_ttl = 600\n")
    config = project.load(MDCOORD_CLAIM_TTL="5m")
    assert config.origin("claim_ttl") == "MDCOORD_CLAIM_TTL"
    assert [str(place) for place in config.overruled["claim_ttl"]] == [
        f"{project.toml_path}:2",
        f"{project.yaml_path}:2",
    ]


def test_a_ttl_must_outlast_two_missed_heartbeats(project: Project) -> None:
    project.yaml("coordination:\n  claim_ttl: 300\n  heartbeat_interval: 101\n")
    error = project.error()
    assert (error.details["path"], error.details["line"]) == (project.yaml_path, 3)
    assert f"300 s, {project.yaml_path}:2" in error.message
    assert project.error(MDCOORD_HEARTBEAT_INTERVAL="150").details["variable"] == "MDCOORD_HEARTBEAT_INTERVAL"
    assert project.load(MDCOORD_HEARTBEAT_INTERVAL="100").heartbeat_interval == 100
    with pytest.raises(ConfigError):
        Config(claim_ttl=100, heartbeat_interval=50)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tasks:\n  retry_limit: 5\n  retry_limit: 6\n", 3),
        ("tasks: [1\n", 1),
        ("- 1\n", 1),
        ("tasks:\n  - 1\n", 1),
        ("tasks: 5\n", 1),
        ("tasks:\n  retry_limit: 5\n---\nagents: {}\n", 3),
        ("tasks:\n\tretry_limit: 5\n", 2),
        ("a: \x00\n", 1),
    ],
)
def test_broken_yaml(project: Project, text: str, line: int) -> None:
    project.yaml(text)
    error = project.error()
    assert (error.details["path"], error.details["line"]) == (project.yaml_path, line)
    assert error.message.count("line ") == 0


def test_broken_toml(project: Project) -> None:
    project.toml("[tool.mdcoord]\n\na = \n")
    error = project.error()
    assert (error.details["path"], error.details["line"]) == (project.toml_path, 3)


def test_other_encodings(project: Project) -> None:
    Path(project.yaml_path).write_bytes(b"# ok\ntasks:\n  x: \xff\n")
    assert project.error().details["line"] == 3


def test_a_file_that_cannot_be_read(project: Project) -> None:
    Path(project.yaml_path).mkdir()
    assert project.error().details["path"] == project.yaml_path
    Path(project.yaml_path).rmdir()
    project.yaml("#" * (1 << 20) + "\n")
    assert "larger" in project.error().message


def test_the_project_folder(tmp_path: Path) -> None:
    inside = tmp_path / "project" / ".claude" / "coordination"
    assert project_folder(inside) == tmp_path / "project"
    elsewhere = tmp_path / "project" / "state"
    elsewhere.mkdir(parents=True)
    (tmp_path / "project" / ".claude").mkdir()
    assert project_folder(elsewhere) == tmp_path / "project"
