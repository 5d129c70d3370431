"""The files of event logs: what readers see while others append, rotate, crash and edit by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mdcoord.backends.base import Event
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.log import EventLog
from mdcoord.errors import NotFound, UsageError

TIME = "2025-10-12T14:30:00.000Z"
DAY = "2025-10-12"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    yield open_log(tmp_path)


def open_log(root: Path) -> EventLog:
    files = FileIO(str(root), str(root / ".state"), "none")
    files.prepare()
    return EventLog(files, str(root))


def publish(log: EventLog, count: int, channel: str = "training") -> list[Event]:
    return [log.append(channel, f"step_{n}", {"n": n, "text": "a\n---\n## Event: b"}, time=TIME) for n in range(count)]


def test_what_is_appended_is_tailed_in_order(log: EventLog) -> None:
    events = publish(log, 5)
    assert list(log.tail("training")) == events
    for number, event in enumerate(events):
        assert list(log.tail("training", event.cursor)) == events[number + 1 :]
    assert list(log.tail("training", limit=2)) == events[:2]
    assert log.last("training", 2) == events[-2:]


def test_cursors_go_on_through_rotations(log: EventLog) -> None:
    events = publish(log, 10)
    assert log.rotate("training", 6, DAY) == 4
    assert log.rotate("training", 6, DAY) == 0
    events += publish(log, 3)
    assert log.rotate("training", 2, "2025-10-13") == 7
    assert list(log.tail("training")) == events[-2:]
    for number, event in enumerate(events):
        assert list(log.tail("training", event.cursor)) == events[number + 1 :]


def test_missing_channels_and_strange_cursors_are_told(log: EventLog) -> None:
    with pytest.raises(NotFound):
        log.tail("nothing")
    event = log.append("a", "x", {}, time=TIME)
    log.append("b", "x", {}, time=TIME)
    for cursor in (event.cursor, "", "b", "b:x:y", "b:1:"):
        with pytest.raises(UsageError):
            log.tail("b", cursor)
