"""The configuration as a file: what is wrong in it, a new one that explains everything, one value set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.config import SETTINGS, Config, load_config
from mdcoord.config.files import yaml_source
from mdcoord.config.write import default_text, duration_text, meanings, with_value
from mdcoord.errors import AlreadyExists, Busy, ConfigError, UsageError
from mdcoord.formats.times import duration
from mdcoord.interfaces.cli.app import cli
from mdcoord.upkeep.configure import ConfigFile
from mdcoord.workspace import Workspace


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Workspace.create(tmp_path).close()
    return tmp_path


@pytest.fixture
def file(project: Path) -> ConfigFile:
    return ConfigFile(project / ".claude" / "coordination")


def text_of(file: ConfigFile) -> str:
    return file.path.read_bytes().decode()


def save(file: ConfigFile, text: str) -> None:
    file.path.write_bytes(text.encode())


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments)
    return done.exit_code, done.output


# -- a new file


def test_a_new_file_says_what_is_so_anyway(file: ConfigFile, project: Path) -> None:
    assert file.write() == file.path
    config = load_config(project / ".claude" / "coordination", {})
    assert config == Config()
    assert config.unknown == ()
    assert file.problems({}) == []


def test_a_new_file_explains_every_setting() -> None:
    assert set(SETTINGS).issubset(meanings())
    text = default_text()
    for name, setting in SETTINGS.items():
        section = text[text.index(f"\n{setting.keys[0]}:\n") :]
        before, found, _ = section.partition(f" {setting.keys[1]}:")
        assert found, setting.keys
        assert "  # " + meanings()[name].split("\n")[-1] in before


def test_a_new_file_is_read_without_the_yaml_parser(file: ConfigFile, project: Path) -> None:
    file.write()
    program = (
        "import sys, pathlib, mdcoord.config\n"
        "mdcoord.config.load_config(pathlib.Path(sys.argv[1]), {})\n"
        "print('yaml' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, project / ".claude"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_file_that_is_there_is_never_overwritten(file: ConfigFile) -> None:
    save(file, "mine: 1\n")
    with pytest.raises(AlreadyExists):
        file.write()
    assert text_of(file) == "mine: 1\n"
    assert run("config", "--write")[0] == 4


def test_what_a_killed_writer_left_holds_up_nobody(file: ConfigFile, project: Path) -> None:
    temporary = FileIO(str(file.path.parent), str(project)).temporary(str(file.path))
    Path(temporary).write_text("half")
    file.write()
    Path(temporary).write_text("half")
    assert file.set("tasks.retry_limit", 7).retry_limit == 7
    assert not Path(temporary).exists()


@given(st.integers(0, 10**9).map(lambda number: number / 1000))
def test_a_duration_is_read_back(seconds: float) -> None:
    assert duration(duration_text(seconds)) == pytest.approx(seconds, rel=1e-4)


@pytest.mark.parametrize(("seconds", "text"), [(900, "15m"), (86400, "1d"), (5400, "1h30m"), (0, "0s")])
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


# -- one value

TEXT = """\
# ours
coordination:   # how
  claim_ttl: 300  # five minutes

  # not set yet
tasks: {retry_limit: 3, mine: "x"}
other:
  - kept   # as it is
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("head", ["", "\ufeff", "---\n", "# comment\n---\n"])
def test_only_the_value_changes(file: ConfigFile, newline: str, head: str) -> None:
    before = (head + TEXT).replace("\n", newline)
    save(file, before)
    file.set("coordination.claim_ttl", "10m")
    file.set("tasks.retry_limit", 5)
    assert text_of(file) == before.replace("300", "10m").replace("retry_limit: 3", "retry_limit: 5")


def test_a_missing_last_line_break_stays_missing(file: ConfigFile) -> None:
    save(file, "tasks:\n  retry_limit: 3")
    file.set("tasks.retry_limit", 4)
    assert text_of(file) == "tasks:\n  retry_limit: 4"


@pytest.mark.parametrize("text", ["", "# only\n", "coordination:\n", "coordination:\n  # none\n", "a: 1\n"])
def test_a_new_key_goes_into_its_section(file: ConfigFile, text: str) -> None:
    save(file, text)
    assert file.set("coordination.claim_ttl", "5m").claim_ttl == 300
    assert all(line in text_of(file).splitlines() for line in text.splitlines())


def test_a_missing_file_is_made(file: ConfigFile) -> None:
    file.set("tasks.retry_limit", 9)
    assert text_of(file) == "tasks:\n  retry_limit: 9\n"


