"""The settings of a workspace, and where each of them comes from.

Later sources go before earlier ones, setting by setting:

1. the defaults below;
2. `.claude/workflow-config.yml` in the project folder;
3. `[tool.mdcoord]` in the project's `pyproject.toml`, with the same sections (`[tool.mdcoord.coordination]`);
4. the environment: `MDCOORD_` and the setting's name in capitals, as in `MDCOORD_CLAIM_TTL=5m`.

Durations are numbers of seconds, or texts like `30s`, `5m`, `1h30m`, `24h`, `7d`. A key without a value
(null) and an empty variable count as absent. A value of the wrong type or out of range is an error that
names its place. A key that is no setting stops nothing, since the files may serve other tools too; it is
listed in `Config.unknown`, and `mdcoord check` tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mdcoord.config.files import Keys, Place, Refuse, Source, refuse, sources
from mdcoord.config.kinds import AUTO, Choice, Command, Flag, Kind, Number, Seconds, Text, Texts, Whole
from mdcoord.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CLAIM_TTL: Final = 900.0
"""The usual `claim_ttl`."""

DERIVED: Final = -1.0
"""Stands for a default that is computed from another setting."""

_DEFAULT: Final = Place("default")


def _setting(key: str, kind: Kind, default: Any) -> Any:
    return field(default=default, metadata={"key": tuple(key.split(".")), "kind": kind})


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings. Durations are seconds. Raises ConfigError when settings contradict each other."""

    # Section `coordination`: how agents share a workspace.

    mode: str = _setting(
        "coordination.mode", Choice("auto", "redis", "taskqueue", "markdown", file="markdown"), "auto"
    )
    """Which backend. `auto`: Redis if it answers, else TaskQueue if there is one, else Markdown."""

    redis_url: str = _setting("coordination.redis_url", Text(), "redis://localhost:6379")
    """Where Redis is."""

    redis_data: str | None = _setting("coordination.redis_data", Text(), None)
    """What names the data of this project on its server, where the mode is redis: no other ones are used.

    Written by `mdcoord init` and `mdcoord migrate`. Commit it, so that every clone has the right server.
    """

    taskqueue_command: str | tuple[str, ...] | None = _setting(
        "coordination.taskqueue_command", Command(), None
    )
    """The command that starts a TaskQueue server. Default: `taskqueue-mcp`, where it is installed."""

    taskqueue_file: str | None = _setting("coordination.taskqueue_file", Text(), None)
    """The file of the TaskQueue server. Default: TASK_MANAGER_FILE_PATH, or else where the server has it."""

    taskqueue_project: str | None = _setting("coordination.taskqueue_project", Text(), None)
    """The project on the TaskQueue server, an id like proj-3 or the text that it was made with.

    Default: one for this workspace, made when it is first needed.
    """

    claim_ttl: float = _setting("coordination.claim_ttl", Seconds(), CLAIM_TTL)
    """How long a claim lasts after its last renewal; at least three times `heartbeat_interval`."""

    renewed_ttl: float = _setting("coordination.renewed_ttl", Seconds(), DERIVED)
    """How long a claim lasts that its holder renews in the background, as a worker does.

    Default: 24, so that a task is free again half a minute after its worker fell silent, wherever that runs;
    or `claim_ttl`, where that is another than usual.
    """

    heartbeat_interval: float = _setting("coordination.heartbeat_interval", Seconds(), DERIVED)
    """How often a holder renews its claim. Default: 60, or a third of `claim_ttl` if that is less."""

    grace: float = _setting("coordination.grace", Seconds(zero=True), DERIVED)
    """How long a claim is left alone after its end. Default: a tenth of `claim_ttl`."""

    durability: str = _setting("coordination.durability", Choice("full", "data", "none"), "full")
    """What is on the disk before a write is acknowledged: file and directory, only the file, or nothing."""

    lock_timeout: float = _setting("coordination.lock_timeout", Seconds(zero=True), 10.0)
    """How long a write waits for a lock before it fails; 0 does not wait."""

    stale_after: float = _setting("coordination.stale_after", Seconds(), 3600.0)
    """How long a record may go without an update before it counts as stale."""

    worktrees: str = _setting("coordination.worktrees", Choice("shared", "isolated"), "shared")
    """Whether linked git worktrees use the workspace of the main one, or each its own."""

    events: str = _setting("coordination.events", Choice("important", "all"), "important")
    """Which events of tasks are published: failed, dead, recovered and retried; or all, also created,
    claimed, completed and released.

    Each event is a second synced write: with `all`, claiming and completing take about twice as long.
    """

    # Section `tasks`: how work is handed out.

    priority_queue: str = _setting("tasks.priority_queue", Text(), "tasks:priority_queue")
    """Understood, without effect: the queue in Redis is `tasks:priority_queue` behind its prefix."""

    assignment_strategy: str = _setting(
        "tasks.assignment_strategy",
        Choice("skill_based", "round_robin", "load_balanced", "learned"),
        "skill_based",
    )
    """How an agent is chosen for a task that is assigned, and which of equal tasks it is offered first.

    `learned` goes by the durations and successes of past tasks of the type.
    """

    task_timeout: float | None = _setting("tasks.timeout", Seconds(), None)
    """How long one claim of a task may last, however alive its holder is; None: as long as it takes."""

    retry_limit: int = _setting("tasks.retry_limit", Whole(1), 3)
    """After how many failed attempts a task becomes a dead letter."""

    backoff_base: float = _setting("tasks.backoff_base", Seconds(zero=True), 5.0)
    """How long a task that failed is left alone, with some chance in it; 0: it may be tried again at once."""

    backoff_factor: float = _setting("tasks.backoff_factor", Number(1.0, 10.0), 2.0)
    """How many times longer it is left alone after each further failure."""

    backoff_cap: float = _setting("tasks.backoff_cap", Seconds(), 300.0)
    """The longest time for which a task that failed is left alone."""

    fallback_after: float | None = _setting("tasks.fallback_after", Seconds(), None)
    """How long a task waits for the agents that it is for; then any agent may have it. None: for ever."""

    # Section `agents`.

    max_concurrent_tasks: int = _setting("agents.max_concurrent_tasks", Whole(1), 3)
    """How many tasks a registered agent may hold at a time when its own record does not say."""

    breaker_threshold: int = _setting("agents.breaker_threshold", Whole(0), 3)
    """After how many failures in a row a registered agent is given nothing for a while; 0: never."""

    breaker_cooldown: float = _setting("agents.breaker_cooldown", Seconds(), 60.0)
    """For how long an agent that failed too often is given nothing."""

    specializations: tuple[str, ...] = _setting("agents.specializations", Texts(), ())
    """What the agents of this project are for."""

    # Section `monitoring`.

    metrics_enabled: bool = _setting("monitoring.metrics_enabled", Flag(), True)
    """Whether processes count what goes wrong: races and claims that were lost, conflicts, locks in use."""

    log_level: str = _setting(
        "monitoring.log_level", Choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO"
    )
    """Understood, without effect: mdcoord keeps no log of its own."""

    dashboard_port: int = _setting("monitoring.dashboard_port", Whole(0, 65535), 8080)
    """Understood, without effect: there is no dashboard."""

    # Section `project`. A text is run by the shell, a list without one.

    project_type: str = _setting("project.type", Text(), AUTO)
    """What kind of project this is: python, node, go, rust, or several with commas.

    `auto_detect`: from the files that are there.
    """

    test_command: str | tuple[str, ...] = _setting("project.test_command", Command(), AUTO)
    """The command that runs the tests. `auto_detect`: from the project's files and the tools installed."""

    build_command: str | tuple[str, ...] = _setting("project.build_command", Command(), AUTO)
    """The command that builds the project."""

    lint_command: str | tuple[str, ...] = _setting("project.lint_command", Command(), AUTO)
    """The command that checks the style; `{files}` stands for the changed files: `ruff check {files}`."""

    type_check_command: str | tuple[str, ...] = _setting("project.type_check_command", Command(), AUTO)
    """The command that checks the types."""

    # Section `quality`: the checks of `mdcoord quality run`; `off` leaves one out.

    quality_lint: str | tuple[str, ...] = _setting("quality.lint", Command(), AUTO)
    """How the gate checks the style. `auto_detect`: by `project.lint_command`."""

    quality_types: str | tuple[str, ...] = _setting("quality.types", Command(), AUTO)
    """How the gate checks the types. `auto_detect`: by `project.type_check_command`."""

    quality_tests: str | tuple[str, ...] = _setting("quality.tests", Command(), AUTO)
    """How the gate tests. `auto_detect`: by `project.test_command`."""

    quality_security: str | tuple[str, ...] = _setting("quality.security", Command(), AUTO)
    """How the gate looks for security problems."""

    quality_complexity: str | tuple[str, ...] = _setting("quality.complexity", Command(), AUTO)
    """How the gate looks for functions that are too complex."""

    quality_timeout: float = _setting("quality.timeout", Seconds(), 600.0)
    """How long one check may take before it is ended and counts as failed."""

    # Section `archive`.

    archive_after: float = _setting("archive.after", Seconds(zero=True), 86400.0)
    """How long finished tasks and silent agents stay before they may be archived."""

    keep_events: int = _setting("archive.keep_events", Whole(1), 100)
    """How many events a channel keeps when it is rotated."""

    # Not settings, but facts about them.

    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)
    """Where each setting that is not a default was made; see `origin`."""

    unknown: tuple[tuple[str, int, str], ...] = field(default=(), repr=False, compare=False)
    """Keys in the files that are no settings: path, line, key with its section (`coordination.claim_tll`)."""

    overruled: Mapping[str, tuple[Place, ...]] = field(default_factory=dict, repr=False, compare=False)
    """Where a setting was made as well, by a weaker source, the strongest first."""

    def __post_init__(self) -> None:
        if self.heartbeat_interval == DERIVED:
            object.__setattr__(self, "heartbeat_interval", min(60.0, self.claim_ttl / 3))
        if self.renewed_ttl == DERIVED:
            lasts = 24.0 if self.claim_ttl == CLAIM_TTL else self.claim_ttl
            object.__setattr__(self, "renewed_ttl", lasts)
        if self.grace == DERIVED:
            object.__setattr__(self, "grace", self.claim_ttl / 10)
        # A third with some room: 0.1 * 3 is more than 0.3.
        if self.heartbeat_interval > self.claim_ttl / 3 * 1.000001:
            raise self.places.get("heartbeat_interval", _DEFAULT).error(
                f"heartbeat_interval ({self.heartbeat_interval:g} s) is more than a third of"
                f" claim_ttl ({self.claim_ttl:g} s, {self.origin('claim_ttl')})",
                "one late heartbeat must not cost the claim: renew more often, or make claim_ttl longer",
                setting="heartbeat_interval",
            )

    def origin(self, name: str) -> str:
        """Where a setting was made: `default`, `path:line`, or the name of an environment variable.

        Raises KeyError for a name that is no setting.
        """
        return str(self.places.get(SETTINGS[name].name, _DEFAULT))


