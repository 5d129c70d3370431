"""The text of event logs: blocks written and read back, cut off, made by hand, and the head above them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.backends.markdown.logview import LogView
from mdcoord.errors import InvalidName, UsageError
from mdcoord.formats import eventids, eventlog, loghead, logproblems
from mdcoord.formats.eventlog import Span, parse_event, render_event

TIME = "2025-10-12T14:30:00.000Z"
GOLDEN = sorted((Path(__file__).parent / "golden" / "events").glob("*.md"))

texts = st.text(max_size=30) | st.sampled_from(
    [
        "---",
        "\n---\n\n",
        "## Event: x",
        "\n## Event: x\n",
        "<!-- mdcoord:event a 00000000 -->",
        "**Time**: x",
        "✅",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, values, max_size=5)


def whole(block: bytes) -> Span:
    return Span(0, block, True)


def block_of(
    name: str = "checkpoint_saved", data: dict[str, Any] | None = None, event_id: str = "e1"
) -> bytes:
    return render_event(event_id, name, TIME, {"step": 3500, "note": "größer"} if data is None else data)[0]


# ---------------------------------------------------------------- blocks


@given(mappings)
def test_every_json_value_comes_back_from_one_block(data: dict[str, Any]) -> None:
    block, written = render_event("e1", "checkpoint_saved", TIME, data)
    entry = parse_event(whole(block))
    assert entry == written
    assert entry is not None
    assert (entry.id, entry.name, entry.time) == ("e1", "checkpoint_saved", TIME)
    assert json.dumps(entry.data) == json.dumps(data)
    assert eventlog.headings(block, line_start=True) == [0]
    assert [line for line in block.split(b"\n") if line.startswith(b"---")] == [b"---"]


@pytest.mark.parametrize(
    ("name", "time", "data", "event_id"),
    [
        ("", TIME, {}, "e1"),
        (" x", TIME, {}, "e1"),
        ("two\nlines", TIME, {}, "e1"),
        ("x" * 201, TIME, {}, "e1"),
        ("x", "yesterday", {}, "e1"),
        ("x", TIME, {"n": float("nan")}, "e1"),
        ("x", TIME, {"n": (1, 2)}, "e1"),
        ("x", TIME, {1: 2}, "e1"),
        ("x", TIME, {"n": object()}, "e1"),
        ("x", TIME, {}, "two words"),
        ("x", TIME, {}, ""),
        ("x", TIME, {}, "hand-0123456789ab-0"),
    ],
)
def test_what_a_block_cannot_hold_is_refused(name: str, time: str, data: Any, event_id: str) -> None:
    with pytest.raises(UsageError):
        render_event(event_id, name, time, data)


def test_times_are_written_in_utc() -> None:
    _, entry = render_event("e1", "x", "2025-10-12T16:30:00+02:00", {})
    assert entry.time == TIME


def test_a_block_that_was_cut_off_is_no_event() -> None:
    block = block_of()
    for length in range(len(block) - 1):
        assert parse_event(whole(block[:length])) is None, block[:length]
    assert parse_event(whole(block[:-1])) is not None  # only the blank line below `---` is missing


def test_what_a_cut_off_block_leaves_is_known_as_rubbish() -> None:
    block = block_of("größte €👍👎")
    mark = block.index(b"\n") + 1
    for length in range(len(block) + 1):
        left = whole(block[:length])
        keeps = eventlog.torn_from(left)
        if mark < length < len(block) - 1:
            assert keeps == 0
        else:  # a heading alone may be a person's; only half a character is nobody's
            assert block[:keeps].decode() == block[:length].decode(errors="ignore")


def test_bytes_that_never_reached_the_disk_are_rubbish() -> None:
    block = block_of()
    assert eventlog.torn_from(whole(block + bytes(40))) == len(block)
    assert parse_event(whole(block + bytes(40))) == parse_event(whole(block))
    holed = block[:70] + bytes(8) + block[78:]
    assert parse_event(whole(holed)) is None
    assert eventlog.torn_from(whole(holed)) == 0


def test_a_block_without_its_closing_line_is_whole_when_its_text_is() -> None:
    block = block_of().removesuffix(eventlog.CLOSING)
    assert parse_event(Span(0, block + b"\n", False)) == parse_event(whole(block_of()))
    assert parse_event(Span(0, block[:-3] + b"\n", False)) is None
    assert parse_event(Span(0, block + b"\n", True)) is None


def test_a_changed_block_is_still_an_event_and_known_as_changed() -> None:
    block = block_of()
    changed = whole(block.replace(b"3500", b"3501"))
    outline = eventlog.outline_of(changed)
    entry = parse_event(changed)
    assert outline is not None
    assert entry is not None
    assert entry.data["step"] == 3501
    assert not eventlog.is_unchanged(changed, outline)


def test_line_ends_of_another_system_change_nothing() -> None:
    block = block_of().replace(b"\n", b"\r\n")
    outline = eventlog.outline_of(whole(block))
    assert parse_event(whole(block)) == parse_event(whole(block_of()))
    assert outline is not None
    assert eventlog.is_unchanged(whole(block), outline)


# ---------------------------------------------------------------- blocks made by hand


@pytest.mark.parametrize(
    ("text", "final", "is_event"),
    [
        (b"## Event: a\n**Time**: 2025-10-12T14:30:00Z\n", True, True),
        (b"## Event: a\n**Time**: 2025-10-12T14:30:00Z", True, False),
        (b"## Event: a\n**Time**: 2025-10-12T14:30:00Z", False, True),
        (b"## Event: a\n**Step**: 1\n---\n", True, True),
        (b"## Event: a\n- **Step**: 1\n", True, True),
        (b"## Event: a\n\n---\n", True, True),
        (b"## Event: a\n\n---", True, False),
        (b"## Event: a\n", True, False),
        (b"## Event: a\n", False, False),
        (b"## Event: a", True, False),
        (b"## Event: a\n**Step**: 1\n# Notes\n", True, True),
        (b"## Event: a\n<!-- mdcoord:event\n**Step**: 1\n", True, False),
        (b"## Event: a\n**Step**: \xff\n", True, False),
    ],
)
def test_when_a_block_without_a_mark_is_an_event(text: bytes, final: bool, is_event: bool) -> None:
    assert (parse_event(Span(0, text, final)) is not None) is is_event


def test_other_lines_of_a_block_made_by_hand_are_its_text() -> None:
    entry = parse_event(
        whole(b"## Event: a\n**Step**: 1\n\nWhat happened:\nnothing.\n**Loss**: 2\n\n---\nno more\n")
    )
    assert entry is not None
    assert entry.data == {"step": 1, "loss": 2, "text": "What happened:\nnothing."}


def test_a_field_added_later_does_not_make_another_event() -> None:
    one = parse_event(whole(b"## Event: a\n**Time**: 2025-10-12T14:30:00Z\n"))
    more = parse_event(whole(b"## Event: a\n**Time**: 2025-10-12T14:30:00Z\n**Step**: 1\n"))
    other = parse_event(whole(b"## Event: a\n**Time**: 2025-10-12T14:30:01Z\n**Step**: 1\n"))
    assert one is not None
    assert more is not None
    assert other is not None
    assert one.identity == more.identity != other.identity
    assert eventids.identity_of(eventids.hand_id(one.tag, 4711)) == one.identity


# ---------------------------------------------------------------- whole logs


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_logs(path: Path) -> None:
    text = path.read_bytes()
    found = [
        {"id": e.id, "name": e.name, "time": e.time, "data": e.data, "cursor": e.cursor}
        for e in LogView.of_bytes("training", text).events()
    ]
    problems = [list(problem) for problem in logproblems.find_problems(text)]
    expected = json.loads(path.with_suffix(".json").read_text())
    assert json.dumps({"events": found, "problems": problems}) == json.dumps(expected)


@given(
    st.lists(
        st.sampled_from(
            [
                block_of(),
                block_of(event_id="e2")[:60],
                b"## Event: a\n",
                b"**Time**: 2025-10-12T14:30:00Z\n",
                b"---\n",
                b"\n",
                b"\xff",
                b"\0",
                b"<!-- mdcoord:event x 00000000 -->\n",
                b"## ",
                b"text",
                b"\r\n",
                b"rotated_bytes: 5\n",
                b"Last updated: x\n",
                b"\xc3",
                b"<!-- mdcoord:rotated 1 2 -->\n\n",
            ]
        )
        | st.binary(max_size=8),
        max_size=12,
    ).map(b"".join)
)
def test_no_text_breaks_a_reader(text: bytes) -> None:
    view = LogView.of_bytes("a", text)
    forwards = list(view.spans())
    assert list(view.backwards()) == forwards[::-1]
    assert view.head + b"".join(span.data for span in sorted(forwards)) == text
    for event in view.events():
        assert view.at(int(event.cursor.split(":")[1]), event.id) is not None or view.newest_first
        assert view.search(event.id) is not None
    logproblems.find_problems(text)
    loghead.head_after_rotation(view.head, "a", 1, 1, "x")
    for span in forwards:
        assert 0 <= eventlog.torn_from(span) <= len(span.data)


def test_a_log_that_begins_with_a_separator_has_no_front_matter() -> None:
    text = b"---\n\n" + block_of() + block_of(event_id="e2")
    assert [event.id for event in LogView.of_bytes("a", text).events()] == ["e1", "e2"]


# ---------------------------------------------------------------- heads and names


@pytest.mark.parametrize(
    "head",
    [
        loghead.new_log("training"),
        b"# Training Events Log\n\nLast updated: 2025-10-12T14:30:00Z\n\n---\n\n",
        b"",
        b"---\n",
        b"A remark\nand another",
        b"\xef\xbb\xbf# With a byte order mark\n\n",
        b"---\r\nchannel: training\r\nrotated_bytes: 7\r\n# a comment\r\n---\r\n\r\n# Log\r\n\r\n---\r\n\r\n",
    ],
)
def test_a_rotation_keeps_every_line_of_the_head(head: bytes) -> None:
    once = loghead.head_after_rotation(head, "training", 12, 100, "archive/events-training-2025-10-11.md")
    again = loghead.head_after_rotation(once, "training", 345, 100, "archive/events-training-2025-10-12.md")
    for text, rotated, day in ((once, 12, b"11"), (again, 345, b"12")):
        assert loghead.rotated_bytes(text[: loghead.front_matter_end(text)]) == rotated
        note = (
            b"_Note: This log contains the last 100 events. "
            b"Older events are in `archive/events-training-2025-10-%s.md`_" % day
        )
        assert text.count(note) == text.count(b"_Note") == 1
        for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
            assert line in text.removeprefix(b"\xef\xbb\xbf").splitlines() or line.startswith(
                b"rotated_bytes"
            )
        assert text.startswith(b"\xef\xbb\xbf") == head.startswith(b"\xef\xbb\xbf")
        assert text.endswith(b"\n")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("training", "training"),
        (" Training ", "training"),
        ("training:events", "training"),
        ("agent:events", "agent"),
        ("events-training", "training"),
        ("gpu:0:errors", "gpu-0-errors"),
        ("gpu errors", "gpu-errors"),
    ],
)
def test_spellings_of_a_channel(text: str, name: str) -> None:
    assert eventids.channel_name(text) == name


@pytest.mark.parametrize("text", ["", ":events", "a/b", "../a", "con", "-a"])
def test_names_that_are_no_channel(text: str) -> None:
    with pytest.raises(InvalidName):
        eventids.channel_name(text)


@pytest.mark.parametrize("channel", ["training", "2025-10-12", "1.5", "null", "yes", "a"])
def test_the_head_of_a_log_is_what_yaml_readers_expect(channel: str) -> None:
    frontmatter = pytest.importorskip("frontmatter")
    fields = frontmatter.loads(loghead.new_log(channel, 17).decode()).metadata
    assert fields == {
        "schema": "mdcoord/events/1",
        "channel": channel,
        "title": loghead.channel_title(channel),
        "rotated_bytes": 17,
    }
    archived = frontmatter.loads(loghead.new_archive(channel, "2025-10-12").decode()).metadata
    assert (archived["channel"], archived["archived_on"]) == (channel, "2025-10-12")