@given(st.lists(st.tuples(st.sampled_from(["tasks.retry_limit", "tasks.mine", "a.b"]), st.integers(1, 99))))
def test_values_are_what_was_set_last(steps: list[tuple[str, int]]) -> None:
    text, wanted = TEXT, yaml_source("x", TEXT).content
    for name, value in steps:
        section, key = name.split(".")
        text = with_value(text, (section, key), value)
        wanted.setdefault(section, {})[key] = value
    assert yaml_source("x", text).content == wanted
    assert "# five minutes" in text
    assert "- kept   # as it is" in text


@pytest.mark.parametrize(
    ("key", "typed", "name", "value"),
    [
        ("agents.specializations", "a, b", "specializations", ("a", "b")),
        ("agents.specializations", '["a"]', "specializations", ("a",)),
        ("monitoring.metrics_enabled", "0", "metrics_enabled", False),
        ("coordination.mode", "file", "mode", "markdown"),
        ("project.test_command", "pytest -q", "test_command", "pytest -q"),
        ("project.test_command", '["pytest", "-q"]', "test_command", ("pytest", "-q")),
        ("quality.security", "off", "quality_security", "off"),
        ("quality.security", "false", "quality_security", "off"),
        ("coordination.redis_url", "6379", "redis_url", "6379"),
        ("coordination.claim_ttl", "null", "claim_ttl", 900),
    ],
)
def test_values_as_they_are_typed(project: Path, key: str, typed: str, name: str, value: Any) -> None:
    code, output = run("config", "set", key, typed)
    assert (code, output.splitlines()[0].partition(":")[0]) == (0, key)
    config = load_config(project / ".claude", {})
    assert getattr(config, name) == value


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("tasks.retry_limit", "many", ConfigError),
        ("coordination.heartbeat_interval", "10m", ConfigError),
        ("tasks.retries", 3, UsageError),
        ("retry_limit", 3, UsageError),
        ("other", 3, UsageError),
    ],
)
def test_what_does_not_fit_is_not_written(
    file: ConfigFile, key: str, value: Any, error: type[Exception]
) -> None:
    save(file, TEXT)
    with pytest.raises(error):
        file.set(key, value)
    assert text_of(file) == TEXT


def test_a_near_name_is_proposed(file: ConfigFile) -> None:
    for name in ("retry_limit", "task.retry_limit"):
        with pytest.raises(UsageError) as caught:
            file.set(name, 3)
        assert caught.value.hint == "did you mean tasks.retry_limit?"


def test_one_wrong_value_is_set_right_beside_another(file: ConfigFile) -> None:
    save(file, "coordination:\n  mode: sometimes\ntasks:\n  retry_limit: many\n")
    file.set("tasks.retry_limit", 3)
    assert [error.details["setting"] for error in file.problems({})] == ["mode"]
    assert file.set("coordination.mode", "redis").mode == "redis"


def test_a_file_that_cannot_be_understood_stays(file: ConfigFile) -> None:
    text = "tasks:\n  retry_limit: 3\n  retry_limit: 4\n"
    save(file, text)
    with pytest.raises(ConfigError) as caught:
        file.set("tasks.retry_limit", 3)
    assert caught.value.details["line"] == 3
    assert text_of(file) == text


