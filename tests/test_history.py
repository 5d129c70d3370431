"""Remembered versions: what was whole comes back, in order; what a save was made from is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.history import UNPACKED, History, Past, Version, version_of


@pytest.fixture
def history(tmp_path: Path) -> History:
    files = FileIO(str(tmp_path), str(tmp_path / ".state"), "none")
    files.prepare()
    return History(files)


def text_of(number: int) -> bytes:
    lines = [f"line {line}" for line in range(60)]
    lines[number % 60] = f"changed in {number}"
    return ("\n".join(lines) + f"\nversion {number}\n").encode()


def names(past: Past) -> list[tuple[bytes, bool]]:
    return [(version.data, version.saved) for version in past.versions]


def test_versions_come_back_in_order_with_the_saves_they_contain(history: History) -> None:
    history.remember("task-one", b"first")
    history.remember("task-one", b"second", [b"a save", b"another"])
    assert names(history.past("task-one")) == [
        (b"first", False),
        (b"a save", True),
        (b"another", True),
        (b"second", False),
    ]


def test_nothing_is_known_of_others_or_of_what_was_forgotten(history: History) -> None:
    history.remember("task-one", b"first")
    assert names(history.past("task-two")) == []
    history.forget("task-one")
    history.forget("task-one")
    assert names(history.past("task-one")) == []


def test_a_removed_folder_is_made_again(tmp_path: Path) -> None:
    history = History(FileIO(str(tmp_path), str(tmp_path / ".state"), "none"))
    history.remember("task-one", b"first")
    assert names(history.past("task-one")) == [(b"first", False)]


def test_a_long_history_is_packed_and_keeps_its_order(history: History, tmp_path: Path) -> None:
    count = 900
    for number in range(count):
        history.remember("task-one", text_of(number))
    assert (tmp_path / ".state/history/task-one").stat().st_size < 300_000
    assert [version.data for version in history.past("task-one").versions] == [*map(text_of, range(count))]


def test_the_oldest_go_in_the_end(history: History, tmp_path: Path) -> None:
    chance = random.Random(1)
    contents = [chance.randbytes(3000).hex().encode() for _ in range(200)]  # does not pack well
    for content in contents:
        history.remember("task-one", content)
    there = [version.data for version in history.past("task-one").versions]
    assert UNPACKED <= len(there) < len(contents)
    assert there == contents[-len(there) :]
    assert (tmp_path / ".state/history/task-one").stat().st_size < 500_000


@given(st.data())
@settings(max_examples=100)
def test_torn_entries_are_left_out_and_hide_no_others(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files = FileIO(folder, folder + "/.state", "none")
        files.prepare()
        history = History(files)
        contents = [text_of(number) for number in range(4)]
        for content in contents:
            history.remember("task-one", content)
        path = Path(folder, ".state/history/task-one")
        whole = bytearray(path.read_bytes())
        start = data.draw(st.integers(0, len(whole)))
        length = data.draw(st.integers(0, 200))
        if data.draw(st.booleans()):
            whole[start : start + length] = bytes(len(whole[start : start + length]))
        else:
            del whole[start:]
        path.write_bytes(whole)
        there = [version.data for version in history.past("task-one").versions]
        assert all(content in contents for content in there)
        history.remember("task-one", b"after the crash")
        again = [version.data for version in history.past("task-one").versions]
        assert again[-1] == b"after the crash"
        assert again[:-1] == there


def past_of(*contents: str, saved: tuple[int, ...] = ()) -> Past:
    return Past(
        Version(version_of(content.encode()), content.encode(), number in saved)
        for number, content in enumerate(contents)
    )


def test_the_base_of_a_save_is_the_version_it_is_closest_to() -> None:
    past = past_of("a\nb\nc\n", "a\nB\nc\n", "a\nB\nC\n")
    assert past.base("a\nb\nc\nmine\n", 2) == 0
    assert past.base("a\nB\nc\nmine\n", 2) == 1
    assert past.base("a\nB\nC\nmine\n", 2) == 2


def test_of_equally_close_versions_the_latest_counts() -> None:
    past = past_of("value: 1\n", "value: 2\n")
    assert past.base("value: 3\n", 1) == 1


def test_no_version_counts_that_nobody_was_told_of() -> None:
    past = past_of("a\n", "a\nb\n")
    assert past.base("a\nb\n", 0) == 0


def test_the_tools_latest_version_is_the_last_when_its_name_is_lost() -> None:
    past = past_of("a", "b", "c", saved=(2,))
    assert past.tool(version_of(b"a")) == 0
    assert past.tool("unknown") == 1
    assert past.tool(None) == 1
    assert past_of().tool(None) is None


@pytest.mark.parametrize(
    ("leftover", "there", "safe"),
    [
        (b"", b"old", True),  # nothing in it
        (b"old", b"old", True),  # what is in place
        (b"old", b"new", True),  # what the tool wrote once
        (b"ne", b"old", True),  # half of what the tool was about to write
        (b"ol", b"old", False),  # half of what is in place: somebody may have cut it
        (b"save", b"old", False),  # a save, and the version made of it is not in place
        (b"save", b"new", True),  # a save, and it is
        (b"strange", b"new", False),
    ],
)
def test_a_leftover_is_dropped_only_when_nothing_is_lost(leftover: bytes, there: bytes, safe: bool) -> None:
    past = past_of("old", "save", "new", saved=(1,))
    assert past.contains(leftover, there, past.find(version_of(b"old"))) is safe


def test_a_save_that_was_remembered_again_later_counts_as_no_version() -> None:
    # A first try to unite `mine` failed, then a write over `other` failed, too.
    past = past_of("old", "other", "mine", "united", "other", "next", saved=(1, 2, 4))
    assert not past.contains(b"mine", b"other", 0)
    assert past.contains(b"mine", b"united", 0)
    assert not past.contains(b"mine", b"next", 0)


def test_a_save_stays_one_when_what_was_to_unite_it_says_the_same() -> None:
    past = past_of("old", "save", "save", saved=(1,))
    assert not past.contains(b"save", b"old", 0)
    assert past.contains(b"save", b"new", 2)


def test_a_version_that_is_remembered_again_has_its_saves_still() -> None:
    past = past_of("old", "save", "new", "new", saved=(1,))
    assert past.contains(b"save", b"new", 3)