class Setting(NamedTuple):
    """A setting's name in this class, its keys in the files, its variable in the environment, its values."""

    name: str
    keys: Keys
    variable: str
    kind: Kind


PREFIX: Final = "MDCOORD_"
"""What the variables of settings begin with."""

SETTINGS: Final = {
    item.name: Setting(item.name, item.metadata["key"], PREFIX + item.name.upper(), item.metadata["kind"])
    for item in fields(Config)
    if item.metadata
}
"""All settings by name, in the order of the class."""

_BY_KEYS: Final = {setting.keys: setting for setting in SETTINGS.values()}
_SECTIONS: Final = frozenset(keys[0] for keys in _BY_KEYS if len(keys) > 1)


def load_config(root: Path, environ: Mapping[str, str], *, lenient: bool = False) -> Config:
    """The settings for the workspace at `root`. Reads two files at most, a missing one costs a failed open.

    Raises ConfigError, with `path` and `line` or with `variable`; if `lenient`, what is wrong is passed over.
    """
    pass_over: Refuse = (lambda _: None) if lenient else refuse
    try:
        return config_of(sources(project_folder(root), pass_over), environ, pass_over)
    except ConfigError as error:
        error.hint = error.hint or "correct it; `mdcoord config --check` tells all that is wrong"
        raise


