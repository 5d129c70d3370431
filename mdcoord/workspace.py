"""The façade: one object for everything that can be done in a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mdcoord.backends.base import Backend
from mdcoord.backends.opening import is_address, open_backend, open_home
from mdcoord.backends.values import Unreadable
from mdcoord.config import Config, load_config, project_folder
from mdcoord.errors import InvalidName, NotFound, UsageError
from mdcoord.host import Host
from mdcoord.layout import project_here
from mdcoord.model import DOCUMENTS, KINDS, Value
from mdcoord.records import EventRecord, TypedRecord
from mdcoord.roots import environment, root_for, root_of, root_or_none
from mdcoord.services.agents import Agents
from mdcoord.services.claim import Claim
from mdcoord.services.documents import Documents, Where
from mdcoord.services.events import LOG, Events
from mdcoord.services.notes import Contexts, MetricsDocuments, ProgressDocuments
from mdcoord.services.settings import env_of
from mdcoord.services.tasks import Tasks

if TYPE_CHECKING:
    from mdcoord.aio import Async
    from mdcoord.formats.brief import Brief
    from mdcoord.moving.export import Export
    from mdcoord.moving.importing import Imported
    from mdcoord.moving.mirroring import Mirroring
    from mdcoord.moving.plain import Copied
    from mdcoord.moving.transfer import Tell
    from mdcoord.services.inbox import Inbox
    from mdcoord.services.messages import Messages
    from mdcoord.services.quality import Quality
    from mdcoord.services.workflow import Workflows
    from mdcoord.upkeep.archive import Summary
    from mdcoord.upkeep.assess import Assessment
    from mdcoord.upkeep.check import Finding
    from mdcoord.upkeep.configure import ConfigFile
    from mdcoord.upkeep.migrate import Migrated
    from mdcoord.upkeep.recover import Recovered

__all__ = ["Claim", "Workspace"]


class Workspace:
    """One workspace as one caller sees it: its tasks, agents, events, context, metrics, progress, messages.

    Open it with `Workspace.open()`, or make one with `Workspace.create()`. `agent` and `session` say who is
    calling; every verb that needs another identity takes it as an argument. Safe to share between threads.
    """

    made: Sequence[Path] = ()
    """What `create` made or changed; empty when all was there."""

    notice: str = ""
    """What whoever called `create` should know: a server is not used, or keeps nothing."""

    _opened_at: str | None = None
    """The place that whoever opened it named."""

    def __init__(
        self,
        backend: Backend,
        *,
        root: Path | None = None,
        config: Config | None = None,
        agent: str | None = None,
        session: str | None = None,
        host: Host | None = None,
    ) -> None:
        self.backend = backend
        self.root = root
        self.config = config or Config()
        self.agent = _agent(agent)
        self.session = _session(session)
        self.host = host or backend.clock(Host())
        self._env = env_of(backend, self.config, self.host, self.session, self.agent)
        self.tasks = Tasks(self._env)
        self.agents = Agents(self._env)
        self.events = Events(self._env)
        self.context = Contexts(self._env)
        self.metrics = MetricsDocuments(self._env)
        self.progress = ProgressDocuments(self._env)

    @classmethod
    def open(
        cls,
        where: str | Path | None = None,
        *,
        backend: Backend | str | None = None,
        agent: str | None = None,
        session: str | None = None,
        host: Host | None = None,
        lenient: bool = False,
    ) -> Workspace:
        """Open the workspace of a folder.

        Without `where`: MDCOORD_ROOT, else the nearest one from the current folder upwards; in a linked git
        worktree the main worktree's. With a `backend`, that one, wherever it keeps things: an object, a mode
        (`markdown`, `redis` …), or an address (`redis://…`), which may also be given as `where`, or by
        MDCOORD_BACKEND; `auto` is where it lives. With `lenient` a setting that is wrong is passed over.
        Raises NotFound, ConfigError, BackendUnavailable.
        """
        who: dict[str, Any] = {"agent": agent, "session": session, "host": host}
        if isinstance(backend, Backend):
            return cls(backend, **who)
        if isinstance(where, str) and (where == "auto" or is_address(where)):
            where, backend = None, where
        backend = backend or environment("MDCOORD_BACKEND")
        backend = None if backend == "auto" else backend
        if backend and is_address(backend):
            return cls._at(root_or_none(where, lenient=lenient), backend, lenient, **who)
        return cls._at(root_of(where, lenient=lenient), backend, lenient, **who)

    @classmethod
    def _at(cls, root: Path | None, place: str | None = None, lenient: bool = False, **who: Any) -> Workspace:
        config = load_config(root or Path.cwd(), os.environ, lenient=lenient)
        if place is None and root is not None:
            backend = open_home(config, root)
        else:
            backend = open_backend(place or "markdown", config, root)
        workspace = cls(backend, root=root, config=config, **who)
        workspace._opened_at = place
        return workspace

    @classmethod
    def create(
        cls,
        folder: str | Path = ".",
        *,
        track: bool = False,
        backend: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        host: Host | None = None,
    ) -> Workspace:
        """Make a workspace in a project folder and open it. What is there already stays as it is.

        With `track` git is to see its documents; without, its README only. `backend` is where it is to live:
        `auto`, a mode or an address (see `backends.detect`). Raises BackendUnavailable, also where a server
        that is asked for is absent, AlreadyExists for a workspace that lives elsewhere.
        """
        from mdcoord.upkeep.make import make_workspace
        from mdcoord.upkeep.settle import caveat, remember, settled

        root = root_for(folder)
        config = load_config(root, os.environ)
        choice = settled(root, backend, config, os.environ)
        made = make_workspace(root, track=track)
        if choice:
            made += remember(root, choice, config)
        workspace = cls._at(root, agent=agent, session=session, host=host)
        workspace.made = made
        if choice and choice.asked:
            workspace.notice = choice.notice or caveat(workspace.backend)
            workspace.log(f"This workspace is kept in {choice.mode}: {'; '.join(choice.reasons)}.")
        return workspace

    @staticmethod
    def config_file(where: str | Path | None = None) -> ConfigFile:
        """The configuration file for the workspace that `open` finds, also where settings in it are wrong.

        Raises NotFound.
        """
        from mdcoord.upkeep.configure import ConfigFile

        return ConfigFile(root_of(where, lenient=True))

    @staticmethod
    def migrate(
        place: str,
        where: str | Path | None = None,
        *,
        dry_run: bool = False,
        archive: bool = False,
        keep: bool = False,
        tell: Tell | None = None,
    ) -> Migrated:
        """Move the workspace that `open` finds to a server (`redis://…`), or into its files (`markdown`).

        It may be in use: who works in it goes along. Killed and done again, it goes on; until the end all is
        where it was. With `dry_run` it only counts. To a server archived documents come along with `archive`,
        and the files then go to `archive/pre-redis/`, unless `keep` says that they stay. `tell` is told how
        far it is. Raises NotFound, UsageError, AlreadyExists for a place that others use, Busy,
        BackendUnavailable.
        """
        from mdcoord.upkeep.migrate import Migration

        root = root_of(where, lenient=True)
        config = load_config(root, os.environ)
        move = Migration(root, config, Host(), place, archive=archive, keep=keep, tell=tell)
        try:
            return move.rehearse() if dry_run else move.run()
        finally:
            move.close()

    @classmethod
    def assess(
        cls,
        folder: str | Path | None = None,
        *,
        init: bool = False,
        register: bool = False,
        can: Iterable[str] = (),
        backend: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        host: Host | None = None,
    ) -> Assessment:
        """The checklist for whoever begins to work: coordination, who is here, project, a name to join under.

        Looks only. With `init` a missing workspace is made, with `register` the agent of that name is made
        known with its capabilities `can` (else those that are configured); both may be repeated. `backend` is
        the one to look at, or for a workspace that is made. A wrong configuration is one of its points.
        Raises NotFound for a registration without a workspace, and what `open` and `create` raise.
        """
        who: dict[str, Any] = {"agent": agent, "session": session, "host": host}
        try:
            place = None if init else backend
            workspace: Workspace | None = cls.open(folder, backend=place, lenient=True, **who)
        except NotFound:
            workspace = cls.create(folder or ".", backend=backend, **who) if init else None
            if workspace is None and register:
                raise
        if workspace is None:
            return cls._nowhere(Path(folder or ".").expanduser().resolve(), **who)
        with workspace:
            found = workspace._assessed()
            if register:
                workspace._join(found, [*can])
                found = workspace._assessed()
            return found

    @staticmethod
    def _nowhere(folder: Path, *, agent: str | None, session: str | None, host: Host | None) -> Assessment:
        from mdcoord.upkeep.assess import Scene, assess

        config = load_config(folder, os.environ, lenient=True)
        scene = Scene(folder, config, os.environ, host or Host(), _session(session), agent=_agent(agent))
        return assess(scene)

    def _assessed(self) -> Assessment:
        from mdcoord.upkeep.assess import Scene, assess

        scene = Scene(
            *(Path(self._project()), self.config, os.environ, self.host, self.session),
            workspace=self.root,
            agent=self.agent,
            known={one.agent_id: one.presence for one in self.messages.presence()},
        )
        return assess(scene)

    def _join(self, found: Assessment, can: list[str]) -> None:
        """Register the agent under its proposed name; one that is known gives a sign of life."""
        from mdcoord.upkeep.assess import CAPABILITIES

        if not found.registered:
            can = can or [*(self.config.specializations or CAPABILITIES)]
            types = ", ".join(found.types) or None
            self.agents.register(
                found.agent_id, can=can, project_type=types, coordination_mode=self.backend.name
            )
        elif can:
            self.agents.set(found.agent_id, capabilities=can)
        else:
            self.agents.heartbeat(found.agent_id)

    def query(
        self,
        kind: str,
        where: Where = None,
        *,
        select: str | Iterable[str] | None = None,
        sort: str | None = None,
        limit: int | None = None,
        channel: str | None = None,
    ) -> Sequence[Any]:
        """The records of a kind that meet a query: typed records, or with `select` mappings of those fields.

            w.query("task", "status = 'completed' and progress > 0.3", sort="-priority", limit=10)

        Events are asked for with `kind="events"` and their channel, without one of all channels.
        Raises QueryError, UsageError, NotFound.
        """
        if limit is not None and not (isinstance(limit, int) and limit >= 0):
            raise UsageError(f"a limit of {limit!r} is not possible", hint="0 or more")
        if kind == "events":
            rows = self._event_rows(where, sort, limit, channel)
        else:
            rows = self._documents(kind).list(where, sort=sort, limit=limit)
        if select is None:
            return rows
        from mdcoord.formats.query import select as chosen

        fields = select if isinstance(select, str) else ",".join(select)
        return [chosen(row, fields) for row in rows]

    def unreadable(self, kind: str, *, max_age: float = 1.0) -> Sequence[Unreadable]:
        """The files of a kind that cannot be read, which lists leave out; at most `max_age` seconds old."""
        return [] if kind == "events" else self.backend.list(kind, max_age=max_age).unreadable

    def status(self) -> dict[str, Value]:
        """What is going on, as one mapping: where it is, and all that `upkeep.overview` finds."""
        from mdcoord.upkeep.overview import overview

        tasks, agents = self.tasks.list(), self.agents.list()
        return {
            "root": str(self.root) if self.root else None,
            "backend": self.backend.name,
            **self._mode(),
            "location": self.backend.location,
            "durability": self.backend.durability or self.config.durability,
            "agent": self.agent,
            "session": self.session,
            "unread": self._unread(),
            "left_behind": [str(path) for path in self._left_behind()],
            "mirrors": self._mirrors(),
            **overview(self.backend, self.host, self._env.rules, tasks, agents, self.tasks.why),
        }

    def _mode(self) -> dict[str, Value]:
        """Why the workspace lives where it does, and what would change that."""
        from mdcoord.upkeep.settle import moving, reason

        named = self._opened_at is not None or self.root is None
        why = "it was opened so" if named else reason(self.root, self.config)
        return {"reason": why, "change": moving(self.backend.name)}

    def _left_behind(self) -> Sequence[Path]:
        """Files that were saved in the root after the workspace had moved away from it."""
        from mdcoord.moving.leftbehind import LeftBehind

        return LeftBehind(self.root).late() if self.root and self.backend.name == "redis" else []

    def recover(self) -> Sequence[Recovered]:
        """Take back every task whose holder is gone."""
        from mdcoord.upkeep.recover import recover_all

        found = recover_all(
            self.backend,
            self.host,
            self._env.rules,
            self.tasks.taken_back,
        )
        self.tasks.refresh()
        return found

    def archive(self, older_than: float | None = None, *, dry_run: bool = False) -> Summary:
        """Archive what ended or fell silent more than `older_than` seconds ago (None: as configured)."""
        from mdcoord.upkeep.archive import archive_old

        age = self.config.archive_after if older_than is None else older_than
        if not isinstance(age, int | float):
            raise UsageError(f"an age of {age!r} is not possible", hint="seconds, as in 86400")
        present = self.messages.present(age)
        return archive_old(self.backend, self.host, age, instances=present, dry_run=dry_run)

    def archived(self) -> Sequence[str]:
        """The names of everything in the archive, sorted."""
        return self.backend.archived()

    def restore(self, name: str) -> TypedRecord:
        """Bring a document back from the archive. Raises NotFound, AlreadyExists."""
        from mdcoord.upkeep.archive import archived_as

        record = self.backend.restore(archived_as(self.backend.archived(), name))
        self.tasks.refresh()
        restored: TypedRecord = self._documents(record.key.kind).get(record.key.id)
        return restored

    def export(self, kinds: Iterable[str] = (), *, archive: bool = False) -> Export:
        """Everything (or these kinds) as lines of JSON, to be iterated over; see `mdcoord.moving.stream`.

        With `archive` what is archived, too. Raises UsageError for a kind that there is not.
        """
        from mdcoord._version import __version__
        from mdcoord.moving.export import Export, kinds_of
        from mdcoord.moving.stream import Header
        from mdcoord.services.consumers import Places

        head = Header(
            self.backend.name, self.backend.location, self.host.stamp(), kinds_of(kinds), archive, __version__
        )
        return Export(self.backend, head, Places(self._env).noted(), self.host)

    def copy_plain(self, url: str, layout: str) -> Copied:
        """Copy all records to the Redis server at `url` as plain keys for other programs.

        `layout` is `hash`, `json` or `string`; see `mdcoord.moving.plain`. Keys that somebody else made are
        left. Raises UsageError, AlreadyExists where a workspace is, BackendUnavailable.
        """
        from mdcoord.moving.plain import PlainCopy

        copy = PlainCopy(url, layout)
        try:
            return copy.write(self.backend)
        finally:
            copy.close()

    def import_(
        self, source: str | Path | Iterable[str | bytes], *, tool: str | None = None, dry_run: bool = False
    ) -> Imported:
        """Take in an export: a file, its lines, or a folder such as a mirror's. What is there already stays.

        `tool` names the program whose file or folder it is: `backlog` (Backlog.md), `beads`, `taskqueue`, or
        `tasks` (plain lines of JSON); None: mdcoord. Raises NotFound, and InvalidDocument for what is no
        export, or not all of it; what came before is imported then.
        """
        try:
            if tool is not None:
                from mdcoord.moving.importforeign import ForeignImport
                from mdcoord.moving.sources import records_of

                found = records_of(tool, str(source))
                return ForeignImport(self.backend, self.host, tool, dry_run=dry_run).run(found)
            from mdcoord.moving.importing import Import, lines_of
            from mdcoord.services.consumers import Places

            target = Import(self.backend, Places(self._env), self.host, dry_run=dry_run)
            if not isinstance(source, str | Path):
                return target.run(source, "the input")
            if Path(source).is_dir():
                from mdcoord.moving.folder import import_folder

                return import_folder(Path(source), target, self.host)
            return target.run(lines_of(str(source)), str(source))
        finally:
            self._look_anew()

    def mirror(self, folder: str | Path | None = None) -> AbstractContextManager[Mirroring]:
        """A Markdown copy of a workspace that lives in Redis, in a folder (None: where its files would be).

            with w.mirror() as mirror:
                for done in mirror.rounds(interval=1.0):  # for ever; or mirror.once()
                    print(done.as_dict())

        What people save there comes back, see `mdcoord.moving.mirror`. Raises UsageError, AlreadyExists for a
        folder that is another workspace's, Busy while another process mirrors there.
        """
        from mdcoord.moving.mirroring import mirroring

        rest: Any = {"root": self.root, "place": self._opened_at, "folder": folder}
        return mirroring(self.backend, self.host, self.config, **rest)

    def _mirrors(self) -> list[Value]:
        """Where mirrors of this workspace are, and when they were last up to date."""
        from mdcoord.moving.mirroring import MIRRORS

        return [*self.backend.memos(MIRRORS).values()] if self.backend.name == "redis" else []

    def _look_anew(self) -> None:
        """Forget what is remembered of documents that were changed past the services."""
        from mdcoord.services.inbox import Inboxes

        self.tasks.refresh()
        Inboxes(self.backend, self.host).written()

    def log(self, message: str) -> EventRecord:
        """Write a line into the communication log, the channel `log`. Raises UsageError, Busy."""
        if not isinstance(message, str) or not message.strip():
            raise UsageError("there is nothing to log", hint="say in a few words what happened")
        who = {"agent": self.agent} if self.agent else {}
        return self.events.publish(LOG, "note", **who, message=message)

    def rotate(self, channel: str | None = None, keep: int | None = None) -> Mapping[str, int]:
        """Move the older events of all channels (or one) to the archive; how many, by channel.

        Raises NotFound.
        """
        from mdcoord.upkeep.rotate import rotate_all

        return rotate_all(self.backend, self.config.keep_events if keep is None else keep, channel)

    def check(self, files: Iterable[str | Path] | None = None) -> Sequence[Finding]:
        """What is wrong in this workspace and its settings; with `files`, only what is wrong in those."""
        from mdcoord.config.problems import problems
        from mdcoord.upkeep.check import check_workspace

        settings = problems(project_folder(self.root), os.environ) if self.root else ()
        findings = check_workspace(self.backend, self.host, self.root, settings)
        if files is None:
            return findings
        wanted = {Path(file).resolve() for file in files}
        return [finding for finding in findings if self._resolved(finding.path) in wanted]

    def inbox(self) -> Inbox | None:
        """What waits for the caller; None for one who can get no messages. See `Messages.inbox`.

        Loads the rest of what messages need only when it has to look again.
        """
        from mdcoord.rules.addressing import instance_id
        from mdcoord.services.inbox import Inboxes

        try:
            name = instance_id(self.agent or "")
        except InvalidName:
            return None
        return Inboxes(self.backend, self.host).trusted(name) or self.messages.inbox()

    @cached_property
    def workflows(self) -> Workflows:
        """Workflows: many tasks at once, in phases; see `mdcoord.services.workflow`."""
        from mdcoord.services.workflow import Workflows

        return Workflows(self._env, self.tasks)

    @cached_property
    def messages(self) -> Messages:
        """Messages between instances; see `mdcoord.services.messages`."""
        from mdcoord.services.messages import Messages

        return Messages(self._env)

    @cached_property
    def quality(self) -> Quality:
        """The quality gate of the project: its checks and their reports."""
        from mdcoord.services.quality import Quality

        apart = str(self.root) if self.root else None
        return Quality(self._env, self.tasks, self.config, self._project, apart)

    def brief(self, task: str) -> Brief:
        """All that somebody with no prior knowledge needs for a task; see `mdcoord.services.brief`.

        Raises NotFound, InvalidDocument.
        """
        from mdcoord.projectfiles import exists_inside, read_inside
        from mdcoord.services.brief import Briefs

        project = self._project()
        read, exists = partial(read_inside, project), partial(exists_inside, project)
        return Briefs(self._env, self.tasks, self.context, read, exists).of(task)

    def _project(self) -> str:
        """Where the project's files are for who calls from here: a linked work tree has its own."""
        project = project_folder(self.root) if self.root else Path.cwd()
        return str(project_here(project, Path.cwd()))

    @cached_property
    def aio(self) -> Async:
        """The same workspace for asyncio; see `mdcoord.aio`.

        `await w.aio.tasks.get("train")`, `async with w.aio.tasks.claim() as claim`.
        """
        from mdcoord.aio import Async

        return Async(self)

    def close(self) -> None:
        """Stop the heartbeats and let go of what is held open.

        Claims stay until they end. May be called again.
        """
        self.tasks.close()
        self._env.tally.flush()
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Workspace {self.backend.name} {self.root or self.backend.location}>"

    def _unread(self) -> int | None:
        """How many messages wait for the caller; None for one who can get none."""
        try:
            return self.messages.unread() if self.agent else None
        except InvalidName:
            return None

    def _documents(self, kind: str) -> Documents[Any]:
        nouns: dict[str, Documents[Any]] = {
            "task": self.tasks,
            "agent": self.agents,
            "context": self.context,
            "metrics": self.metrics,
            "progress": self.progress,
        }
        if kind not in DOCUMENTS:
            raise UsageError(f"{kind!r} is not a kind of document", hint="one of " + ", ".join(KINDS))
        return nouns.get(kind) or self.messages

    def _event_rows(
        self, where: Where, sort: str | None, limit: int | None, channel: str | None
    ) -> Sequence[EventRecord]:
        from mdcoord.formats.query import compile_query, order

        names = self.backend.channels() if channel is None else [channel]
        rows: Iterable[Any] = (event for name in names for event in self.events.tail(name))
        if where is not None:
            rows = filter(where if callable(where) else compile_query(where, now=self.host.now), rows)
        if sort is not None:
            rows = order(rows, sort)
        return [*rows][:limit]

    def _resolved(self, path: str) -> Path:
        return ((self.root or Path()) / path).resolve()


def _agent(named: str | None) -> str | None:
    return named or environment("MDCOORD_AGENT", "CLAUDE_INSTANCE_ID")


def _session(named: str | None) -> str:
    return named or environment("MDCOORD_SESSION") or os.urandom(6).hex()
