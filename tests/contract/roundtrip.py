"""A workspace that travels into a store and out again is the same, byte for byte."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown import fileio, log, reader
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.backends.values import Copy
from mdcoord.formats.loghead import new_log
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.host import Host
from mdcoord.model import Key
from mdcoord.moving.importing import Imported
from mdcoord.rules.leases import Claimant, Lease, take
from mdcoord.workspace import Workspace
from tests.document_strategies import simple_fields, texts

from .fakes import FakeHost
from .suite import EVENT_TIME, ContractBase, Factory

SCRIBE = Scribe(Templates([]))
LEASES = (
    None,
    Lease(attempt=3, ops=("a", "b")),
    take(None, Claimant("ada", "s1"), floor=0, ttl=60, host=FakeHost("elsewhere", "boot-9")),
)
RAW = [
    "",
    "x",
    "---\na: [\n---\n",
    "---\r\na: 1 # c\r\n---\r\n\r\ntext",
    "**Task ID**: task-7\n",
    "\ufeff# T\n",
]
BLOCKS = [
    b"## Event: noted\n**Time**: 2026-01-31 09:30\n**By**: me\n\n---\n\n",
    b"## Event: noted\n**Time**: 2026-01-31 09:30\n**By**: me\n\n",
    b"## Event: windows\r\n**Time**: yesterday\r\n\r\nprose\r\n",
    b"## Event: bare\n- **Time**: 2026-01-31T09:30:00Z\n- **N**: 1\n",
    b"## Event: only a heading\n\nwith prose\n",
    b"_Note: somebody was here_\n\n",
]

bodies = texts.filter(lambda text: "\0" not in text)
HEADS = [
    new_log("log"),
    b"# My log\n\nLast Updated: today\n\n",
    b"---\nschema: mdcoord/events/1\nchannel: log\ntitle: Mine # really\n---\n\n# Mine\n\nWords.\n\n---\n\n",
    b"\xef\xbb\xbf# BOM\r\n\r\n",
]

documents = st.tuples(
    st.sampled_from(["task", "agent", "message"]),
    st.sampled_from(["a", "b", "c-1", "d.2"]),
    st.one_of(st.sampled_from(RAW), st.tuples(simple_fields, bodies)),
    st.sampled_from(LEASES),
    st.sampled_from(["", "", "", ".1", "archived"]),
)
published = st.tuples(
    st.sampled_from(["step", "a b", "é"]), st.dictionaries(st.text("ab_", min_size=1), texts)
)
channels = st.tuples(
    st.sampled_from(HEADS),
    st.tuples(published | st.just(BLOCKS[0]), st.lists(st.sampled_from(BLOCKS) | published, max_size=5)),
    st.integers(0, 7),
    st.integers(0, 7),
)
workspaces = st.tuples(
    st.lists(documents, max_size=6), st.dictionaries(st.sampled_from(["log", "training"]), channels)
)


def fill(backend: MarkdownBackend, content: tuple) -> None:
    """Make a workspace of what was drawn, some of it by hand."""
    drawn, logs = content
    for kind, name, text, lease, archived in drawn:
        key = Key(kind, name)
        if not isinstance(text, str):
            fields, body = text
            text = SCRIBE.create(key, fields, body).text
        place = f"{key.name}{archived.removeprefix('archived')}" if archived else ""
        backend.put_all([Copy(key, text, lease=lease, archived=place)])
    for channel, (head, (first, items), keep, seen) in logs.items():
        Path(backend.location, f"events-{channel}.md").write_bytes(head)
        for item in (first, *items):
            append(backend, channel, item)
        finish(backend, channel, keep, seen)


def append(backend: MarkdownBackend, channel: str, item: bytes | tuple) -> None:
    if isinstance(item, tuple):
        backend.append(channel, item[0], item[1], time=EVENT_TIME)
    else:
        with Path(backend.location, f"events-{channel}.md").open("ab") as log:
            log.write(item)


def finish(backend: MarkdownBackend, channel: str, keep: int, seen: int) -> None:
    """Rotate a log, and let somebody follow it from somewhere on."""
    if channel not in backend.channels():
        return
    w = Workspace(backend, session="s", host=FakeHost())
    with w.events.subscribe(channel, consumer="reader", follow=False) as events:
        events.take(seen)
        events.ack()
    backend.rotate(channel, keep)


@contextmanager
def files() -> Iterator[MarkdownBackend]:
    """An empty workspace of files."""
    with tempfile.TemporaryDirectory() as folder, MarkdownBackend(folder, durability="none") as backend:
        yield backend


def files_of(backend: MarkdownBackend) -> dict[str, bytes]:
    """The files of a workspace, without logs that were rotated and archives of such: these name a day."""
    files = {path.name: path.read_bytes() for path in Path(backend.location).rglob("*.md")}
    return {
        name: data
        for name, data in files.items()
        if b"rotated_bytes:" not in data and b"archived_on:" not in data
    }


def exported(backend: Backend) -> list[str]:
    """All lines but the header."""
    return [*Workspace(backend, host=FakeHost()).export(archive=True)]


class RoundTripContract(ContractBase):
    """Export and import over a backend."""

    def test_what_travels_stays_what_it_is(self, factory: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, name in ((fileio, "_SETTLE"), (log, "_SETTLE"), (reader, "_PATIENCE")):
            monkeypatch.setattr(module, name, 0.0)  # nobody is saving a file while we look

        @settings(max_examples=25)
        @given(workspaces)
        def travel(content: tuple) -> None:
            with files() as origin, factory() as backend, files() as back:
                fill(origin, content)
                lines = exported(origin)
                self.bring(lines, backend)
                assert exported(backend)[1:] == lines[1:]
                self.bring(exported(backend), back)
                assert exported(back)[1:] == lines[1:]
                assert files_of(back) == files_of(origin)

        travel()

    def test_a_claim_has_the_same_time_left(self, backend: Backend) -> None:
        host = Host()
        origin = Workspace(MemoryBackend(), agent="ada", session="s", host=host)
        origin.tasks.create("Train", id="train")
        claim = origin.tasks.claim("train", ttl=600, heartbeat=False)
        between = Workspace(backend, agent="ada", session="s", host=host)
        between.import_(origin.export())
        end = Workspace(MemoryBackend(), agent="ada", session="s", host=host)
        end.import_(between.export())
        for w in (between, end):
            clock, lease = w.backend.clock(host), w.backend.lease(Key("task", "train"))
            assert lease.holder.boot == clock.boot
            assert 300 < lease.holder.uptime + lease.holder.ttl - clock.uptime() <= 601
        between.tasks.heartbeat("train", token=claim.token)
        assert end.tasks.complete("train", token=claim.token).status == "completed"

    @staticmethod
    def bring(lines: list[str], backend: Backend) -> None:
        """Import everything, and nothing the second time."""
        w = Workspace(backend, host=FakeHost())
        would, first, again = w.import_(lines, dry_run=True), w.import_(lines), w.import_(lines)
        counts = would.new
        assert first == Imported(new=counts)
        assert would == Imported(new=counts, dry_run=True)
        assert again == Imported(same=counts)
