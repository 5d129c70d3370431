"""A copy of a workspace in a folder: what changes on one side comes to the other, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_servers import Start

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown import swap
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.markdown.writer import Writer
from mdcoord.backends.markdown.writers import has_writer
from mdcoord.backends.memory import MemoryBackend
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.backends.values import Copy
from mdcoord.errors import BackendUnavailable
from mdcoord.host import Host
from mdcoord.model import ABSENT, Change, Key
from mdcoord.moving.mirror import Mirror, Round
from mdcoord.moving.mirroring import Mirroring

ONE, TWO = Key("task", "one"), Key("task", "two")
TIME = "2026-01-31T09:30:00.000Z"
ODD = "---\r\n# mine\r\ntask_id: 'odd'\r\ntitle: x\r\nb: [2,  1]\r\n---\r\n\r\nMy  text, no end of line"
BROKEN = "---\na: [\n---\nnot closed\n"


@pytest.fixture(params=["memory", "redis"])
def source(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    with RedisBackend(request.getfixturevalue("url")) as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def opened(source: Backend, folder: Path) -> Mirror:
    """A mirror as a new process would have it."""
    folder.mkdir(exist_ok=True)
    return Mirror(source, MarkdownBackend(folder, durability="none"))


def settle(mirror: Mirror) -> Round:
    """Rounds until there is nothing to do."""
    done = mirror.round()
    for _ in range(9):
        if mirror.settled:
            return done
        done.add(mirror.round())
    raise AssertionError(f"it does not settle: {done}")


def path(folder: Path, key: Key) -> Path:
    return folder / f"{key.name}.md"


def rename_save(path: Path, text: str) -> None:
    """As most editors do."""
    temp = path.with_name(".swp")
    temp.write_bytes(text.encode())
    os.replace(temp, path)


def save_in_place(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def assert_same(source: Backend, folder: Path) -> None:
    texts = {copy.key.name: copy.text for copy in source.copies("task") if isinstance(copy, Copy)}
    there = {path.stem: path.read_bytes().decode() for path in folder.glob("task-*.md")}
    assert there == texts


def test_documents_come_with_their_exact_texts(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One"}, name="one")
    source.create("agent", {}, name="ada")
    for name, text in (("odd", ODD), ("broken", BROKEN)):
        source.put(Copy(Key("task", name), text), ABSENT)
    mirror = opened(source, folder)
    assert settle(mirror).written == 4
    assert_same(source, folder)
    assert (folder / "agent-ada.md").exists()
    assert list(settle(mirror).left) == ["task-broken"]
    assert not settle(mirror)
    source.write(ONE, Change(set={("progress",): 0.5}))
    source.delete(Key("agent", "ada"))
    done = settle(mirror)
    assert (done.written, done.archived) == (1, ["agent-ada"])
    assert_same(source, folder)
    assert not (folder / "agent-ada.md").exists()
    assert (folder / "archive/agent-ada.md").exists(), "a copy is there for those who lost something"
    path(folder, Key("task", "broken")).unlink()
    source.delete(Key("task", "broken"))
    assert not settle(opened(source, folder)), "a new process finds nothing to do"


@pytest.mark.parametrize("save", [rename_save, save_in_place])
def test_what_people_save_goes_back_and_their_file_stays(source: Backend, folder: Path, save: object) -> None:
    assert callable(save)
    source.create("task", {"title": "One", "priority": 1}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    text = path(folder, ONE).read_text().replace("priority: 1", "priority: 7  # urgent") + "More.\n"
    save(path(folder, ONE), text)
    inode = path(folder, ONE).stat().st_ino
    assert settle(mirror).taken == ["task-one"]
    assert source.text(ONE) == path(folder, ONE).read_text() == text
    assert path(folder, ONE).stat().st_ino == inode, "an editor need not load it again"
    assert not settle(mirror)
    assert not settle(opened(source, folder))


def test_both_sides_at_once(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One", "priority": 1}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    save_in_place(path(folder, ONE), path(folder, ONE).read_text().replace("Mine.", "Mine, edited."))
    source.write(ONE, Change(set={("status",): "completed"}))
    done = settle(mirror)
    assert (done.taken, done.conflicts) == (["task-one"], {})
    assert source.read(ONE).fields["status"] == "completed"
    assert "Mine, edited." in source.text(ONE)
    assert_same(source, folder)


def test_a_stale_buffer_takes_no_update_back(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One", "n": 0}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    buffer = path(folder, ONE).read_text()
    for number in range(3):
        source.write(ONE, Change(set={("n",): number + 1}))
        settle(mirror)
    source.write(ONE, Change(set={("m",): 1}))
    rename_save(path(folder, ONE), buffer.replace("Mine.", "Yours."))
    settle(mirror)
    record = source.read(ONE)
    assert (record.fields["n"], record.fields["m"]) == (3, 1)
    assert "Yours." in source.text(ONE)
    assert_same(source, folder)


def test_a_conflict_keeps_one_and_shows_the_other(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One", "status": "pending"}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    text = path(folder, ONE).read_text().replace("title: One", "title: By hand")
    rename_save(path(folder, ONE), text.replace("status: pending", "status: cancelled"))
    source.write(ONE, Change(set={("title",): "By tool", ("status",): "completed"}))
    done = settle(mirror)
    assert list(done.conflicts) == ["task-one"]
    for text in (source.text(ONE), path(folder, ONE).read_text()):
        assert 'title: kept "By hand", set aside "By tool"' in text
        assert 'status: kept "completed", set aside "cancelled"' in text
    assert source.read(ONE).fields["title"] == "By hand"
    assert not settle(mirror)


def test_killed_after_the_save_was_taken(
    source: Backend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.create("task", {"title": "One", "n": 0, "status": "pending"}, name="one", body="Mine.\n")
    settle(opened(source, folder))
    text = path(folder, ONE).read_text().replace("title: One", "title: Hand").replace("Mine.", "Yours.")
    rename_save(path(folder, ONE), text.replace("status: pending", "status: cancelled"))
    source.write(ONE, Change(set={("title",): "Tool", ("status",): "completed"}, body="Theirs.\n"))

    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    mirror = opened(source, folder)
    with monkeypatch.context() as patch:
        patch.setattr(MarkdownBackend, "follow", killed)
        with pytest.raises(KeyboardInterrupt):
            mirror.round()
    source.write(ONE, Change(set={("n",): 1}))
    settle(opened(source, folder))
    text = source.text(ONE)
    assert [text.count(words) for words in ("set aside", "Yours.", "> Theirs.")] == [2, 1, 1]
    assert source.read(ONE).fields["n"] == 1
    assert_same(source, folder)


def leave_swapped_out(folder: Path, key: Key, text: str, slot: int = 0) -> None:
    """What a mirror leaves that is killed when it had caught this save."""
    store = MarkdownBackend(folder, durability="none")
    Path(store._files.temporary(str(path(folder, key)), slot)).write_text(text)


def test_killed_when_a_save_was_swapped_out(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One", "n": 0}, name="one", body="Mine.\n")
    settle(opened(source, folder))
    saved = path(folder, ONE).read_text().replace("title: One", "title: Hand").replace("Mine.", "Yours.")
    for number in (1, 2):
        source.write(ONE, Change(set={("n",): number}))
        settle(opened(source, folder))
    leave_swapped_out(folder, ONE, saved)
    source.write(ONE, Change(set={("n",): 3}))
    done = settle(opened(source, folder))
    assert (done.taken, done.conflicts, done.left) == (["task-one"], {}, {})
    assert (source.read(ONE).fields["title"], source.read(ONE).fields["n"]) == ("Hand", 3)
    assert "Yours." in source.text(ONE)
    assert_same(source, folder)
    assert not settle(opened(source, folder))


def test_killed_twice_when_saves_were_swapped_out(
    source: Backend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.create("task", {}, name="one", body="Mine.\n\nSame.\n")
    settle(opened(source, folder))
    text = path(folder, ONE).read_text()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for slot, changed in ((0, text.replace("Mine", "Yours")), (4, text.replace("Same", "Other"))):
        leave_swapped_out(folder, ONE, changed, slot)
        with monkeypatch.context() as patch:
            patch.setattr(Writer, "note", killed)
            with pytest.raises(KeyboardInterrupt):
                opened(source, folder).round()
    settle(opened(source, folder))
    assert "Yours.\n\nOther.\n" in source.text(ONE)
    assert_same(source, folder)


def test_of_two_saves_that_wait_the_later_one_counts(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One"}, name="one", body="Mine.\n")
    settle(opened(source, folder))
    text = path(folder, ONE).read_text()
    leave_swapped_out(folder, ONE, text.replace("title: One", "title: Earlier"))
    os.utime(next(folder.glob(".mdc-*")), (1, 1))
    rename_save(path(folder, ONE), text.replace("title: One", "title: Later"))
    settle(opened(source, folder))
    assert source.read(ONE).fields["title"] == "Later"
    assert 'set aside "Earlier"' in source.text(ONE)
    assert_same(source, folder)


def test_what_was_swapped_out_waits_until_its_document_is_mended(source: Backend, folder: Path) -> None:
    for key in (ONE, TWO):
        source.create("task", {}, name=key.id, body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    texts = {key: path(folder, key).read_text() for key in (ONE, TWO)}
    for key, text in texts.items():
        leave_swapped_out(folder, key, text.replace("Mine.", "Yours."))
    save_in_place(path(folder, ONE), BROKEN)
    os.utime(path(folder, ONE), (1, 1))
    assert settle(mirror).taken == ["task-two"]
    save_in_place(path(folder, ONE), texts[ONE])
    assert settle(mirror).taken == ["task-one"]
    assert "Yours." in source.text(ONE)
    assert_same(source, folder)


def test_what_cannot_be_taken_in_is_in_nobody_s_way(source: Backend, folder: Path) -> None:
    source.create("task", {}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    leave_swapped_out(folder, ONE, path(folder, ONE).read_text().replace("Mine.", "Yours."))
    (folder / ".mdc-a-folder.tmp").mkdir()
    done = settle(mirror)
    assert (done.taken, [*done.left]) == (["task-one"], [str(folder)])
    assert_same(source, folder)


def test_a_write_while_a_save_is_taken(
    source: Backend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.create("task", {"title": "One", "step": 0}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    rename_save(path(folder, ONE), path(folder, ONE).read_text().replace("Mine.", "Yours."))
    united = MarkdownBackend.united

    def late(*arguments: Any) -> Any:
        both = united(*arguments)
        source.write(ONE, Change(set={("step",): 1}))
        return both

    with monkeypatch.context() as patch:
        patch.setattr(MarkdownBackend, "united", late)
        assert not mirror.round().taken
        assert not mirror.settled
    assert settle(mirror).taken == ["task-one"]
    assert source.read(ONE).fields["step"] == 1
    assert "Yours." in source.text(ONE)


def test_half_a_save_is_not_taken(source: Backend, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_SAVING", 0.05)
    source.create("task", {"title": "One"}, name="one", body="Mine.\n")
    mirror = opened(source, folder)
    settle(mirror)
    before, whole = source.text(ONE), path(folder, ONE).read_text() + "Yours.\n" * 10
    with path(folder, ONE).open("w") as editor:
        editor.write(whole[:-30])
        editor.flush()
        with path(folder, ONE).open() as reader:
            if has_writer(reader.fileno()) is None:
                pytest.skip("this system does not tell who has a file open")
        assert list(settle(mirror).left) == ["task-one"]
        assert source.text(ONE) == before
        editor.write(whole[-30:])
    assert settle(mirror).taken == ["task-one"]
    assert source.text(ONE) == whole


def test_a_new_file_becomes_a_document(source: Backend, folder: Path) -> None:
    mirror = opened(source, folder)
    path(folder, TWO).write_text("# Task: Two\n\n**Status**: PENDING\n")
    (folder / "task-Odd Name.md").write_text("---\ntitle: x\n---\n")
    (folder / "task-empty.md").write_text("")
    done = settle(mirror)
    assert done.taken == ["task-two"]
    assert sorted(done.left) == ["task-Odd Name", "task-empty"]
    assert source.read(TWO).fields["status"] == "pending"
    assert source.text(TWO) == path(folder, TWO).read_text()
    source.write(TWO, Change(set={("step",): 1}))
    assert not settle(mirror).left, "told once"
    assert "step: 1" in path(folder, TWO).read_text()


def test_a_new_file_of_a_name_that_is_taken(source: Backend, folder: Path) -> None:
    mirror = opened(source, folder)
    path(folder, TWO).write_text("---\ntitle: By hand\n---\n")
    source.create("task", {"title": "By tool"}, name="two")
    done = settle(mirror)
    assert list(done.conflicts) == ["task-two"]
    assert "By hand" in (folder / "archive/task-two.md").read_text()
    assert_same(source, folder)


def test_a_copy_without_its_memory(source: Backend, folder: Path) -> None:
    """Somebody removed the state folder."""
    for name in ("one", "two"):
        source.create("task", {"title": name}, name=name)
    settle(opened(source, folder))
    shutil.rmtree(folder / ".state")
    save_in_place(path(folder, TWO), path(folder, TWO).read_text().replace("title: two", "title: zwei"))
    for key in (ONE, TWO):
        source.write(key, Change(set={("step",): 1}))
    done = settle(opened(source, folder))
    assert list(done.conflicts) == ["task-two"] if os.listxattr(path(folder, ONE)) else done.conflicts
    assert "title: zwei" in (folder / "archive/task-two.md").read_text()
    assert_same(source, folder)


def test_a_removed_file_is_put_there_again(source: Backend, folder: Path) -> None:
    source.create("task", {}, name="one")
    settle(opened(source, folder))
    path(folder, ONE).unlink()
    assert settle(opened(source, folder)).restored == ["task-one"]
    assert_same(source, folder)


def test_an_unreadable_file_is_left_until_it_is_mended(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One"}, name="one")
    mirror = opened(source, folder)
    settle(mirror)
    good = path(folder, ONE).read_text()
    save_in_place(path(folder, ONE), BROKEN)
    source.write(ONE, Change(set={("n",): 1}))
    assert list(settle(mirror).left) == ["task-one"]
    assert path(folder, ONE).read_text() == BROKEN
    save_in_place(path(folder, ONE), good.replace("One", "Uno"))
    settle(mirror)
    assert (source.read(ONE).fields["title"], source.read(ONE).fields["n"]) == ("Uno", 1)
    assert_same(source, folder)


def test_archived_documents(source: Backend, folder: Path) -> None:
    source.create("task", {"title": "One"}, name="one")
    source.create("task", {"title": "Two"}, name="two")
    mirror = opened(source, folder)
    settle(mirror)
    source.write(ONE, Change(set={("status",): "completed"}))
    rename_save(path(folder, TWO), path(folder, TWO).read_text().replace("Two", "Zwei"))
    last = source.text(ONE)
    source.archive(ONE)
    source.archive(TWO)
    done = settle(mirror)
    assert done.archived == ["task-one", "task-two"]
    assert list(done.conflicts) == ["task-two"]
    assert (folder / "archive/task-one.md").read_text() == last
    assert "Zwei" in (folder / "archive/task-two.1.md").read_text()
    assert sorted(item.name for item in folder.glob("*.md")) == []
    source.restore("task-one")
    settle(mirror)
    assert_same(source, folder)


@pytest.mark.parametrize("others", [False, True])
def test_a_server_that_lost_everything_takes_no_copy_along(folder: Path, others: bool) -> None:
    for number in range(2):
        source = MemoryBackend()
        if number:
            with pytest.raises(BackendUnavailable, match=r"has lost its data: .* there is a copy of it in"):
                opened(source, folder).round()
            if others:
                source.create("agent", {}, name="bob")
                with pytest.raises(BackendUnavailable, match="has lost its data"):
                    opened(source, folder).round()
        source.create("task", {}, name="one")
        source.create("task", {}, name="two")
        settle(opened(source, folder))
    assert path(folder, ONE).exists()
    source.delete(ONE)
    assert settle(opened(source, folder)).archived == ["task-one"]


def test_events_come_and_go(source: Backend, folder: Path) -> None:
    for number in range(5):
        source.append("work", "step", {"n": number}, time=TIME)
    source.rotate("work", 3)
    mirror = opened(source, folder)
    assert settle(mirror).events == 5
    log = folder / "events-work.md"
    assert log.read_text().count("## Event") == 3
    source.append("work", "step", {"n": 5}, time=TIME)
    with log.open("a") as file:
        file.write("\n## Event: noted\n**Time**: 2026-01-31T09:30:00Z\n\nSome *prose*.\n")
    done = settle(mirror)
    assert (done.events, done.published) == (1, 1)
    assert not settle(mirror)
    source.append("work", "step", {"n": 6}, time=TIME)
    assert settle(opened(source, folder)).events == 1
    names = [event.name for event in source.history("work")]
    assert names == ["step"] * 6 + ["noted", "step"]
    copied = MarkdownBackend(folder, durability="none")
    assert sorted(event.name for event in copied.history("work")) == sorted(names)
    source.rotate("work", 1)
    settle(mirror)
    assert log.read_text().count("## Event") == 1
    (folder / "events-mine.md").write_text("## Event: begun\n\n**Time**: 2026-01-31T09:30:00Z\n")
    settle(mirror)
    assert [event.name for event in source.tail("mine")] == ["begun"]


def test_a_killed_mirror_brings_no_event_twice(
    source: Backend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.append("work", "step", {"n": 0}, time=TIME)
    settle(opened(source, folder))
    source.append("work", "step", {"n": 1}, time=TIME)
    with (folder / "events-work.md").open("a") as file:
        file.write("\n## Event: noted\n**Time**: 2026-01-31T09:30:00Z\n")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    mirror = opened(source, folder)
    with monkeypatch.context() as patch:
        patch.setattr(MarkdownBackend, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            mirror.round()
    settle(opened(source, folder))
    settle(opened(source, folder))
    assert sorted(event.name for event in source.history("work")) == ["noted", "step", "step"]
    copied = MarkdownBackend(folder, durability="none")
    assert sorted(event.name for event in copied.history("work")) == ["noted", "step", "step"]


def test_a_log_that_was_removed_is_put_there_again(source: Backend, folder: Path) -> None:
    for number in range(3):
        source.append("work", "step", {"n": number}, time=TIME)
    mirror = opened(source, folder)
    settle(mirror)
    (folder / "events-work.md").unlink()
    settle(mirror)
    copied = MarkdownBackend(folder, durability="none")
    assert [event.data["n"] for event in copied.tail("work")] == [0, 1, 2]


def test_a_mirror_outlives_its_server(folder: Path, started: Start) -> None:
    own = started("--appendonly", "yes", "--appendfsync", "always")
    with RedisBackend(own.url("own:", timeout=1)) as store:
        folder.mkdir()
        running = Mirroring(store, MarkdownBackend(folder, durability="none"), Host())
        store.create("task", {}, name="one")
        rounds = running.rounds(0.01)
        assert next(rounds).written == 1
        own.kill()
        assert list(next(rounds).left) == [store.location]
        own.start()
        path(folder, TWO).write_text("---\ntitle: Two\n---\n")
        assert next(rounds).taken == ["task-two"]
        rounds.close()


def test_it_is_woken_by_the_server(url: str, folder: Path) -> None:
    with RedisBackend(url) as store:
        folder.mkdir()
        rounds = Mirroring(store, MarkdownBackend(folder, durability="none"), Host()).rounds(600.0)
        store.create("task", {}, name="one")
        assert next(rounds).written == 1
        writer = threading.Timer(0.05, lambda: store.write(ONE, Change(set={("step",): 1})))
        writer.start()
        assert next(rounds).written == 1, "or the test takes ten minutes"
        writer.join()
        assert_same(store, folder)


def test_what_could_not_be_merged_is_told(source: Backend, folder: Path) -> None:
    source.create("task", {}, name="one")
    settle(opened(source, folder))
    (folder / ".mdc-0123456789abcdef.tmp").write_text("somebody's work\n")
    (left,) = settle(opened(source, folder)).left
    assert Path(left).read_text() == "somebody's work\n"
