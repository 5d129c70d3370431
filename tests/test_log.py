"""The files of event logs: what readers see while others append, rotate, crash and edit by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.log import EventLog
from mdcoord.backends.markdown.logappend import REMEMBERED
from mdcoord.backends.markdown.logview import LogView
from mdcoord.backends.values import Event
from mdcoord.errors import BackendUnavailable, NotFound, UsageError
from mdcoord.formats import eventlog, loghead

TIME = "2025-10-12T14:30:00.000Z"
DAY = "2025-10-12"
SEED = (Path(__file__).parent / "golden" / "events" / "seed.md").read_bytes()
BY_HAND = b"\n## Event: by_hand\n**Time**: 2025-10-12T15:00:00Z\n**Step**: 1\n"


class Interrupted(FileIO):
    """Real files, and somebody else who acts just before a file is swapped."""

    before_swap: Callable[[], None] | None = None

    def swap(self, path: str, data: bytes, expected: bytes, *, version: str = "", slot: int = 0) -> bool:
        act, self.before_swap = self.before_swap, None
        if act is not None:
            act()
        return super().swap(path, data, expected, version=version, slot=slot)


def open_log(root: Path) -> EventLog:
    return EventLog(open_files(root), str(root))


def open_files(root: Path) -> Interrupted:
    files = Interrupted(str(root), str(root / ".state"), "none")
    files.prepare()
    return files


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return open_log(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events-training.md"


def publish(log: EventLog, *numbers: int) -> list[Event]:
    return [
        log.append("training", f"step_{n}", {"n": n, "note": "a\n---\n## Event: b"}, time=TIME)
        for n in numbers
    ]


def by_hand(path: Path, text: bytes = BY_HAND) -> None:
    with path.open("ab") as file:
        file.write(text)


def names(log: EventLog, after: str | None = None) -> list[str]:
    return [event.name for event in log.tail("training", after)]


def check_every_cursor(log: EventLog, events: list[Event]) -> None:
    for number, event in enumerate(events):
        assert list(log.tail("training", event.cursor)) == events[number + 1 :], number


# ---------------------------------------------------------------- append, tail, last


def test_what_is_appended_is_tailed_in_order(log: EventLog) -> None:
    events = publish(log, *range(5))
    assert list(log.tail("training")) == events
    check_every_cursor(log, events)
    assert list(log.tail("training", limit=2)) == events[:2]
    assert list(log.tail("training", limit=0)) == []
    assert [log.last("training", n) for n in (0, 2, 9)] == [[], events[-2:], events]
    assert log.problems("training") == []


def test_one_channel_has_several_spellings_and_one_file(log: EventLog, tmp_path: Path) -> None:
    for spelling in ("training", "Training", "training:events", "events-training"):
        log.append(spelling, "x", {}, time=TIME)
    log.append("gpu:errors", "x", {}, time=TIME)
    assert log.channels() == ["gpu-errors", "training"]
    assert len(list(log.tail("training:events"))) == 4


def test_other_files_are_no_channels(log: EventLog, tmp_path: Path) -> None:
    (tmp_path / "events-Upper.md").touch()
    (tmp_path / "events-.md").touch()
    (tmp_path / "events-x.txt").touch()
    (tmp_path / "events-folder.md").mkdir()
    (tmp_path / "events-link.md").symlink_to("/etc/hostname")
    assert log.channels() == []
    assert open_log(tmp_path / "nowhere").channels() == []


def test_the_one_liners_for_the_shell_give_right_answers(log: EventLog, path: Path) -> None:
    for loss in (0.42, 0.41):
        log.append("training", "checkpoint_saved", {"step": 3500, "loss": loss}, time=TIME)
    count = subprocess.run(["grep", "-c", "^## Event:", path], capture_output=True, text=True, check=True)
    losses = subprocess.run(
        ["grep", "-oP", r"Loss.*:\s*\K[\d.]+", path], capture_output=True, text=True, check=True
    )
    assert (count.stdout, losses.stdout) == ("2\n", "0.42\n0.41\n")


def test_missing_channels_and_strange_cursors_are_told(log: EventLog) -> None:
    for call in (lambda: log.tail("no"), lambda: log.last("no", 1), lambda: log.rotate("no", 1, DAY)):
        with pytest.raises(NotFound):
            call()
    event = log.append("a", "x", {}, time=TIME)
    log.append("b", "x", {}, time=TIME)
    for cursor in (event.cursor, "", "b", "b:x:y", "b:1:", "b:-1:y", "b:1" + "0" * 18 + ":y"):
        with pytest.raises(UsageError):
            log.tail("b", cursor)
    with pytest.raises(UsageError):
        log.tail("b", limit=-1)
    with pytest.raises(UsageError):
        log.rotate("b", -1, DAY)
    with pytest.raises(UsageError):
        log.rotate("b", 1, "12.10.2025")


def test_an_id_that_was_just_used_is_not_appended_again(log: EventLog, path: Path) -> None:
    events = [log.append("training", "x", {"n": n}, time=TIME, id=f"id-{n}") for n in range(REMEMBERED + 1)]
    before = path.read_bytes()
    for event in events[1:]:
        assert log.append("training", "other", {}, time=TIME, id=event.id) == event
    assert path.read_bytes() == before
    log.rotate("training", 3, DAY)
    assert log.append("training", "other", {}, time=TIME, id="id-7") == events[7]
    assert log.append("training", "other", {}, time=TIME, id="id-0").name == "other"


def test_reading_from_the_end_costs_the_same_on_every_log() -> None:
    def bytes_read(count: int) -> tuple[int, int]:
        block = [
            eventlog.render_event(f"id-{n:06}", "step", TIME, {"n": 100_000 + n})[0] for n in range(count)
        ]
        text = loghead.new_log("a") + b"".join(block)
        sizes: list[int] = []

        def read(place: int, length: int) -> bytes:
            sizes.append(length)
            return text[place : place + length]

        view = LogView("a", read, len(text))
        newest = view.event(next(view.backwards()))
        assert newest is not None
        assert list(view.events(view.at(int(newest.cursor.split(":")[1]), newest.id))) == []
        return len(sizes), sum(sizes)

    assert bytes_read(1_000) == bytes_read(20_000)


# ---------------------------------------------------------------- torn ends


def test_a_torn_end_is_never_read_and_is_mended_by_the_next_append(tmp_path: Path) -> None:
    log, path = open_log(tmp_path), tmp_path / "events-training.md"
    events = publish(log, 1, 2)
    good = path.read_bytes()
    block = eventlog.render_event("torn", "größte €👍👎", TIME, {"n": 3, "note": "größer"})[0]
    mark = block.index(b"\n") + 2
    for length in range(len(block) - 1):
        path.write_bytes(good + block[:length])
        (tmp_path / ".state" / "history" / "log-training").unlink()
        assert list(log.tail("training")) == log.last("training", 9) == events
        assert list(log.tail("training", events[1].cursor)) == []
        (new,) = publish(log, 4)
        assert list(log.tail("training")) == log.last("training", 9) == [*events, new]
        check_every_cursor(log, [*events, new])
        text = path.read_bytes()
        text.decode()  # nothing is left that is not UTF-8
        if length >= mark:
            assert text.startswith(good + eventlog.HEADING + b" step_4")
        else:  # a person could have written this much
            assert text.startswith(good + block[:length].decode(errors="ignore").encode())


def test_what_a_person_left_unfinished_is_kept(log: EventLog, path: Path) -> None:
    publish(log, 1)
    by_hand(path, b"\n## Event: by_hand\n**Time**: 2025-10-12T15:00:00Z\n**Why**: no line end")
    assert names(log) == ["step_1"]
    publish(log, 2)
    assert names(log) == ["step_1", "by_hand", "step_2"]
    by_hand(path, b"a remark without a line end")
    publish(log, 3)
    assert b"\na remark without a line end\n" in path.read_bytes()
    assert names(log) == ["step_1", "by_hand", "step_2", "step_3"]


def test_zeros_at_the_end_are_cut_off(log: EventLog, path: Path) -> None:
    events = publish(log, 1, 2)
    by_hand(path, bytes(5000))
    assert list(log.tail("training")) == events
    events += publish(log, 3)
    assert list(log.tail("training")) == events
    assert b"\0" not in path.read_bytes()


# ---------------------------------------------------------------- people and shells


@pytest.mark.parametrize("below", ["", "\n", "A remark.\n"])
def test_an_event_by_hand_stays_the_same_when_others_follow(log: EventLog, path: Path, below: str) -> None:
    publish(log, 1)
    by_hand(path, f"\n## Event: by_hand\n**N**: 99\n{below}".encode())
    *_, event = log.tail("training")
    publish(log, 2)
    assert list(log.tail("training"))[1] == event
    assert names(log, event.cursor) == ["step_2"]
    by_hand(path, b"## Event: by_hand\n**N**: 100\n")
    assert names(log, event.cursor) == ["step_2", "by_hand"]


def test_events_appended_by_hand_are_events(log: EventLog, path: Path) -> None:
    publish(log, 1)
    by_hand(path)
    by_hand(path)
    publish(log, 2)
    events = list(log.tail("training"))
    assert [event.name for event in events] == ["step_1", "by_hand", "by_hand", "step_2"]
    assert len({event.id for event in events}) == 4
    assert events[1].data == {"step": 1}
    check_every_cursor(log, events)
    log.rotate("training", 2, DAY)
    check_every_cursor(log, events)


def test_a_log_begun_by_a_shell_is_a_log(log: EventLog, path: Path) -> None:
    by_hand(path)
    publish(log, 1)
    events = list(log.tail("training"))
    assert [event.name for event in events] == ["by_hand", "step_1"]
    log.rotate("training", 1, DAY)
    publish(log, 2)
    assert path.read_bytes().startswith(b"---\nschema: mdcoord/events/1\n")
    assert names(log, events[0].cursor) == ["step_1", "step_2"]


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_an_empty_file_becomes_a_log(log: EventLog, path: Path, text: bytes) -> None:
    path.write_bytes(text)
    os.utime(path, (1, 1))
    assert list(log.tail("training")) == []
    events = publish(log, 1, 2)
    assert list(log.tail("training")) == events
    check_every_cursor(log, events)


def test_old_logs_with_the_newest_event_on_top(log: EventLog, path: Path) -> None:
    path.write_bytes(SEED)
    old = list(log.tail("training"))
    times = [event.time for event in old]
    assert times == sorted(times)
    check_every_cursor(log, old)
    assert log.last("training", 2) == old[-2:]

    on_top = b"## Event: training_step\n**Time**: 2025-10-12T14:40:00Z\n\n---\n\n"
    path.write_bytes(SEED.replace(b"## Event:", on_top + b"## Event:", 1))
    assert [event.time for event in log.tail("training", old[-1].cursor)] == ["2025-10-12T14:40:00Z"]

    publish(log, 1)
    assert path.read_bytes().startswith(SEED.split(b"## Event:")[0])
    assert names(log, old[-1].cursor) == ["training_step", "step_1"]
    events = list(log.tail("training"))
    assert log.last("training", 3) == events[-3:]
    assert log.rotate("training", 3, DAY) == 3
    assert log.rotate("training", 1, "2025-10-13") == 2
    for number, event in enumerate(events):
        after = [(e.name, e.time) for e in log.tail("training", event.cursor)]
        assert after == [(e.name, e.time) for e in events[number + 1 :]]
    everything = b"".join(file.read_bytes() for file in path.parent.rglob("*.md"))
    for line in SEED.splitlines():
        assert line in everything.splitlines()


def test_text_between_events_stays_and_edits_above_a_cursor_do_no_harm(log: EventLog, path: Path) -> None:
    events = publish(log, *range(6))
    text = path.read_bytes().replace(b"# Training Events Log", b"# Our training\n\nWith a remark.")
    text = text.replace(b"## Event: step_1", b"A remark below step 0.\n\n## Event: step_1")
    path.write_bytes(text)
    for number, event in enumerate(events):
        assert names(log, event.cursor) == [e.name for e in events[number + 1 :]]
    assert [problem.line for problem in log.problems("training")] == [
        text[: text.index(b"A remark below")].count(b"\n") + 1
    ]
    log.rotate("training", 3, DAY)
    for number, event in enumerate(events):
        assert names(log, event.cursor) == [e.name for e in events[number + 1 :]]
    assert b"# Our training\n\nWith a remark.\n" in path.read_bytes()
    assert b"A remark below step 0.\n" in (path.parent / f"archive/events-training-{DAY}.md").read_bytes()


def test_a_cursor_whose_event_is_gone_leaves_nothing_out(log: EventLog, path: Path) -> None:
    events = publish(log, *range(6))
    text = path.read_bytes()
    start, end = text.index(b"## Event: step_4"), text.index(b"## Event: step_5")
    path.write_bytes(text[:start] + text[end:])
    os.utime(path, (1, 1))
    assert names(log, events[4].cursor) == ["step_5"]
    (path.parent / ".state" / "history" / "log-training").unlink()
    assert names(log, events[4].cursor) == ["step_0", "step_1", "step_2", "step_3", "step_5"]

    log.rotate("training", 2, DAY)
    archive = path.parent / f"archive/events-training-{DAY}.md"
    text = archive.read_bytes()
    archive.write_bytes(text[: text.index(b"## Event: step_1")] + text[text.index(b"## Event: step_2") :])
    assert names(log, events[1].cursor) == ["step_0", "step_2", "step_3", "step_5"]
    archive.unlink()
    assert names(log, events[1].cursor) == ["step_3", "step_5"]


def test_an_editor_that_saves_an_old_version_takes_nothing_away(log: EventLog, path: Path) -> None:
    events = publish(log, 0, 1)
    opened = path.read_bytes()
    events += publish(log, 2, 3)
    path.write_bytes(opened.replace(b"# Training Events Log", b"# Our log"))
    assert names(log) == ["step_0", "step_1"]
    assert names(log, events[3].cursor) == []
    assert log.append("training", "again", {}, time=TIME, id=events[3].id).name == "step_3"
    events += publish(log, 4)
    assert b"# Our log\n" in path.read_bytes()
    for number, event in enumerate(events):
        assert names(log, event.cursor) == [e.name for e in events[number + 1 :]]
    path.write_bytes(opened)
    assert log.rotate("training", 1, DAY) == 4
    assert names(log, events[0].cursor) == ["step_1", "step_2", "step_3", "step_4"]


def test_an_old_version_from_before_a_rotation_takes_nothing_away(log: EventLog, path: Path) -> None:
    events = publish(log, 0, 1, 2)
    opened = path.read_bytes()
    events += publish(log, 3, 4)
    log.rotate("training", 1, DAY)
    path.write_bytes(opened)
    events += publish(log, 5)
    for keep in (9, 2, 0):
        log.rotate("training", keep, DAY)
        for number, event in enumerate(events):
            assert names(log, event.cursor) == [e.name for e in events[number + 1 :]]


def test_what_was_taken_out_of_the_middle_stays_out(log: EventLog, path: Path) -> None:
    publish(log, 0, 1, 2)
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"## Event: step_1")] + text[text.index(b"## Event: step_2") :])
    publish(log, 3)
    assert names(log) == ["step_0", "step_2", "step_3"]


def test_a_log_may_be_emptied(log: EventLog, path: Path) -> None:
    publish(log, 0, 1)
    path.write_bytes(b"")
    publish(log, 2)
    assert names(log) == ["step_2"]


def test_the_journal_of_a_log_stays_small(log: EventLog, path: Path) -> None:
    for number in range(60):
        log.append("training", f"step_{number}", {"note": "x" * 10_000}, time=TIME)
    assert (path.parent / ".state" / "history" / "log-training").stat().st_size < 300_000
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"## Event: step_55")])
    publish(log, 60)
    assert [event.name for event in log.last("training", 7)] == [f"step_{n}" for n in range(54, 61)]


def test_a_script_that_cuts_the_log_short_does_no_harm(log: EventLog, path: Path) -> None:
    events = publish(log, *range(6))
    log.rotate("training", 4, DAY)
    text = path.read_bytes()
    rotated = loghead.rotated_bytes(text)
    path.write_bytes(text[text.index(b"## Event: step_3") + 30 :])
    assert names(log, events[0].cursor) == ["step_1", "step_4", "step_5"]
    events += publish(log, 6, 7)
    assert log.rotate("training", 1, DAY) == 3
    assert loghead.rotated_bytes(path.read_bytes()) > rotated > 0
    assert names(log, events[0].cursor) == ["step_1", "step_4", "step_5", "step_6", "step_7"]
    assert names(log, events[5].cursor) == ["step_6", "step_7"]


def test_a_log_that_was_removed_begins_anew(log: EventLog, path: Path) -> None:
    events = publish(log, *range(4))
    log.rotate("training", 1, DAY)
    path.unlink()
    events += publish(log, 4, 5)
    assert names(log) == ["step_4", "step_5"]
    assert names(log, events[0].cursor) == ["step_1", "step_2", "step_4", "step_5"]
    log.rotate("training", 1, DAY)
    assert names(log, events[0].cursor) == ["step_1", "step_2", "step_4", "step_5"]


def test_line_ends_of_the_log_are_kept(log: EventLog, path: Path) -> None:
    events = publish(log, 0, 1)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    events += publish(log, 2)
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    assert names(log, events[0].cursor) == ["step_1", "step_2"]
    log.rotate("training", 1, DAY)
    assert names(log, events[0].cursor) == ["step_1", "step_2"]
    assert list(log.tail("training", events[2].cursor)) == []


def test_only_plain_files_are_logs(log: EventLog, path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.md").write_bytes(SEED)
    path.symlink_to(tmp_path / "elsewhere.md")
    for call in (
        lambda: list(log.tail("training")),
        lambda: publish(log, 1),
        lambda: log.rotate("training", 1, DAY),
    ):
        with pytest.raises(BackendUnavailable):
            call()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BackendUnavailable):
        list(log.tail("training"))
    assert (tmp_path / "elsewhere.md").read_bytes() == SEED


# ---------------------------------------------------------------- rotation


def test_cursors_go_on_through_rotations(log: EventLog, path: Path) -> None:
    events = publish(log, *range(10))
    assert log.rotate("training", 6, DAY) == 4
    assert log.rotate("training", 6, DAY) == 0
    events += publish(log, 10, 11, 12)
    assert log.rotate("training", 2, "2025-10-13") == 7
    assert list(log.tail("training")) == log.last("training", 9) == events[-2:]
    check_every_cursor(log, events)
    assert log.rotate("training", 0, "2025-10-13") == 2
    check_every_cursor(log, events)
    events += publish(log, 13)
    check_every_cursor(log, events)
    assert path.read_bytes().count(b"_Note: This log contains the last 0 events.") == 1


def test_an_earlier_date_never_makes_an_older_archive(log: EventLog, path: Path) -> None:
    events = publish(log, *range(6))
    log.rotate("training", 4, "2025-10-13")
    log.rotate("training", 2, "2025-10-12")
    check_every_cursor(log, events)
    assert os.listdir(path.parent / "archive") == ["events-training-2025-10-13.md"]
    assert b"`archive/events-training-2025-10-13.md`_" in path.read_bytes()


@pytest.mark.parametrize("keep", [0, 2, 4, 5, 7])
def test_a_crash_between_archive_and_log(log: EventLog, path: Path, keep: int) -> None:
    events = publish(log, *range(8))
    log.rotate("training", 6, DAY)
    before = path.read_bytes()
    log.rotate("training", 4, DAY)
    path.write_bytes(before)  # the shorter log never came
    check_every_cursor(log, events)
    events += publish(log, 8)
    check_every_cursor(log, events)
    log.rotate("training", keep, "2025-10-13")
    check_every_cursor(log, events)
    log.rotate("training", 1, "2025-10-14")
    check_every_cursor(log, events)
    everything = b"".join(file.read_bytes() for file in (path.parent / "archive").iterdir())
    assert everything.count(b"\n## Event:") == (8 if keep else 9)


def test_a_power_cut_in_the_archive(tmp_path: Path) -> None:
    log, path = open_log(tmp_path), tmp_path / "events-training.md"
    events = publish(log, 0, 1)
    by_hand(path)
    publish(log, 2, 3)
    events = list(log.tail("training"))
    log.rotate("training", 4, DAY)
    archive = tmp_path / "archive" / f"events-training-{DAY}.md"
    log_before, archive_before = path.read_bytes(), archive.read_bytes()
    log.rotate("training", 1, DAY)
    archive_after = archive.read_bytes()
    for length in range(len(archive_before), len(archive_after)):
        path.write_bytes(log_before)
        archive.write_bytes(archive_after[:length] + bytes(length % 3))
        check_every_cursor(log, events)
        log.rotate("training", 1, DAY)
        check_every_cursor(log, events)
        assert archive.read_bytes().count(b"\n## Event: step") == 3


def test_what_a_shell_appends_during_a_rotation_is_carried_over(tmp_path: Path) -> None:
    files, path = open_files(tmp_path), tmp_path / "events-training.md"
    log = EventLog(files, str(tmp_path))
    events = publish(log, *range(4))
    files.before_swap = lambda: by_hand(path)
    assert log.rotate("training", 2, DAY) == 3
    assert names(log, events[0].cursor) == ["step_1", "step_2", "step_3", "by_hand"]


def test_what_a_person_saves_during_a_rotation_is_kept(tmp_path: Path) -> None:
    files, path = open_files(tmp_path), tmp_path / "events-training.md"
    log = EventLog(files, str(tmp_path))
    events = publish(log, *range(4))

    def save() -> None:
        saved = path.read_bytes().replace(b"# Training Events Log", b"# Our log") + BY_HAND
        path.with_suffix(".new").write_bytes(saved)
        path.with_suffix(".new").rename(path)

    files.before_swap = save
    assert log.rotate("training", 2, DAY) == 3
    assert b"# Our log\n" in path.read_bytes()
    assert names(log) == ["step_3", "by_hand"]
    assert names(log, events[0].cursor) == ["step_1", "step_2", "step_3", "by_hand"]


def test_what_a_killed_rotation_leaves_is_dropped_or_put_aside(tmp_path: Path) -> None:
    files, path = open_files(tmp_path), tmp_path / "events-training.md"
    log = EventLog(files, str(tmp_path))
    events = publish(log, *range(6))
    before = path.read_bytes()
    log.rotate("training", 4, DAY)
    temp = Path(files.temporary(str(path)))
    for left in (before, path.read_bytes(), path.read_bytes()[:-40], b""):
        temp.write_bytes(left)
        assert log.rotate("training", 4, DAY) == 0
        events += publish(log, 6)
        assert log.rotate("training", 4, DAY) == 1
        assert not temp.exists()
        check_every_cursor(log, events)
    assert not (tmp_path / ".state" / "kept").exists()
    temp.write_bytes(before + BY_HAND)  # a shell's last words, nowhere else
    log.rotate("training", 1, DAY)
    (kept,) = (tmp_path / ".state" / "kept").iterdir()
    assert kept.read_bytes() == before + BY_HAND


# ---------------------------------------------------------------- against a model


class LogMachine(RuleBasedStateMachine):
    """A log, a consumer and everything that happens to files, against a list of what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.log = open_log(self.root)
        self.path = self.root / "events-training.md"
        self.published: list[tuple[str, str]] = []
        self.in_log = 0
        self.recent: list[Event] = []
        self.cursor: str | None = None
        self.received: list[tuple[str, str]] = []
        self.crashed = False
        self.editor = b""
        self.day = 10
        self.append({})
        (first,) = self.log.tail("training")
        self._receive([first])

    def teardown(self) -> None:
        self.consume(None)
        assert self.received == self.published
        shutil.rmtree(self.root)

    def _published(self, name: str, data: dict[str, Any]) -> None:
        self.published.append((name, json.dumps(data)))
        self.in_log += 1

    def _receive(self, events: list[Event]) -> None:
        self.received += [(event.name, json.dumps(event.data)) for event in events]
        self.cursor = events[-1].cursor if events else self.cursor

    @rule(data=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=300), max_size=3))
    def append(self, data: dict[str, Any]) -> None:
        name = f"event_{len(self.published)}"
        self.recent.append(self.log.append("training", name, data, time=TIME, id=name))
        self._published(name, data)

    @rule(back=st.integers(1, 20))
    def append_again(self, back: int) -> None:
        event = self.recent[-min(back, len(self.recent))]
        again = self.log.append("training", "again", {}, time=TIME, id=event.id)
        assert (again.id, again.name) == (event.id, event.name)

    @rule(closed=st.booleans(), remark=st.booleans())
    def append_by_hand(self, closed: bool, remark: bool) -> None:
        name = f"by_hand_{len(self.published)}"
        closing = "\n---\n" + "A remark.\n" * remark if closed else ""
        by_hand(self.path, f"\n## Event: {name}\n**Time**: {TIME}\n**Step**: 1\n{closing}".encode())
        self._published(name, {"step": 1})
        self.editor = b""  # what somebody else wrote without mdcoord is lost by a stale save

    @rule(share=st.floats(0, 1))
    def power_cut(self, share: float) -> None:
        block = eventlog.render_event("torn", "torn", TIME, {"nöte": "größer"})[0]
        by_hand(self.path, b"\n" + block[: int(share * (len(block) - 8))])

    @rule(keep=st.integers(0, 8), days=st.integers(-1, 1), crash=st.sampled_from(["", "", "log", "archive"]))
    def rotate(self, keep: int, days: int, crash: str) -> None:
        self.day = min(max(self.day + days, 1), 28)
        before = self.path.read_bytes()
        archives = {file: file.read_bytes() for file in (self.root / "archive").glob("*")}
        moved = self.log.rotate("training", keep, f"2025-10-{self.day:02}")
        if crash:
            self.crashed = True
            self.path.write_bytes(before)
        else:
            assert moved == max(0, self.in_log - keep)
            self.in_log -= moved
        if crash == "archive" and archives:
            file = max(archives)
            text = file.read_bytes()
            if len(text) > len(archives[file]):
                file.write_bytes(text[: (len(archives[file]) + len(text)) // 2])

    @rule(where=st.sampled_from([b"# Training Events Log\n", b"**Step**: 1\n"]), count=st.integers(1, 2))
    def edit_by_hand(self, where: bytes, count: int) -> None:
        text = self.path.read_bytes()
        if where.startswith(b"#") or self.crashed:  # an event changed after a crash is archived in both forms
            where = b"# Training Events Log\n"
            self.path.write_bytes(text.replace(where, where + b"\nA remark.\n", count))
        else:
            self.path.write_bytes(text.replace(where, where.replace(b" ", b"  "), count))

    @rule()
    def open_editor(self) -> None:
        self.editor = self.path.read_bytes()

    @precondition(lambda self: self.editor)
    @rule()
    def save_editor(self) -> None:
        self.path.write_bytes(self.editor)
        self.crashed = True
        self.append({})
        self.in_log = len(list(self.log.tail("training")))

    @rule(limit=st.none() | st.integers(1, 4))
    def consume(self, limit: int | None) -> None:
        self._receive(list(self.log.tail("training", self.cursor, limit)))

    @rule(count=st.integers(0, 5))
    def newest(self, count: int) -> None:
        newest = [(event.name, json.dumps(event.data)) for event in self.log.last("training", count)]
        assert newest == self.published[len(self.published) - min(count, self.in_log) :]

    @invariant()
    def received_once_and_in_order(self) -> None:
        assert self.received == self.published[: len(self.received)]


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=150, stateful_step_count=30)


# ---------------------------------------------------------------- processes

WRITER = """
import sys
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.log import EventLog
root, writer, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
log = EventLog(FileIO(root, root + "/.state", "none"), root)
for number in range(count):
    log.append("training", "step", {"writer": writer, "number": number}, time="2025-10-12T14:30:00.000Z")
"""


def test_nothing_is_lost_or_doubled_between_processes(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    (first,) = publish(log, 0)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number), "300"])
        for number in range(4)
    ]
    received: list[Event] = []
    cursor = first.cursor
    rounds = 0
    while True:
        running = any(writer.poll() is None for writer in writers)
        rounds += 1
        if rounds % 5 == 0:
            log.rotate("training", 20, f"2025-10-{10 + rounds // 50 % 20}")
        events = list(log.tail("training", cursor, limit=None if rounds % 2 else 7))
        received += events
        cursor = received[-1].cursor if received else cursor
        if not running and not events:
            break
    assert [writer.returncode for writer in writers] == [0] * 4
    for number in range(4):
        mine = [event.data["number"] for event in received if event.data["writer"] == str(number)]
        assert mine == list(range(300))
    assert len(received) == 1200
    assert list(log.tail("training", first.cursor)) == received


MORTAL = """
import sys
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.log import EventLog
root, life = sys.argv[1], sys.argv[2]
log = EventLog(FileIO(root, root + "/.state", "none"), root)
for number in range(1_000_000):
    log.append("training", "step", {"life": life}, time="2025-10-12T14:30:00.000Z", id=f"{life}.{number}")
    print(number, flush=True)
    if number % 3 == 0:
        log.rotate("training", 5, "2025-10-12")
"""


def test_kills_take_nothing_away(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    (first,) = publish(log, 0)
    acknowledged: list[str] = []
    for life in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", MORTAL, str(tmp_path), str(life)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [next(process.stdout) for _ in range(5 + life % 4)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
        process.stdout.close()
        process.wait()
        acknowledged += [f"{life}.{int(line)}" for line in lines if line.endswith("\n")]
    log.append("training", "end", {}, time=TIME)
    received = [event.id for event in log.tail("training", first.cursor)][:-1]
    assert len(set(received)) == len(received)
    assert [event_id for event_id in received if event_id in set(acknowledged)] == acknowledged
    assert len(received) - len(acknowledged) <= 12  # one a life may have been written and not acknowledged
    assert log.problems("training") == []
