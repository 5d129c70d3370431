"""Files: replaced as a whole, with what belongs to them; saves of others are never replaced unseen."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdcoord.backends.markdown import fileio, swap
from mdcoord.backends.markdown.descriptors import APPEND, writing
from mdcoord.backends.markdown.exchange import exchange, rename_new
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.swap import Leftover
from mdcoord.backends.markdown.writers import has_writer, writer_of
from mdcoord.errors import BackendUnavailable, Busy, NotDurable
from mdcoord.formats.yamltext.limits import MAX_FILE

OLD, NEW = b"the old text\n", b"the new text, a little longer\n"


@pytest.fixture
def files(tmp_path: Path) -> FileIO:
    files = FileIO(str(tmp_path), str(tmp_path / ".state"))
    files.prepare()
    return files


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "task-one.md"
    path.write_bytes(OLD)
    return str(path)


@pytest.fixture(params=["swap", "no swap"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With renames that swap two files, or keep one, and without."""
    if request.param == "no swap":
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
        monkeypatch.setattr(fileio, "rename_new", lambda *_: False)
    return str(request.param)


def left(path: str) -> list[str]:
    return [name for name in os.listdir(os.path.dirname(path)) if name.startswith(".mdc-")]


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def before_swap(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], Any]) -> None:
    """Let somebody do something just before the first, second … time that the new file is put in place."""
    waiting = list(steps)
    for name in ("_displace", "_give_back"):
        original = getattr(swap.Swap, name)

        def after(*arguments: Any, original: Any = original) -> Any:
            if waiting:
                waiting.pop(0)()
            return original(*arguments)

        monkeypatch.setattr(swap.Swap, name, after)


