"""The Markdown store beyond the contract of all backends: its files, its locks, and saves of people."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdcoord.backends.markdown import swap
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.markdown.writer import Writer
from mdcoord.errors import (
    AlreadyExists,
    BackendUnavailable,
    Busy,
    Conflict,
    InvalidDocument,
    InvalidName,
    MdcoordError,
    NotFound,
)
from mdcoord.model import Change, Key
from mdcoord.rules.leases import Lease

ONE = Key("task", "one")
FIELDS = {"title": "One", "status": "pending", "log": []}
NOTE, MINE = "A note.", "A person's note."


@pytest.fixture
def store(tmp_path: Path) -> MarkdownBackend:
    store = MarkdownBackend(tmp_path, durability="none")
    store.create("task", FIELDS, name="one", body=f"{NOTE}\n")
    return store


def path_of(store: MarkdownBackend) -> Path:
    return Path(store.location, "task-one.md")


def edit(store: MarkdownBackend, **fields: Any) -> None:
    store.write(ONE, Change(set={(name,): value for name, value in fields.items()}))


def save(store: MarkdownBackend, text: str) -> None:
    path_of(store).write_text(text)


def before_swap(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], Any]) -> None:
    """Let somebody do something just before the first, second … time that a new file is put in place."""
    waiting, original = list(steps), swap.Swap._displace

    def displace(this: swap.Swap) -> str:
        if waiting:
            waiting.pop(0)()
        return original(this)

    monkeypatch.setattr(swap.Swap, "_displace", displace)


class TestSaves:
    def test_a_save_is_read_at_once_and_kept_by_the_next_write(self, store: MarkdownBackend) -> None:
        save(store, path_of(store).read_text().replace("title: One", "title: Better  # I think"))
        assert store.read(ONE).fields["title"] == "Better"
        edit(store, status="completed")
        text = store.text(ONE)
        assert "title: Better  # I think" in text
        assert "status: completed" in text

    def test_a_stale_save_takes_no_update_back(self, store: MarkdownBackend) -> None:
        buffer = path_of(store).read_text()
        edit(store, status="completed", result=42)
        save(store, buffer.replace(NOTE, MINE))
        read = store.read(ONE)
        assert (read.fields["status"], read.fields["result"]) == ("completed", 42)
        assert MINE in read.body
        edit(store, later=1)
        assert store.read(ONE).fields["result"] == 42
        assert MINE in store.text(ONE)

    def test_a_very_stale_save_takes_no_update_back(self, store: MarkdownBackend) -> None:
        buffer = path_of(store).read_text()
        for number in range(300):
            edit(store, **{f"field_{number % 20}": number})
        save(store, buffer.replace(NOTE, MINE))
        fields = store.read(ONE).fields
        assert [fields[f"field_{number % 20}"] for number in range(280, 300)] == [*range(280, 300)]
        assert MINE in store.read(ONE).body

    def test_saving_on_in_the_same_editor_makes_no_conflicts(self, store: MarkdownBackend) -> None:
        text = path_of(store).read_text()
        for number in range(4):
            text = text.replace(NOTE, f"{NOTE}\nLine {number}.")
            save(store, text)
            edit(store, **{f"field_{number}": number})
        there = store.text(ONE)
        assert all(f"Line {number}." in there for number in range(4))
        assert store.read(ONE).fields["field_3"] == 3
        assert "[!conflict]" not in there

    def test_saving_twice_without_a_change_takes_nothing_back(self, store: MarkdownBackend) -> None:
        mine = path_of(store).read_text().replace(NOTE, MINE)
        save(store, mine)
        edit(store, status="completed")
        save(store, mine)
        assert store.read(ONE).fields["status"] == "completed"

    def test_a_field_that_both_changed_shows_the_other_value(self, store: MarkdownBackend) -> None:
        buffer = path_of(store).read_text()
        edit(store, title="The tool's title")
        save(store, buffer.replace("title: One", "title: My title"))
        edit(store, later=1)
        text = store.text(ONE)
        assert store.read(ONE).fields["title"] == "My title"
        assert "> [!conflict]" in text
        assert "The tool's title" in text

    def test_a_save_inside_of_a_view_is_kept_outside(self, store: MarkdownBackend) -> None:
        save(store, path_of(store).read_text().replace("# Task: One", "# Task: One\n\nWritten inside.\n"))
        edit(store, status="completed")
        assert "> Written inside." in store.text(ONE)

    @pytest.mark.parametrize("stale", [False, True])
    def test_a_save_just_before_the_swap_is_kept(
        self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch, stale: bool
    ) -> None:
        buffer = path_of(store).read_text()
        if stale:
            edit(store, tool=1)
        current = path_of(store).read_text() if not stale else buffer
        before_swap(monkeypatch, lambda: save(store, current.replace(NOTE, MINE)))
        edit(store, status="completed")
        assert MINE in store.text(ONE)
        assert store.read(ONE).fields["status"] == "completed"
        assert store.read(ONE).fields.get("tool") == (1 if stale else None)

    def test_the_decision_is_made_again_on_what_was_saved(
        self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed = path_of(store).read_text().replace("status: pending", "status: cancelled")
        before_swap(monkeypatch, lambda: save(store, changed))
        seen = []

        def decide(record: Any) -> Change:
            seen.append(record.fields["status"])
            if record.fields["status"] != "pending":
                raise Conflict("it is not pending", hint="")
            return Change(set={("status",): "in_progress"})

        with pytest.raises(Conflict):
            store.write(ONE, decide)
        assert seen == ["pending", "cancelled"]
        assert store.read(ONE).fields["status"] == "cancelled"

    def test_an_unreadable_save_goes_back_and_refuses_the_write(
        self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = "---\ntitle: [unclosed\n---\n"
        before_swap(monkeypatch, lambda: save(store, broken))
        with pytest.raises(InvalidDocument):
            edit(store, status="completed")
        assert path_of(store).read_text() == broken

    def test_a_save_that_is_in_progress_is_waited_for(self, store: MarkdownBackend) -> None:
        text = path_of(store).read_text().replace(NOTE, MINE)
        path_of(store).write_text(text[: text.index("title")])  # half of it: no closing fence
        saving = threading.Timer(0.1, lambda: save(store, text))
        saving.start()
        edit(store, status="completed")
        saving.join()
        assert MINE in store.text(ONE)

    def test_who_saves_for_ever_is_told_of(
        self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        numbers = iter(range(10**6))
        saves = [
            lambda: save(store, path_of(store).read_text().replace(NOTE, f"{NOTE} {next(numbers)}"))
        ] * 50
        before_swap(monkeypatch, *saves)
        with pytest.raises(Busy):
            edit(store, status="completed")
        assert store.read(ONE).fields["status"] == "pending"

    def test_git_brings_an_old_version_back(self, store: MarkdownBackend, tmp_path: Path) -> None:
        def git(*arguments: str) -> None:
            identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
            subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

        git("init", "-q")
        git("add", "task-one.md")
        git("commit", "-qm", "work")
        edit(store, status="completed")
        save(store, path_of(store).read_text().replace(NOTE, MINE))
        edit(store, result=42)
        git("checkout", "-q", "HEAD", "--", "task-one.md")
        fields = store.read(ONE).fields
        assert (fields["status"], fields["result"]) == ("completed", 42)
        edit(store, later=1)
        assert MINE in store.text(ONE)

    def test_line_ends_of_an_editor_stay(self, store: MarkdownBackend) -> None:
        buffer = path_of(store).read_text()
        edit(store, status="completed")
        path_of(store).write_bytes(buffer.replace(NOTE, MINE).replace("\n", "\r\n").encode())
        edit(store, later=1)
        data = path_of(store).read_bytes()
        assert data.count(b"\n") == data.count(b"\r\n")
        assert MINE.encode() in data
        assert store.read(ONE).fields["status"] == "completed"

    def test_the_archive_gets_what_is_meant(self, store: MarkdownBackend) -> None:
        buffer = path_of(store).read_text()
        edit(store, status="completed")
        save(store, buffer.replace(NOTE, MINE))
        name = store.archive(ONE)
        text = Path(store.location, "archive", f"{name}.md").read_text()
        assert "status: completed" in text
        assert MINE in text

    def test_a_copy_of_the_files_alone_is_a_workspace(self, store: MarkdownBackend, tmp_path: Path) -> None:
        edit(store, status="completed")
        clone = tmp_path / "clone"
        clone.mkdir()
        shutil.copy(path_of(store), clone)
        other = MarkdownBackend(clone, durability="none")
        assert other.read(ONE).fields["status"] == "completed"
        other.write(ONE, Change(set={("result",): 1}))
        assert other.read(ONE).fields["result"] == 1


class TestState:
    """Everything outside of the documents may be lost at any time."""

    @pytest.mark.parametrize("part", ["", "locks", "history", "locks/task-one", "history/task-one"])
    def test_it_may_be_removed(self, store: MarkdownBackend, part: str) -> None:
        edit(store, status="completed")
        target = Path(store.location, ".state", part)
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        assert store.read(ONE).fields["status"] == "completed"
        edit(store, result=42)
        store.append("work", "noted", {}, time="2026-01-31T09:30:00.000Z")
        assert store.read(ONE).fields["result"] == 42

    def test_a_lock_file_that_is_removed_under_a_write_refuses_it(self, store: MarkdownBackend) -> None:
        def decide(record: Any) -> Change:
            os.unlink(os.path.join(store.location, ".state/locks/task-one"))
            return Change(set={("status",): "completed"})

        with pytest.raises(BackendUnavailable, match="removed while it was held"):
            store.write(ONE, decide)
        assert store.read(ONE).fields["status"] == "pending"

    @pytest.mark.parametrize("line", [b"", b"\0\0\0", b'{"v":', b"[]", b'{"lease":{"attempt":"x"}}'])
    def test_a_torn_state_line_is_as_none(self, store: MarkdownBackend, line: bytes) -> None:
        Path(store.location, ".state/locks/task-one").write_bytes(line)
        assert store.lease(ONE) is None
        edit(store, status="completed")
        assert store.read(ONE).fields["status"] == "completed"

    def test_a_lease_survives_two_writers_killed_before_they_noted_it(
        self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Writer, "note", killed)
        for change in (Change(set={("n",): 1}, lease=Lease(attempt=7)), Change(set={("n",): 2})):
            with pytest.raises(KeyboardInterrupt):
                store.write(ONE, change)
        assert (store.read(ONE).fields["n"], store.lease(ONE)) == (2, Lease(attempt=7))

    def test_a_lease_stays_when_the_document_goes(self, store: MarkdownBackend) -> None:
        store.write(ONE, Change(lease=Lease(attempt=7)))
        store.delete(ONE)
        store.create("task", FIELDS, name="one")
        assert store.lease(ONE) == Lease(attempt=7)

    def test_a_lease_alone_does_not_touch_the_file(self, store: MarkdownBackend) -> None:
        before = os.stat(path_of(store))
        store.write(ONE, Change(lease=Lease(attempt=7)))
        after = os.stat(path_of(store))
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)

    def test_writers_wait_for_each_other_and_name_who_has_the_lock(self, store: MarkdownBackend) -> None:
        with store._files.lock("task-one"), pytest.raises(Busy) as caught:
            store.write(ONE, Change(set={("status",): "completed"}), wait=0.1)
        assert caught.value.details["holder_pid"] == os.getpid()

    def test_readers_wait_for_nobody_and_write_nothing(self, store: MarkdownBackend) -> None:
        def files() -> dict[str, tuple[int, int]]:
            found = {str(p): p.stat() for p in Path(store.location).rglob("*")}
            return {name: (info.st_ino, info.st_mtime_ns) for name, info in found.items()}

        before = files()
        with store._files.lock("task-one", 0):
            assert store.read(ONE).fields["title"] == "One"
            assert len(store.list("task").records) == 1
            store.lease(ONE)
            store.archived()
        assert files() == before


class TestLeftovers:
    """What writers leave that were killed."""

    @pytest.mark.parametrize(
        ("moment", "attempt"),
        [((swap.Swap, "_displace"), 1), ((Writer, "note"), 2)],
        ids=["before", "after"],
    )
    def test_the_document_tells_whether_the_claim_of_a_killed_writer_counts(
        self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch, moment: tuple[type, str], attempt: int
    ) -> None:
        store.write(ONE, Change(set={("attempt",): 1}, lease=Lease(attempt=1)))
        with monkeypatch.context() as patched:
            patched.setattr(*moment, lambda *_: os._exit(9))
            child = os.fork()
            if not child:
                try:
                    store.write(ONE, Change(set={("attempt",): 2}, lease=Lease(attempt=2)))
                finally:
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert store.read(ONE).fields["attempt"] == attempt
        assert store.read(ONE).lease == store.lease(ONE) == Lease(attempt=attempt)
        assert store.attempt(ONE) == attempt
        edit(store, result=42)
        assert store.lease(ONE) == Lease(attempt=attempt)

    def left(self, store: MarkdownBackend, data: bytes, slot: int = 0, name: str = "task-one.md") -> Path:
        path = Path(store._files.temporary(os.path.join(store.location, name), slot))
        path.write_bytes(data)
        return path

    @pytest.mark.parametrize("slot", [0, 1, 4])
    def test_a_save_is_merged(self, store: MarkdownBackend, slot: int) -> None:
        text = path_of(store).read_text()
        left = self.left(store, text.replace(NOTE, MINE).encode(), slot)
        store.sweep()
        assert not left.exists()
        assert MINE in store.text(ONE)
        store.sweep()

    def test_a_save_is_merged_into_what_the_history_has_lost(self, store: MarkdownBackend) -> None:
        """In a power cut, which takes what was not synced: the history, but not the document."""
        past = Path(store._files.state, "history", "task-one")
        before, text = past.read_bytes(), path_of(store).read_text()
        edit(store, status="completed")
        past.write_bytes(before)
        self.left(store, text.replace(NOTE, MINE).encode())
        store.sweep()
        assert MINE in store.text(ONE)
        assert store.read(ONE).fields["status"] == "completed"

    def test_an_unreadable_one_is_put_aside(self, store: MarkdownBackend) -> None:
        left = self.left(store, b"\xff strange")
        edit(store, status="completed")
        assert not left.exists()
        (aside,) = store.set_aside()
        assert Path(aside).read_bytes() == b"\xff strange"

    def test_one_that_the_tool_wrote_is_dropped(self, store: MarkdownBackend) -> None:
        left = self.left(store, path_of(store).read_bytes())
        edit(store, status="completed")
        assert not left.exists()
        assert store.set_aside() == []

    def test_one_of_a_document_that_is_gone_is_put_aside(self, store: MarkdownBackend) -> None:
        left = self.left(store, path_of(store).read_bytes().replace(NOTE.encode(), MINE.encode()))
        os.unlink(path_of(store))
        store.sweep()
        assert not left.exists()
        assert len(store.set_aside()) == 1

    def test_one_that_nobody_knows_is_put_aside_unless_empty(self, store: MarkdownBackend) -> None:
        strange, empty = Path(store.location, ".mdc-0.tmp"), Path(store.location, ".mdc-1.tmp")
        strange.write_bytes(b"strange")
        empty.touch()
        store.sweep()
        assert not strange.exists()
        assert not empty.exists()
        assert len(store.set_aside()) == 1

    def test_one_of_a_log_is_settled(self, store: MarkdownBackend) -> None:
        store.append("work", "noted", {"number": 1}, time="2026-01-31T09:30:00.000Z")
        log = Path(store.location, "events-work.md").read_bytes()
        left = self.left(store, log, name="events-work.md")
        store.sweep()
        assert not left.exists()
        assert store.set_aside() == []

    def test_a_new_document_takes_no_notice(self, store: MarkdownBackend) -> None:
        left = self.left(store, b"half a docu", name="task-two.md")
        store.create("task", FIELDS, name="two")
        assert not left.exists()
        assert store.read(Key("task", "two")).fields["title"] == "One"


class TestFiles:
    def test_mode_and_attributes_stay(self, store: MarkdownBackend) -> None:
        os.chmod(path_of(store), 0o664)
        os.setxattr(path_of(store), "user.origin", b"somewhere")
        edit(store, status="completed")
        assert stat.S_IMODE(path_of(store).stat().st_mode) == 0o664
        assert os.getxattr(path_of(store), "user.origin") == b"somewhere"

    @pytest.mark.parametrize("name", ["../evil", "a/b", "/etc/passwd", "..", ".hidden", "a\0b", "", "con"])
    def test_no_name_leads_out_of_the_folder(self, store: MarkdownBackend, name: str, tmp_path: Path) -> None:
        before = sorted(tmp_path.parent.iterdir())
        for act in (
            lambda: store.create("task", FIELDS, name=name),
            lambda: store.restore(name),
            lambda: store.append(name, "noted", {}, time="2026-01-31T09:30:00.000Z"),
            lambda: store.read(Key.of("task", name)),
        ):
            with pytest.raises(MdcoordError):
                act()
        assert sorted(tmp_path.parent.iterdir()) == before
        assert [p.name for p in tmp_path.glob("*.md")] == ["task-one.md"]

    def test_a_name_is_checked_first(self, store: MarkdownBackend) -> None:
        with pytest.raises(InvalidName):
            store.create("task", FIELDS, name="../evil")

    @pytest.mark.parametrize("make", [os.symlink, os.link])
    def test_a_link_is_refused_and_its_target_stays(
        self, store: MarkdownBackend, tmp_path: Path, make: Callable[[str, str], None]
    ) -> None:
        target = tmp_path.parent / f"target-{make.__name__}-{tmp_path.name}.md"
        target.write_text(path_of(store).read_text())
        before = target.read_bytes()
        path_of(store).unlink()
        make(str(target), str(path_of(store)))
        with pytest.raises(BackendUnavailable):
            store.read(ONE)
        with pytest.raises(BackendUnavailable):
            edit(store, status="completed")
        with pytest.raises(AlreadyExists):
            store.create("task", FIELDS, name="one")
        assert [found.key for found in store.list("task").unreadable] == [ONE]
        assert target.read_bytes() == before

    def test_a_linked_archive_is_refused(self, store: MarkdownBackend, tmp_path: Path) -> None:
        outside = tmp_path.parent / f"outside-{tmp_path.name}"
        outside.mkdir()
        os.symlink(outside, tmp_path / "archive")
        with pytest.raises(BackendUnavailable):
            store.archive(ONE)
        assert [*outside.iterdir()] == []
        assert store.exists(ONE)

    def test_a_read_only_document_is_refused(self, store: MarkdownBackend) -> None:
        os.chmod(path_of(store), 0o444)
        with pytest.raises(BackendUnavailable, match="read-only"):
            edit(store, status="completed")
        assert store.read(ONE).fields["status"] == "pending"

    def test_an_archived_name_is_never_taken_twice(self, store: MarkdownBackend) -> None:
        names = [store.archive(ONE)]
        for _ in range(2):
            store.create("task", FIELDS, name="one")
            names.append(store.archive(ONE))
        assert names == ["task-one", "task-one.1", "task-one.2"]
        assert store.restore("task-one.1").key == ONE
        with pytest.raises(AlreadyExists):
            store.restore("task-one.2")
        assert store.archived() == ["task-one", "task-one.2"]

    def test_what_is_not_there_is_not_found(self, store: MarkdownBackend) -> None:
        for act in (store.read, store.text, store.delete, store.archive):
            with pytest.raises(NotFound):
                act(Key("task", "none"))
        with pytest.raises(NotFound):
            store.restore("task-none")