def test_a_save_that_comes_in_between_is_not_lost(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    save(file, TEXT)
    swap, saves = FileIO.swap, iter([TEXT.replace("# ours", "# first"), TEXT.replace("# ours", "# second")])

    def saved_before(self: FileIO, path: str, *rest: Any, **more: Any) -> bool:
        if text := next(saves, None):
            save(file, text)
        return swap(self, path, *rest, **more)

    monkeypatch.setattr(FileIO, "swap", saved_before)
    file.set("tasks.retry_limit", 5)
    assert text_of(file) == TEXT.replace("# ours", "# second").replace("retry_limit: 3", "retry_limit: 5")


def test_who_saves_for_ever_is_told_of(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    save(file, TEXT)
    monkeypatch.setattr(FileIO, "swap", lambda *arguments, **more: False)
    with pytest.raises(Busy):
        file.set("tasks.retry_limit", 5)


def test_settings_are_shown_where_the_store_is_not_there(project: Path) -> None:
    save(ConfigFile(project / ".claude" / "coordination"), "coordination:\n  mode: redis\n")
    code, output = run("config", "set", "coordination.redis_url", "redis://me:secret@127.0.0.1:1/0")
    assert (code, output) == (0, "coordination.redis_url: redis://127.0.0.1:1/0\n")
    assert run("status")[0] != 0
    code, output = run("config")
    assert code == 0
    assert "redis://127.0.0.1:1/0" in output
    assert "secret" not in output


def test_two_at_once_lose_nothing(file: ConfigFile) -> None:
    def count(key: str) -> None:
        for number in range(1, 11):
            ConfigFile(file.project / ".claude" / "coordination").set(key, number)

    keys = ["tasks.retry_limit", "agents.max_concurrent_tasks", "archive.keep_events"]
    threads = [Thread(target=count, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    config = file.in_force({})
    assert (config.retry_limit, config.max_concurrent_tasks, config.keep_events) == (10, 10, 10)


# -- what is wrong


def test_all_that_is_wrong_is_told_with_its_line(file: ConfigFile, project: Path) -> None:
    save(
        file,
        "coordination:\n  mode: sometimes\n  claim_tll: 3\n  claim_ttl: 60\n  heartbeat_interval: 60\n"
        "tasks: 5\ntask:\n  retry_limit: 5\n",
    )
    (project / "pyproject.toml").write_text("[tool.mdcoord.tasks]\nretry_limit = 0\n")
    found = file.problems({"MDCOORD_DURABILITY": "some"})
    assert [
        (error.details.get("path", ""), error.details.get("line"), error.details.get("setting"))
        for error in found
    ] == [
        ("", None, "durability"),
        (str(file.path), 2, "mode"),
        (str(file.path), 3, "coordination.claim_tll"),
        (str(file.path), 5, "heartbeat_interval"),
        (str(file.path), 6, None),
        (str(file.path), 7, "task"),
        (str(project / "pyproject.toml"), 2, "retry_limit"),
    ]
    assert [error.hint for error in found if "no setting" in error.message] == [
        "did you mean coordination.claim_ttl?",
        "did you mean tasks?",
    ]


def test_a_broken_file_does_not_hide_the_other(file: ConfigFile, project: Path) -> None:
    save(file, "a: [\n")
    (project / "pyproject.toml").write_text("[tool.mdcoord]\nx = 1\n")
    first, second = file.problems({})
    assert (first.details["path"], second.details["setting"]) == (str(file.path), "x")


def test_the_command_tells_what_is_wrong(file: ConfigFile) -> None:
    assert run("config", "--check") == (0, "nothing is wrong\n")
    save(file, "tasks:\n  retry_limit: none\n  retries: 3\n")
    code, output = run("config", "--check")
    assert code == 2
    assert [line.partition(": ")[0] for line in output.splitlines()] == [
        f"{file.path}:2",
        f"{file.path}:3",
        "  hint",
    ]
    code, output = run("config", "--check", "--json")
    assert code == 2
    assert [json.loads(line)["line"] for line in output.splitlines()] == [2, 3]


def test_check_shows_keys_that_are_no_settings(file: ConfigFile, project: Path) -> None:
    save(file, "tasks:\n  retries: 3\n")
    code, output = run("check")
    assert code == 7
    assert output.startswith(f"{file.path}:2: tasks.retries is no setting of mdcoord\n")
    with Workspace.open(project) as workspace:
        (finding,) = workspace.check([file.path])
    assert (finding.path, finding.line) == (str(file.path), 2)


def test_a_stronger_source_is_told_of(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDCOORD_RETRY_LIMIT", "8")
    assert run("config", "set", "tasks.retry_limit", "5") == (
        0,
        "tasks.retry_limit: 5\n(MDCOORD_RETRY_LIMIT goes before it: 8)\n",
    )
    code, output = run("config", "--show-origin")
    (line,) = [line for line in output.splitlines() if line.startswith("tasks.retry_limit")]
    assert (code, line.split(maxsplit=2)[1:]) == (0, ["8", f"MDCOORD_RETRY_LIMIT (before {file.path}:2)"])


def test_wrong_settings_do_not_hold_up_their_correction(file: ConfigFile) -> None:
    save(file, "tasks:\n  retry_limit: none\n")
    assert run("status")[0] == 2
    assert run("config", "set", "tasks.retry_limit", "3")[0] == 0
    assert run("status")[0] == 0


def test_one_thing_at_a_time() -> None:
    assert run("config", "--check", "--write")[0] == 2


def test_without_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("MDCOORD_ROOT", str(tmp_path / "elsewhere"))
    assert run("config", "--write")[0] == 3
    assert run("config", "--check")[0] == 3