class TestSwap:
    def test_replaces(self, files: FileIO, path: str, system: str) -> None:
        assert files.swap(path, NEW, OLD)
        assert content(path) == NEW
        assert left(path) == []

    def test_keeps_mode_and_attributes(self, files: FileIO, path: str, system: str) -> None:
        os.chmod(path, 0o664)
        os.setxattr(path, "user.origin", b"somewhere")
        files.swap(path, NEW, OLD)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o664
        assert os.getxattr(path, "user.origin") == b"somewhere"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_keeps_the_owner(self, files: FileIO, path: str) -> None:
        os.chown(path, 1234, 2345)
        files.swap(path, NEW, OLD)
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (1234, 2345)

    def test_marks_the_version(self, files: FileIO, path: str) -> None:
        assert files.marked(path) == ""
        files.swap(path, NEW, OLD, version="v1")
        assert files.marked(path) == "v1"
        files.swap(path, OLD, NEW)
        assert files.marked(path) == "", "the mark of another version"

    def test_refuses_a_read_only_file(self, files: FileIO, path: str) -> None:
        os.chmod(path, 0o444)
        with pytest.raises(BackendUnavailable, match="read-only"):
            files.swap(path, NEW, OLD)
        assert (content(path), left(path)) == (OLD, [])

    def test_a_file_that_went_away_is_not_made_again(self, files: FileIO, path: str, system: str) -> None:
        os.unlink(path)
        with pytest.raises(FileNotFoundError):
            files.swap(path, NEW, OLD)
        assert not os.path.exists(path)
        assert left(path) == []

    def test_an_unexpected_content_stays(self, files: FileIO, path: str, system: str) -> None:
        assert not files.swap(path, NEW, b"what I had read")
        assert (content(path), left(path)) == (OLD, [])

    def test_a_save_by_rename_goes_back(
        self, files: FileIO, path: str, system: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path(path + ".new").write_bytes(b"saved")
        inode = os.stat(path + ".new").st_ino
        before_swap(monkeypatch, lambda: os.replace(path + ".new", path))
        assert not files.swap(path, NEW, OLD)
        assert (content(path), os.stat(path).st_ino, left(path)) == (b"saved", inode, [])

    def test_a_save_in_place_goes_back(
        self, files: FileIO, path: str, system: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inode = os.stat(path).st_ino
        before_swap(monkeypatch, lambda: Path(path).write_bytes(b"saved"))
        assert not files.swap(path, NEW, OLD)
        assert (content(path), os.stat(path).st_ino, left(path)) == (b"saved", inode, [])

    def test_a_second_save_on_the_way_back_is_handed_over(
        self, files: FileIO, path: str, system: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_swap(
            monkeypatch,
            lambda: Path(path).write_bytes(b"saved"),
            lambda: Path(path).write_bytes(b"saved again"),
        )
        with pytest.raises(Leftover) as caught:
            files.swap(path, NEW, OLD)
        there = {content(path), files.leftover(str(caught.value))}
        assert there == {b"saved", b"saved again"}

    def test_a_file_removed_on_the_way_back_leaves_the_save(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before_swap(monkeypatch, lambda: Path(path).write_bytes(b"saved"), lambda: os.unlink(path))
        with pytest.raises(Leftover) as caught:
            files.swap(path, NEW, OLD)
        assert files.leftover(str(caught.value)) == b"saved"

    def test_a_slow_save_is_waited_for(
        self, files: FileIO, path: str, system: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor = open(path, "r+b", buffering=0)  # noqa: SIM115
        inode = os.stat(path).st_ino
        editing = threading.Timer(0.3, lambda: (editor.truncate(0), editor.write(b"saved"), editor.close()))
        before_swap(monkeypatch, editing.start)
        assert not files.swap(path, NEW, OLD)
        assert editor.closed
        assert (content(path), os.stat(path).st_ino, left(path)) == (b"saved", inode, [])

    def test_a_file_that_is_kept_open_for_writing_is_not_replaced(
        self, files: FileIO, path: str, system: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(swap, "_SAVING", 0.1)
        with open(path, "ab"):
            with pytest.raises(Busy) as caught:
                files.swap(path, NEW, OLD)
            assert (content(path), left(path)) == (OLD, [])
        assert caught.value.details["holder_pid"] == os.getpid()
        assert files.swap(path, NEW, OLD)

    def test_where_nobody_tells_about_writers_a_late_save_is_noticed(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor = open(path, "r+b", buffering=0)  # noqa: SIM115
        sync = files._sync_folder

        def saving(folder: str) -> NotDurable | None:
            with editor:
                editor.write(b"saved")
            return sync(folder)

        monkeypatch.setattr(swap, "has_writer", lambda _: None)
        monkeypatch.setattr(files, "_sync_folder", saving)
        assert not files.swap(path, NEW, OLD)
        assert content(path).startswith(b"saved")

    def test_a_leftover_is_not_written_over(self, files: FileIO, path: str) -> None:
        Path(files.temporary(path)).write_bytes(b"somebody's work")
        with pytest.raises(Leftover) as caught:
            files.swap(path, NEW, OLD)
        assert files.leftover(str(caught.value)) == b"somebody's work"
        assert content(path) == OLD

    def test_a_leftover_beside_it_is_not_written_over(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
        spare = files.temporary(path, 1)
        Path(spare).write_bytes(b"somebody's work")
        with pytest.raises(Leftover, match=os.path.basename(spare)):
            files.swap(path, NEW, OLD)
        assert (content(spare), content(path)) == (b"somebody's work", OLD)

    def test_an_unconfirmed_write_is_told(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        problem = NotDurable("the disk says nothing", hint="", path=path)
        monkeypatch.setattr(files, "_sync_folder", lambda _: problem)
        with pytest.raises(NotDurable):
            files.swap(path, NEW, OLD)
        assert (content(path), left(path)) == (NEW, [])


class TestCreate:
    def test_makes_a_file(self, files: FileIO, tmp_path: Path, system: str) -> None:
        path = str(tmp_path / "new.md")
        files.create(path, NEW, version="v1")
        assert (content(path), files.marked(path), left(path)) == (NEW, "v1", [])
        assert os.stat(path).st_nlink == 1

    def test_never_replaces(self, files: FileIO, path: str, system: str) -> None:
        with pytest.raises(FileExistsError):
            files.create(path, NEW)
        assert (content(path), left(path)) == (OLD, [])

    def test_without_links_either(
        self, files: FileIO, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: Any, **__: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(fileio, "rename_new", lambda *_: False)
        monkeypatch.setattr(os, "link", refused)
        files.create(str(tmp_path / "new.md"), NEW)
        assert content(str(tmp_path / "new.md")) == NEW
        with pytest.raises(FileExistsError):
            files.create(path, NEW)
        assert (content(path), left(path)) == (OLD, [])


class TestRead:
    def test_gives_the_content(self, files: FileIO, path: str) -> None:
        assert files.read(path) == OLD

    def test_a_symbolic_link_is_refused(self, files: FileIO, path: str, tmp_path: Path) -> None:
        os.symlink(path, tmp_path / "link.md")
        with pytest.raises(BackendUnavailable):
            files.read(str(tmp_path / "link.md"))

    def test_a_hard_link_is_refused(self, files: FileIO, path: str, tmp_path: Path) -> None:
        os.link(path, tmp_path / "link.md")
        with pytest.raises(BackendUnavailable, match="2 hard links"):
            files.read(path)

    def test_the_second_name_of_a_killed_writer_is_none(self, files: FileIO, path: str) -> None:
        os.link(path, files.temporary(path, 1))
        assert files.read(path) == OLD

    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
    def test_only_plain_files_are_read(
        self, files: FileIO, tmp_path: Path, make: Callable[[str], None]
    ) -> None:
        make(str(tmp_path / "odd.md"))
        with pytest.raises(BackendUnavailable, match="not a regular file"):
            files.read(str(tmp_path / "odd.md"))

    def test_a_huge_file_is_refused_unread(self, files: FileIO, path: str) -> None:
        os.truncate(path, MAX_FILE + 1)
        with pytest.raises(BackendUnavailable, match="the limit is"):
            files.read(path)

    def test_an_empty_file_that_is_young_is_looked_at_again(self, files: FileIO, path: str) -> None:
        os.truncate(path, 0)
        saving = threading.Timer(0.05, lambda: Path(path).write_bytes(NEW))
        saving.start()
        assert files.read(path) == NEW
        saving.join()

    def test_an_empty_file_that_is_old_is_empty(self, files: FileIO, path: str) -> None:
        os.truncate(path, 0)
        os.utime(path, (time.time() - 60, time.time() - 60))
        assert files.read(path) == b""

    def test_a_file_that_is_replaced_by_removing_it_first_is_waited_for(
        self, files: FileIO, path: str
    ) -> None:
        os.unlink(path)
        saving = threading.Timer(0.05, lambda: Path(path).write_bytes(NEW))
        saving.start()
        assert files.await_file(path)
        saving.join()
        os.unlink(path)
        assert not files.await_file(path)


class TestAppend:
    def test_adds_to_the_end(self, files: FileIO, path: str) -> None:
        assert files.append(path, NEW) == len(OLD + NEW)
        assert content(path) == OLD + NEW

    def test_tells_where_it_ends_although_others_append(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write

        def after_a_shell(descriptor: int, data: bytes) -> int:
            monkeypatch.setattr(os, "write", write)
            with open(path, "ab") as shell:
                shell.write(b"by a shell\n")
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", after_a_shell)
        assert files.append(path, NEW) == len(OLD + b"by a shell\n" + NEW)

    def test_a_short_write_is_taken_back(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:5]))
        with pytest.raises(BackendUnavailable):
            files.append(path, NEW)
        assert content(path) == OLD

    def test_what_others_appended_is_not_taken_back(
        self, files: FileIO, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write

        def short(descriptor: int, data: bytes) -> int:
            written = write(descriptor, data[:5])
            write(descriptor, b"by a shell\n")
            return written

        monkeypatch.setattr(os, "write", short)
        with pytest.raises(BackendUnavailable):
            files.append(path, NEW)
        assert content(path).endswith(b"by a shell\n")

    def test_a_symbolic_link_is_not_followed(self, files: FileIO, path: str, tmp_path: Path) -> None:
        os.symlink(path, tmp_path / "link.md")
        with pytest.raises(BackendUnavailable):
            files.append(str(tmp_path / "link.md"), NEW)
        assert content(path) == OLD


class TestMove:
    def test_moves(self, files: FileIO, path: str, tmp_path: Path, system: str) -> None:
        files.make_folder(str(tmp_path / "archive"))
        files.make_folder(str(tmp_path / "archive"))
        target = str(tmp_path / "archive" / "task-one.md")
        files.move(path, target)
        assert content(target) == OLD
        assert not os.path.exists(path)
        assert os.stat(target).st_nlink == 1

    def test_never_replaces(self, files: FileIO, path: str, tmp_path: Path, system: str) -> None:
        (tmp_path / "other.md").write_bytes(NEW)
        with pytest.raises(FileExistsError):
            files.move(path, str(tmp_path / "other.md"))
        assert (content(path), (tmp_path / "other.md").read_bytes()) == (OLD, NEW)


def test_remove_and_discard_want_no_file(files: FileIO, path: str) -> None:
    files.remove(path)
    files.remove(path)
    files.discard(path)


def test_replace_asks_for_nothing(files: FileIO, path: str) -> None:
    Path(files.temporary(path)).write_bytes(b"left over")
    files.replace(path, NEW)
    files.replace(path + ".new", NEW)
    assert content(path) == content(path + ".new") == NEW
    assert left(path) == []


def test_what_is_put_aside_tells_where_it_belongs(files: FileIO, path: str) -> None:
    temp = files.temporary(path)
    Path(temp).write_bytes(b"strange")
    assert files.temporaries(files.root) == [temp]
    files.keep(temp, path)
    (aside,) = files.set_aside()
    assert os.path.basename(aside).startswith("task-one.md-")
    assert content(aside) == b"strange"
    assert files.temporaries(files.root) == []


def test_temporary_names_are_short_and_their_own(files: FileIO, path: str) -> None:
    names = {files.temporary(path, slot) for slot in range(4)} | {files.temporary("/x/" + "y" * 250)}
    assert len(names) == 5
    assert {len(os.path.basename(name)) for name in names} == {25}


def test_a_forked_child_does_not_pass_for_an_editor(files: FileIO, path: str) -> None:
    ready, say_ready = os.pipe()
    stay, let_go = os.pipe()
    with writing(path, APPEND):
        pid = os.fork()
        if not pid:
            os.close(let_go)
            os.write(say_ready, b".")
            os.read(stay, 1)
            os._exit(0)
        os.read(ready, 1)
    assert files.swap(path, NEW, OLD)
    os.close(let_go)
    os.waitpid(pid, 0)
    for descriptor in (ready, say_ready, stay):
        os.close(descriptor)


class TestSystem:
    def test_two_files_are_swapped(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.write_text("1")
        other.write_text("2")
        assert exchange(str(one), str(other))
        assert (one.read_text(), other.read_text()) == ("2", "1")

    def test_both_files_must_be_there(self, tmp_path: Path) -> None:
        (tmp_path / "one").touch()
        with pytest.raises(FileNotFoundError):
            exchange(str(tmp_path / "one"), str(tmp_path / "other"))
        assert (tmp_path / "one").exists()

    def test_a_file_is_renamed_to_a_free_name_only(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.write_text("1")
        assert rename_new(str(one), str(other))
        one.write_text("another 1")
        with pytest.raises(FileExistsError):
            rename_new(str(one), str(other))
        assert (one.read_text(), other.read_text()) == ("another 1", "1")

    def test_a_program_that_writes_is_seen(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        assert has_writer(descriptor) is False
        with open(path, "rb"):
            assert has_writer(descriptor) is False, "who only reads is no writer"
        with open(path, "ab"):
            assert has_writer(descriptor) is True
            assert writer_of(descriptor) == os.getpid()
        assert has_writer(descriptor) is False
        assert writer_of(descriptor) is None
        os.close(descriptor)
