"""The checklist for whoever begins to work in a project.

What coordination there is, who is here, how it is built, and under which name to join. Looks only, writes
nothing, asks no server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from mdcoord.config import Config
from mdcoord.config.checks import Check, checks_of, command_of, types_of
from mdcoord.config.detect import Project
from mdcoord.config.files import CONFIG_FILE
from mdcoord.config.problems import problems
from mdcoord.host import Host
from mdcoord.model import Value
from mdcoord.rules.presence import OFFLINE

OK: Final = "ok"
NONE: Final = "none"
WRONG: Final = "wrong"

CAPABILITIES: Final = ("development", "testing", "documentation", "refactoring")
"""What a coding agent can do, where neither it nor the configuration says."""

COMPOSE: Final = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")

_REDIS: Final = re.compile(r"^[^#\n]*\b(?:redis|valkey)\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the list: `ok`, `none` (there is no such thing) or `wrong`, what was found, what to do."""

    name: str
    status: str
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found.

    `workspace` is its root, None where there is none; `agents` are those that are not offline; `agent_id` is
    the name to join under, and `registered` whether that is known already.
    """

    folder: str
    workspace: str | None
    types: Sequence[str]
    agents: Sequence[str]
    agent_id: str
    registered: bool
    points: Sequence[Point] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        facts = asdict(self)
        return {**facts, "types": [*self.types], "agents": [*self.agents], "points": [*facts["points"]]}


@dataclass(frozen=True, slots=True)
class Scene:
    """What the checklist is about: a project's folder and settings, who is calling, and who is known.

    `known` maps the names of all agents to their presence.
    """

    folder: Path
    config: Config
    environ: Mapping[str, str]
    host: Host
    session: str
    workspace: Path | None = None
    agent: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)


def assess(scene: Scene) -> Assessment:
    """Go through the list."""
    project = Project(str(scene.folder), scene.environ.get("PATH", ""))
    agent = scene.agent or proposed_id(scene.host, scene.session)
    live = [name for name, presence in scene.known.items() if presence != OFFLINE]
    registered = agent in scene.known
    return Assessment(
        folder=str(scene.folder),
        workspace=None if scene.workspace is None else str(scene.workspace),
        types=types_of(scene.config, project),
        agents=live,
        agent_id=agent,
        registered=registered,
        points=[
            *_coordination(scene, project),
            _agents(scene.known, live),
            *_project(scene.config, project),
            _agent(agent, registered),
        ],
    )


def proposed_id(host: Host, session: str) -> str:
    """A name for an agent that has none, `claude-{host}-{6 hex digits}`: the same within a session."""
    place = re.sub(r"[^a-z0-9]+", "-", host.name.lower()).strip("-")[:40].strip("-") or "host"
    return f"claude-{place}-{sha256(session.encode()).hexdigest()[:6]}"


def _coordination(scene: Scene, project: Project) -> Iterator[Point]:
    if scene.workspace is None:
        yield Point("workspace", NONE, "there is none yet", "`mdcoord assess --init` makes the workspace")
    else:
        yield Point("workspace", OK, str(scene.workspace))
    yield _configuration(scene)
    compose = next((name for name in COMPOSE if _REDIS.search(project.text(name))), None)
    yield _there("redis", f"in {compose}" if compose else "", "no compose file names it")
    # Their values may hold passwords.
    variables = sorted(name for name in scene.environ if name.startswith(("REDIS_", "MDCOORD_REDIS_")))
    yield _there("redis variables", ", ".join(variables), "no REDIS_… is set")
    yield _there("taskqueue", _taskqueue(project), "neither in .mcp.json nor installed")


def _configuration(scene: Scene) -> Point:
    wrong = problems(scene.folder, scene.environ)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return Point("configuration", WRONG, wrong[0].message + more, "`mdcoord config --check` tells all")
    if (scene.folder / CONFIG_FILE).is_file():
        return Point("configuration", OK, CONFIG_FILE)
    return Point(
        "configuration", NONE, "the defaults apply", "`mdcoord config --write` makes a file of all settings"
    )


def _taskqueue(project: Project) -> str:
    if project.tool("taskqueue-mcp"):
        return "taskqueue-mcp is installed"
    return "in .mcp.json" if "taskqueue" in project.text(".mcp.json").lower() else ""


def _agents(known: Mapping[str, str], live: Sequence[str]) -> Point:
    if not live:
        return Point("live agents", NONE, f"none of {len(known)}" if known else "nobody was ever here")
    return Point("live agents", OK, ", ".join(f"{name} ({known[name]})" for name in live))


def _project(config: Config, project: Project) -> Iterator[Point]:
    types = types_of(config, project)
    marks = filter(None, map(project.mark, types))
    found = f"{', '.join(types)} ({', '.join(marks) or 'as configured'})" if types else ""
    yield _there("project type", found, "not known", "set project.type, or the commands one by one")
    checks = [check for check in checks_of(config, project) if check.name in ("tests", "lint")]
    for check in (*checks, *command_of(config, project, "build", ("build_command",))):
        yield _command(check)


def _command(check: Check) -> Point:
    name = f"{check.name} ({check.type})" if check.type else check.name
    return _there(name, check.text, check.reason)


def _agent(agent: str, registered: bool) -> Point:
    if registered:
        return Point("your name", OK, f"{agent}, which is registered")
    return Point("your name", NONE, f"{agent}, not registered", "`mdcoord assess --register` makes you known")


def _there(name: str, found: str, absent: str, hint: str = "") -> Point:
    return Point(name, OK, found) if found else Point(name, NONE, absent, hint)
