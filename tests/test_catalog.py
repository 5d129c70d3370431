"""Listings: nothing young is believed, nothing unreadable is touched, and the remembered part may vanish."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mdcoord.backends.markdown import catalog
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.model import Change, Key


@pytest.fixture
def store(tmp_path: Path) -> MarkdownBackend:
    return MarkdownBackend(tmp_path, durability="none")


def titles(store: MarkdownBackend) -> list[str]:
    return [record.fields["title"] for record in store.list("task").records]


def fill(store: MarkdownBackend, count: int) -> None:
    for number in range(count):
        store.create("task", {"title": f"Task {number:03}"}, name=f"{number:03}")


def settle(store: MarkdownBackend, patch: pytest.MonkeyPatch) -> None:
    """List once as if all files were old enough to be believed."""
    with patch.context() as earlier:
        earlier.setattr(catalog, "RACY", -(10**12))
        store.list("task")


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file in place, to the same length, with the same modification time."""
    info = path.stat()
    assert len(old) == len(new)
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_what_is_unchanged_for_long_is_not_read_again(
    store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 3)
    settle(store, monkeypatch)
    monkeypatch.setattr(store._files, "read", lambda path: pytest.fail(f"{path} was read"))
    assert titles(store) == ["Task 000", "Task 001", "Task 002"]


def test_nothing_young_is_believed(store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 2)
    stamps = dict(catalog.stamps(store.location, "task-"))
    monkeypatch.setattr(catalog, "stamps", lambda *_: list(stamps.items()))  # a clock that stands still
    assert titles(store) == ["Task 000", "Task 001"]
    rewrite(Path(store.location, "task-001.md"), "Task 001", "Task 999")
    assert titles(store) == ["Task 000", "Task 999"]


def test_a_changed_file_with_its_old_time_and_length_is_noticed(
    store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 2)
    settle(store, monkeypatch)
    rewrite(Path(store.location, "task-001.md"), "Task 001", "Task 999")
    assert titles(store) == ["Task 000", "Task 999"]


def test_files_come_and_go(store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 2)
    settle(store, monkeypatch)
    os.unlink(os.path.join(store.location, "task-000.md"))
    Path(store.location, "task-new.md").write_text("---\ntask_id: new\ntitle: By hand\n---\n")
    assert titles(store) == ["Task 001", "By hand"]


def test_unreadable_files_are_reported_and_stay_byte_for_byte(store: MarkdownBackend) -> None:
    fill(store, 2)
    broken = Path(store.location, "task-broken.md")
    broken.write_bytes(b"---\ntitle: [unclosed\n---\n\xff\xfe")
    os.utime(broken, (time.time() - 60, time.time() - 60))
    listing = store.list("task")
    assert [record.fields["title"] for record in listing.records] == ["Task 000", "Task 001"]
    (found,) = listing.unreadable
    assert found.key == Key("task", "broken")
    assert found.path == str(broken)
    assert found.line
    assert broken.read_bytes() == b"---\ntitle: [unclosed\n---\n\xff\xfe"


def test_a_listing_may_be_a_little_old(store: MarkdownBackend) -> None:
    fill(store, 1)
    assert titles(store) == ["Task 000"]
    Path(store.location, "task-new.md").write_text("---\ntask_id: new\ntitle: By hand\n---\n")
    assert len(store.list("task", max_age=60).records) == 1
    assert len(store.list("task").records) == 2


def test_own_writes_are_in_an_old_listing(store: MarkdownBackend) -> None:
    fill(store, 1)
    store.list("task")
    store.write(Key("task", "000"), Change(set={("title",): "Changed"}))
    (record,) = store.list("task", max_age=60).records
    assert record.fields["title"] == "Changed"
    assert record.lease is None


def test_bodies_are_read_when_they_are_looked_at(store: MarkdownBackend) -> None:
    store.create("task", {"title": "One"}, name="one", body="The body.\n")
    (record,) = store.list("task").records
    assert "The body." in record.body
    (record,) = MarkdownBackend(store.location).list("task").records
    os.unlink(os.path.join(store.location, "task-one.md"))
    assert record.body == ""


class TestRemembered:
    """What later processes find."""

    @pytest.fixture
    def index(self, store: MarkdownBackend, monkeypatch: pytest.MonkeyPatch) -> Path:
        fill(store, 60)
        settle(store, monkeypatch)
        store.write(Key("task", "000"), Change(set={("title",): "Changed"}))
        return Path(store.location, ".state", "index", "task")

    def wanted(self) -> list[str]:
        return ["Changed", *(f"Task {number:03}" for number in range(1, 60))]

    def test_is_used(self, store: MarkdownBackend, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        later = MarkdownBackend(store.location)
        read: list[str] = []
        original = later._files.read
        monkeypatch.setattr(later._files, "read", lambda path: (read.append(path), original(path))[1])
        assert titles(later) == self.wanted()
        assert len(read) < 60

    @pytest.mark.parametrize("damage", ["cut", "zeros", "changed", "other format", "gone"])
    def test_may_be_damaged(self, store: MarkdownBackend, index: Path, damage: str) -> None:
        data = index.read_bytes()
        match damage:
            case "cut":
                index.write_bytes(data[: len(data) // 2])
            case "zeros":
                index.write_bytes(bytes(len(data)))
            case "changed":
                index.write_bytes(data.replace(b"Task 001", b"Task 999"))
            case "other format":
                index.write_bytes(b"something else")
            case _:
                index.unlink()
        assert titles(MarkdownBackend(store.location)) == self.wanted()

    def test_does_not_hide_changes(self, store: MarkdownBackend, index: Path) -> None:
        rewrite(Path(store.location, "task-001.md"), "Task 001", "Task 999")
        assert "Task 999" in titles(MarkdownBackend(store.location))

    def test_no_failure_to_keep_it_fails_a_write(
        self, store: MarkdownBackend, index: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later = MarkdownBackend(store.location, durability="none")
        monkeypatch.setattr(catalog, "_WORTH_SAVING", 0)
        titles(later)
        with store._files.lock("index-task"):
            later.write(Key("task", "001"), Change(set={("title",): "Written"}))
        assert "Written" in titles(later)
