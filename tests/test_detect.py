"""Which mode a new workspace gets, that it is remembered, and that no team is parted."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis
from redis_servers import Server, Start
from taskqueue_peer import STANDIN

from mdcoord.backends.detect import Choice, choose, ping
from mdcoord.backends.markdown.home import Home
from mdcoord.backends.redis.address import parse_address
from mdcoord.config import Config, config_of
from mdcoord.errors import AlreadyExists, BackendUnavailable, ConfigError, UsageError
from mdcoord.interfaces.cli.app import cli
from mdcoord.layout import state_folder
from mdcoord.workspace import Workspace

HERE = Path(".claude/coordination")


@pytest.fixture
def closed() -> str:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """The port of somebody who answers every line so; b"" never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(64)
                if answer:
                    connection.sendall(answer)
                else:
                    connection.recv(64)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield str(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def tool(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which a TaskQueue server is installed."""
    program = tmp_path / "bin" / "taskqueue-mcp"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {shlex.join(STANDIN)}\n")
    program.chmod(0o755)
    return {"PATH": str(program.parent)}


def configured(**values: str) -> Config:
    """Settings as the environment makes them."""
    return config_of([], {f"MDCOORD_{name.upper()}": value for name, value in values.items()})


# -- the order, and the reasons


def test_nobody_asked_for_anything(server: Server, tool: Mapping[str, str]) -> None:
    """What happens to be there is not joined: it may be another team's, or an application's."""
    assert choose(None, Config(), tool) == Choice("markdown", asked=False)


def test_nothing_is_there(closed: str) -> None:
    found = choose("auto", Config(), {"REDIS_PORT": closed, "PATH": ""})
    assert (found.place, found.mode, found.notice) == ("markdown", "markdown", "")
    assert found.reasons == (
        f"no Redis at redis://localhost:{closed}/0 (Connection refused)",
        "no TaskQueue (taskqueue-mcp is not installed)",
    )


def test_redis_goes_first(server: Server, tool: Mapping[str, str]) -> None:
    url = server.url("team:")
    found = choose("auto", configured(redis_url=url), tool)
    assert (found.mode, found.notice) == ("redis", "")
    assert found.reasons[0].startswith(f"Redis answers at unix://{server.socket}")
    for environ in ({"REDIS_URL": url}, {"REDIS_URL": url, **tool}):
        assert choose(None, Config(), environ) == found


def test_then_taskqueue(tmp_path: Path, closed: str, tool: Mapping[str, str]) -> None:
    environ = {**tool, "REDIS_PORT": closed, "TASK_MANAGER_FILE_PATH": str(tmp_path / "tasks.json")}
    found = choose("auto", Config(), environ)
    assert (found.place, found.notice) == (f"taskqueue:{tmp_path}/tasks.json", "")
    assert "Connection refused" in found.reasons[0]
    assert found.reasons[1] == f"a TaskQueue server is there: {tool['PATH']}/taskqueue-mcp"
    assert (
        choose(None, configured(taskqueue_command=shlex.join(STANDIN)), {"PATH": "/bin"}).mode == "taskqueue"
    )
    assert choose("auto", configured(taskqueue_command="off"), environ).mode == "markdown"


def test_a_server_that_was_named_and_is_absent_is_told(closed: str, tool: Mapping[str, str]) -> None:
    for asked, mode in ((None, "markdown"), ("auto", "taskqueue")):
        found = choose(asked, Config(), {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": closed, **tool})
        assert found.mode == mode
        absent = f"no Redis at redis://127.0.0.1:{closed}/0 (Connection refused)"
        assert found.notice == f"{absent}: this workspace is kept in {mode}"


@pytest.mark.parametrize(
    "asked", ["redis", "redis://127.0.0.1:{closed}/0", "rediss://127.0.0.1:{closed}/0", "taskqueue"]
)
def test_what_is_asked_for_and_absent_fails(closed: str, asked: str) -> None:
    environ = {"REDIS_PORT": closed, "PATH": ""}
    with pytest.raises(BackendUnavailable, match=r"^no (Redis|TaskQueue)"):
        choose(asked.format(closed=closed), Config(), environ)


@pytest.mark.parametrize("mode", ["redis", "taskqueue"])
def test_what_the_configuration_asks_for_and_is_absent_fails(closed: str, mode: str) -> None:
    with pytest.raises(BackendUnavailable) as raised:
        choose(None, configured(mode=mode), {"REDIS_PORT": closed, "PATH": ""})
    assert f"{mode} is needed, as MDCOORD_MODE says so" in raised.value.hint


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/no/such/thing", "not found"),
        ("true", "it ended with code 0"),
        ("sleep 100", r"it did not answer within 0\.1 s"),
        ("exec cat", r"it did not answer within 0\.1 s"),
    ],
)
def test_a_command_that_starts_no_taskqueue(
    project: Path, command: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdcoord.backends.taskqueue.queue.START_TIMEOUT", 0.1 if "within" in why else 30)
    monkeypatch.setenv("MDCOORD_TASKQUEUE_COMMAND", command)
    monkeypatch.setenv("TASK_MANAGER_FILE_PATH", str(project / "tasks.json"))
    refused = mdcoord("init", "--backend", "taskqueue")
    assert refused.exit_code == 8
    assert re.search(
        rf"the TaskQueue server does not run: .*{why}.*coordination\.taskqueue_command", refused.stderr
    )
    assert not (project / ".claude").exists()
    done = mdcoord("init")
    assert done.exit_code == 0
    assert re.search(rf"{why}.*: this workspace is kept in markdown", done.stderr)
    assert "Mode: markdown" in mdcoord("status").output


def test_markdown_needs_nobody(server: Server) -> None:
    environ = {"REDIS_URL": server.url()}
    assert choose("markdown", Config(), environ) == Choice("markdown", ("it was asked for",))
    assert choose(None, configured(mode="markdown"), environ).place == "markdown"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"+PONG\r\n", ""),
        (b"-NOAUTH Authentication required.\r\n", ""),
        (b"-LOADING Redis is loading the dataset in memory\r\n", ""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "something else listens there"),
        (b"", "no answer in|timed out"),
    ],
)
def test_what_counts_as_an_answer(answer: bytes, expected: str) -> None:
    with listening(answer) as port:
        found = ping(parse_address(f"redis://127.0.0.1:{port}", {}), 0.1)
    assert re.search(expected, found) if expected else not found


@pytest.mark.parametrize("odd", "/?#[")
def test_no_part_of_a_password_is_told_that_is_not_encoded(odd: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_address(f"redis://:xyz{odd}w@h/0", {})
    assert "xyz" not in str(raised.value)
    assert "percent-encoded" in str(raised.value)


def test_a_server_on_this_machine_that_nobody_named(closed: str, started: Start) -> None:
    """On its usual port, which is another one here; only who asks for everything finds it."""
    started("--port", closed, "--bind", "127.0.0.1")
    environ = {"REDIS_PORT": closed, "PATH": ""}
    assert choose(None, Config(), environ).mode == "markdown"
    found = choose("auto", Config(), environ)
    assert (found.mode, found.reasons) == ("redis", (f"Redis answers at redis://localhost:{closed}/0",))


def test_a_server_that_refuses_is_an_error_where_it_was_named(
    project: Path, closed: str, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    started("--port", closed, "--bind", "127.0.0.1", "--requirepass", "right")
    monkeypatch.setenv("REDIS_PORT", closed)
    monkeypatch.setenv("MDCOORD_TASKQUEUE_COMMAND", "off")
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    for place in (None, "auto", "redis"):
        with pytest.raises(BackendUnavailable, match="refused: Authentication required"):
            Workspace.create(backend=place)
    monkeypatch.delenv("REDIS_HOST")
    with Workspace.create(backend="auto") as w:
        assert w.backend.name == "markdown"
        refused = f"Redis at redis://localhost:{closed}/0 refused: Authentication required"
        assert w.notice == f"{refused}: this workspace is kept in markdown"


def test_no_password_is_told(closed: str) -> None:
    found = choose("auto", configured(redis_url=f"redis://me:secret@127.0.0.1:{closed}/0"), {"PATH": ""})
    assert "secret" not in str(found)
    assert f"127.0.0.1:{closed}" in found.notice


def test_a_server_that_was_named_needs_its_library(
    project: Path, closed: str, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    started("--port", closed, "--bind", "127.0.0.1")
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setenv("REDIS_PORT", closed)
    monkeypatch.setenv("MDCOORD_TASKQUEUE_COMMAND", "off")
    monkeypatch.setenv("REDIS_HOST", "localhost")
    for arguments in (["init"], ["init", "--backend", "auto"], ["init", "--backend", "redis"]):
        refused = mdcoord(*arguments)
        assert refused.exit_code == 8
        assert "the library for Redis is not installed" in refused.stderr
        assert "pip install '.[redis]'" in refused.stderr
        assert not (project / ".claude").exists()
    monkeypatch.delenv("REDIS_HOST")
    found = choose("auto", configured(taskqueue_command="off"), {"REDIS_PORT": closed})
    assert (found.mode, found.notice) == ("markdown", "")
    assert "Redis answers at" in found.reasons[0]
    assert "is not installed" in found.reasons[0]


def test_looking_is_cheap(closed: str) -> None:
    """Neither redis-py nor a child process is needed to see that nobody is there."""
    code = (
        "import sys; from mdcoord.backends.detect import choose; from mdcoord.config import Config\n"
        f"choose('auto', Config(), {{'REDIS_PORT': '{closed}', 'PATH': ''}})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"redis", "hiredis", "subprocess", "asyncio", "logging"}.intersection(done.stdout.split())


# -- remembered


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def status(**how: Any) -> dict[str, Any]:
    with Workspace.open(**how) as w:
        found = w.status()
        return {name: found[name] for name in ("backend", "reason", "change")}


def test_a_workspace_remembers_where_it_lives(
    project: Path, server: Server, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    monkeypatch.setenv("REDIS_URL", server.url("remembers:"))
    with Workspace.create() as w:
        w.tasks.create("Train", id="train")
        assert w.backend.name == "redis"
        assert "keeps all in memory only" in w.notice
        assert [event["message"] for event in w.events.tail("log")] == [
            f"This workspace is kept in redis: Redis answers at unix://{server.socket}/0?prefix=remembers:."
        ]
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("REDIS_PORT", closed)
    with Workspace.open() as w:
        assert w.tasks.get("train").title == "Train"
    assert not list(HERE.glob("task-*"))
    assert "mode: redis" in Path(".claude/workflow-config.yml").read_text()
    found = status()
    assert found["backend"] == "redis"
    assert found["reason"].startswith("Redis answers at")
    assert "mdcoord migrate markdown" in found["change"]


def test_what_is_no_place_makes_nothing_and_tells_no_password(project: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no backend 'reddis://db\.example'") as refused:
        Workspace.create(backend="reddis://me:secret@db.example")
    assert "secret" not in str(refused.value)
    assert not HERE.exists()
    Workspace.create().close()
    for do in (Workspace.create, Workspace.open):
        with pytest.raises(UsageError, match="there is no backend"):
            do(backend="sqlite")


def test_a_server_that_refuses_is_not_remembered(project: Path, started: Start) -> None:
    own = started("--requirepass", "right")
    with pytest.raises(BackendUnavailable, match="refused"):
        Workspace.create(backend=f"unix://:wrong@{own.socket}")
    for option, hint in (("prefx", r"did you mean \?prefix="), ("no", "known are prefix, timeout, db,")):
        with pytest.raises(UsageError, match=rf"\?{option}= is no option of a Redis address \({hint}"):
            Workspace.create(backend=f"unix://:right@{own.socket}?{option}=team:")
    assert not HERE.exists()
    with Workspace.create(backend=f"unix://:right@{own.socket}") as w:
        assert w.backend.name == "redis"
    shown = mdcoord("config", "--show-origin").stderr
    assert shown == f"(this workspace is at unix://{own.socket}?db=0, which it remembers by itself)\n"


def test_a_password_that_was_changed(project: Path, started: Start) -> None:
    own = started("--requirepass", "old")
    old, new = (f"unix://:{secret}@{own.socket}" for secret in ("old", "new"))
    Workspace.create().close()
    Workspace.migrate(old)
    with Workspace.open() as w:
        w.tasks.create("Train", id="train")
        with Redis(unix_socket_path=str(own.socket), password="old") as client:
            client.config_set("requirepass", "new")
    for do in (Workspace.open, lambda: Workspace.create(backend=old)):
        with pytest.raises(BackendUnavailable, match="refused") as caught:
            do()
        assert "mdcoord init --backend URL" in caught.value.hint
    since = Home.of(state_folder(HERE)).since()
    Workspace.create(backend=new).close()
    with Workspace.open() as w:
        assert w.tasks.get("train").title == "Train"
    assert since == Home.of(state_folder(HERE)).since() > 0
    with pytest.raises(AlreadyExists, match=r"lives in unix://.*/0 already"):
        Workspace.create(backend=f"{new}?db=3")


def test_no_fall_back_where_a_workspace_lives_in_redis(project: Path, closed: str, started: Start) -> None:
    own = started()
    with Workspace.create(backend=own.url("gone:")) as w:
        w.tasks.create("Train", id="train")
    own.kill()
    with pytest.raises(BackendUnavailable), Workspace.open() as w:
        w.tasks.create("Evaluate")
    for again in ("markdown", f"taskqueue:{project}/tasks.json"):
        with pytest.raises(AlreadyExists, match="lives in redis already"):
            Workspace.create(backend=again)
    assert not list(HERE.glob("task-*"))


def test_markdown_is_what_is_not_remembered(
    project: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace.create().close()
    assert status() == {
        "backend": "markdown",
        "reason": "no server was asked for",
        "change": "`mdcoord migrate redis URL` moves it to a server",
    }
    monkeypatch.setenv("REDIS_URL", server.url())
    assert status()["backend"] == "markdown"
    with Workspace.create() as w:
        assert (w.backend.name, w.made) == ("markdown", [])
    with Workspace.create(backend=server.url("asked:")) as w:  # it is still empty
        assert w.backend.name == "redis"


def test_auto_is_where_it_lives(project: Path, server: Server) -> None:
    with Workspace.create(backend=server.url("auto:")) as w:
        w.tasks.create("Train", id="train")
    for how in ({"where": "auto"}, {"backend": "auto"}):
        with Workspace.open(**how) as w:
            assert (w.backend.name, w.tasks.get("train").title) == ("redis", "Train")


def test_a_workspace_in_use_is_not_parted_by_a_setting(project: Path, server: Server) -> None:
    with Workspace.create() as w:
        w.tasks.create("Train", id="train")
    config = Path(".claude/workflow-config.yml")
    config.write_text(f"coordination:\n  mode: redis\n  redis_url: {server.url()}\n")
    with pytest.raises(ConfigError, match=r"mode is redis, but this workspace lives in markdown"):
        Workspace.open()
    config.write_text("coordination:\n  mode: markdown\n")
    with Workspace.open() as w:
        assert w.tasks.get("train").title == "Train"


def test_a_clone_goes_where_the_configuration_says(project: Path, server: Server) -> None:
    """It has the configuration, and nothing of the state."""
    HERE.mkdir(parents=True)
    Path(".claude/workflow-config.yml").write_text(
        f"coordination:\n  mode: redis\n  redis_url: '{server.url('clone:')}'\n"
    )
    found = status()
    assert (found["backend"], found["reason"]) == (
        "redis",
        f"{project}/.claude/workflow-config.yml:2 says so",
    )


def test_a_clone_joins_no_server_that_nobody_named(project: Path) -> None:
    HERE.mkdir(parents=True)
    Path(".claude/workflow-config.yml").write_text("coordination:\n  mode: redis\n")
    with pytest.raises(BackendUnavailable, match="nothing says on which server") as raised:
        Workspace.open()
    assert "mdcoord init --backend redis://" in raised.value.hint


def test_a_clone_runs_no_command_that_nobody_has_agreed_to(project: Path) -> None:
    HERE.mkdir(parents=True)
    (HERE / "agent-ada.md").write_text("---\nagent_id: ada\n---\n")
    touch = shlex.join([sys.executable, "-c", "open('ran', 'w')"])
    Path(".claude/workflow-config.yml").write_text(
        f"coordination:\n  mode: taskqueue\n  taskqueue_command: {json.dumps(touch)}\n"
    )
    with pytest.raises(BackendUnavailable, match=r"workflow-config\.yml:3: this command would start"):
        Workspace.open()
    assert not Path("ran").exists()
    with pytest.raises(BackendUnavailable, match="ended with code 0"):
        Workspace.create(backend=f"taskqueue:{project}/tasks.json").tasks.list()
    assert Path("ran").exists()


def test_a_folder_of_tasks_is_no_clone_of_one_on_taskqueue(project: Path) -> None:
    HERE.mkdir(parents=True)
    (HERE / "task-train.md").write_text("---\ntitle: Train\n---\n")
    Path(".claude/workflow-config.yml").write_text("coordination:\n  mode: taskqueue\n")
    with pytest.raises(ConfigError):
        Workspace.open()
    with pytest.raises(AlreadyExists):
        Workspace.create(backend="taskqueue")


def test_another_store_can_be_looked_at(project: Path, server: Server) -> None:
    with Workspace.create() as w:
        w.tasks.create("Train", id="train")
    found = status(backend=server.url("look:"))
    assert (found["backend"], found["reason"]) == ("redis", "it was opened so")
    with Workspace.open() as w:
        assert [task.id for task in w.tasks.list()] == ["train"]


def test_a_workspace_on_taskqueue(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDCOORD_TASKQUEUE_COMMAND", shlex.join(STANDIN))
    monkeypatch.setenv("TASK_MANAGER_FILE_PATH", str(project / "tasks.json"))
    with Workspace.create() as w:
        assert w.backend.name == "taskqueue"
        w.tasks.create("Train", id="train")
        w.agents.register("ada")
    monkeypatch.delenv("TASK_MANAGER_FILE_PATH")
    with Workspace.open(agent="ada") as w, w.tasks.claim() as claim:
        claim.complete("ok")
    (made,) = json.loads(Path("tasks.json").read_text())["projects"]
    assert made["initialPrompt"] == f"mdcoord: {project}"
    assert [(task["title"], task["completedDetails"]) for task in made["tasks"]] == [("Train", "ok")]
    assert not list(HERE.glob("task-*"))
    assert (HERE / "agent-ada.md").is_file()
    assert status()["backend"] == "taskqueue"


# -- the command


def mdcoord(*arguments: str) -> Any:
    return CliRunner().invoke(cli, arguments)


def test_a_prefix_is_said_once(project: Path, server: Server) -> None:
    mdcoord("init")
    url, other = server.url("one:"), server.url()
    refused = mdcoord("migrate", "redis", url, "--prefix", "two:", "--dry-run")
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        2,
        "mdcoord: the URL has the prefix 'one:', and --prefix is 'two:'",
    )
    for address in (url, other):
        done = mdcoord("migrate", "redis", address, "--prefix", "one:", "--dry-run")
        assert (done.exit_code, done.stdout.rpartition("?")[2]) == (0, "prefix=one:\n")


def test_init_says_what_it_does(project: Path, closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", closed)
    refused = mdcoord("init", "--backend", "redis")
    assert (refused.exit_code, refused.stderr.split(" (")[0]) == (
        8,
        f"mdcoord: no Redis at redis://localhost:{closed}/0",
    )
    assert not (project / ".claude").exists()
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    done = mdcoord("init")
    assert f"mdcoord: no Redis at redis://127.0.0.1:{closed}/0 (Connection refused): " in done.stderr
    assert "Mode: markdown (no Redis at" in mdcoord("status").output


def test_init_with_a_mode(project: Path) -> None:
    assert mdcoord("init", "--backend", "markdown").exit_code == 0
    assert "Mode: markdown (it was asked for); " in mdcoord("status").output
    assert not Path(".claude/workflow-config.yml").exists()