def config_of(files: Iterable[Source], environ: Mapping[str, str], refuse: Refuse = refuse) -> Config:
    """The settings that files, the weakest first, and an environment make. Raises ConfigError.

    `refuse` is given each error; when it returns, the setting is left at its default.
    """
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    overruled: dict[str, tuple[Place, ...]] = {}
    unknown: list[tuple[str, int, str]] = []
    for setting, value, place, read in _given(files, environ, unknown, refuse):
        try:
            values[setting.name] = _read(setting, value, place, read)
        except ConfigError as error:
            refuse(error)
            continue
        if weaker := places.get(setting.name):
            overruled[setting.name] = (weaker, *overruled.get(setting.name, ()))
        places[setting.name] = place
    while True:
        try:
            return Config(**values, places=places, unknown=tuple(unknown), overruled=overruled)
        except ConfigError as contradiction:
            refuse(contradiction)
            del values[contradiction.details["setting"]]


def project_folder(root: Path) -> Path:
    """The folder of the project that a workspace belongs to: the one that has `.claude/`.

    The workspace lies in it as a rule; else the nearest folder from `root` upwards that has one, else `root`.
    """
    for folder in (root, *root.parents):
        if folder.name == ".claude":
            return folder.parent
    return next((folder for folder in (root, *root.parents) if (folder / ".claude").is_dir()), root)


def _given(
    files: Iterable[Source], environ: Mapping[str, str], unknown: list[tuple[str, int, str]], refuse: Refuse
) -> Iterator[tuple[Setting, Any, Place, Callable[[Any], Any]]]:
    """Every setting that is made anywhere, the weakest first: its value, its place, how to read it."""
    for source in files:
        for keys, value in _entries(source, refuse):
            place, setting = source.place(keys), _BY_KEYS.get(keys)
            if setting is None:
                unknown.append((*place, ".".join(keys)))
            elif value is not None:
                yield setting, value, place, setting.kind.read
    for setting in SETTINGS.values():
        if text := environ.get(setting.variable):
            yield setting, text, Place(setting.variable), setting.kind.read_text


def _entries(source: Source, refuse: Refuse) -> Iterator[tuple[Keys, Any]]:
    for section, content in source.content.items():
        if section not in _SECTIONS:
            yield (section,), content
        elif isinstance(content, dict):
            for key, value in content.items():
                yield (section, key), value
        elif content is not None:
            place, hint = source.place((section,)), f"write its keys below `{section}:`"
            refuse(place.error(f"{section} must be a mapping", hint))


def _read(setting: Setting, value: Any, place: Place, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValueError as error:
        name = ".".join(setting.keys)
        raise place.error(f"{name} must be {error}, not {_shown(value)}", setting=setting.name) from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
