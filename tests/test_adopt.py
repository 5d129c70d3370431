"""Bold-field files: what is understood becomes a field, nothing is made up, nothing makes the reader fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdcoord.formats.adopt import adopt
from mdcoord.formats.boldtext import sections
from mdcoord.formats.fields import plain
from mdcoord.formats.labels import label_for
from mdcoord.model import KINDS

PIECES = st.sampled_from(
    [
        *(
            "# Task: a",
            "## Metrics",
            "## Active Tasks",
            "## Logs",
            "## Result",
            "## Splits",
            "### Task: t (p)",
        ),
        *(
            "```json",
            "```",
            "````",
            "~~~",
            "{",
            '{"a": 1}',
            "[1, NaN]",
            "---",
            "| a | b |",
            "| - | - |",
            "| 1 |",
        ),
        *(
            "**Status**: BUSY",
            "**Status:** busy",
            "- **Progress**: 35% (1/2)",
            "  - Loss: 0.1",
            "- [ ] x",
            "1. y",
        ),
        *(
            "**Created**: now",
            "**Workload**: 85%",
            "> quote",
            "<!-- c -->",
            "",
            "    code",
            "**a**: b **c**: d",
        ),
        *("**Capabilities**: a,,b", "- **Failure Count**: 1/", "- task (task-1)", "[2025-10-12 14:30:00] m"),
    ]
)
TEXTS = st.text(max_size=80) | st.lists(PIECES | st.text(max_size=12), max_size=14).map("\n".join)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from leaves(entry)
    else:
        yield value


@given(st.sampled_from(KINDS), TEXTS)
@example("task", "**" * 20_000)
@example("task", "- " * 20_000)
@example("context", "| " * 20_000 + "\n" + "-" * 20_000)
@example("task", "## Metrics\n```json\n" + '{"a":' * 20_000 + "\n```")
@example("task", '## Metrics\n```json\n{"a": "\\ud800", "b": 1}\n```')
@example("task", "**" + "K" * 500 + "**: x")
@example("agent", "**Workload**: " + "9" * 500)
def test_any_text_is_read_and_can_be_stored(kind: str, text: str) -> None:
    fields = adopt(kind, text, f"{kind}-x")
    assert plain(fields) == fields
    assert fields == adopt(kind, text, f"{kind}-x")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["task", "context"])
@pytest.mark.parametrize(
    "filler",
    [" ", "(", "*", "-", "| ", "1 d", "a ", ": ", "` ", "** at ", "[", "task-1.", "\t(", "\n  a", "\n  - a"],
)
def test_a_long_line_is_no_hard_work(kind: str, filler: str) -> None:
    """Each of these keeps a careless pattern busy for minutes or hours; the timeout is what tells."""
    long = "x" + filler * (1_000 if "\n" in filler else 100_000) + "x"
    sections_of_all_kinds = "Metrics|Active Tasks|Dependencies|Context|Logs|Acknowledgements|Samples|Notes"
    lines = [
        f"# {long}",
        f"**Progress**: {long}",
        f"**Duration**: 1d{long[1:]}",
        f"**Created By**: {long}",
        f"|{long}",
        f"|-{long}",
    ]
    for name in sections_of_all_kinds.split("|"):
        lines += [
            f"## {name}",
            f"- {long}",
            f"- Label: {long}",
            f"### {long}",
            "```",
            f"[{long}",
            "```",
            f"## {long}",
        ]
    assert adopt(kind, "\n".join(lines), f"{kind}-x")


@given(st.sampled_from(KINDS), TEXTS)
def test_line_ends_and_marks_do_not_matter(kind: str, text: str) -> None:
    text = text.replace("\r", "").removeprefix("\ufeff")
    expected = json.dumps(adopt(kind, text, "x"))
    assert json.dumps(adopt(kind, text.replace("\n", "\r\n"), "x")) == expected
    assert json.dumps(adopt(kind, "\ufeff" + text, "x")) == expected


WORD = st.from_regex(r"[a-z]{3,9}", fullmatch=True)


@given(st.dictionaries(WORD.map("own_{}".format), WORD | st.integers(0, 10**6), max_size=5), st.data())
def test_unknown_bold_fields_are_kept_under_their_key(values: dict[str, Any], data: st.DataObject) -> None:
    lines = [f"**{label_for(key)}**: {value}" for key, value in values.items()]
    prose = data.draw(st.lists(WORD.map("prose: {}".format), max_size=3))
    fields = adopt("task", "\n\n".join(["# Task: t", *lines, *prose]), "task-1")
    assert fields == {"task_id": "task-1", "title": "t", **values}


@given(TEXTS)
def test_no_text_is_made_up(text: str) -> None:
    """Every text in a record stands in its file (times and states spelled anew, wrapped lines joined)."""
    known = {"completed", "in_progress", "task-x"}
    squeezed = "".join(text.split()).lower()
    for key, value in adopt("task", text, "task-x").items():
        for leaf in leaves(value) if key not in ("result", "metadata", "logs") else ():
            if isinstance(leaf, str) and leaf not in known:
                assert "".join(leaf.split()).lower().replace("_", "") in squeezed.replace("_", "")


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("BUSY", "busy"),
        ("in_progress", "in_progress"),
        ("In Progress", "in_progress"),
        ("in-progress", "in_progress"),
        ("complete", "completed"),
        ("COMPLETED ✅", "completed"),
        ("done", "completed"),
        ("canceled", "cancelled"),
        ("blocked (waiting for task-1)", "blocked"),
        ("N/A", None),
        ("✅", "absent"),
        ("", "absent"),
    ],
)
def test_states_are_canonical(written: str, status: str | None) -> None:
    fields = adopt("task", f"**Status**: {written}", "task-1")
    assert fields.get("status", "absent") == status


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("**Started**: yesterday", "started_at"),
        ("**Priority**: high", "priority"),
        ("**Progress**: nearly there", "progress"),
        ("**ETA**: soon (estimated)", "eta"),
    ],
)
def test_a_known_label_with_a_strange_value_stays_in_the_text(line: str, key: str) -> None:
    assert key not in adopt("task", line, "task-1")


@pytest.mark.parametrize(
    "line", ["**Task ID**: task-9", "**Task ID:** task-9", "- **Task ID**: task-9", "Task ID: task-9"]
)
def test_ways_to_write_a_label(line: str) -> None:
    assert adopt("task", line, "task-train-model")["task_id"] == "task-9"


@pytest.mark.parametrize(
    ("kind", "name", "key", "own"),
    [
        ("task", "task-train-model", "task_id", "task-train-model"),
        ("agent", "agent-ai-engineer", "agent_id", "ai-engineer"),
        ("context", "context-proj1-dataset", "context_id", "proj1-dataset"),
        ("metrics", "metrics-performance", "metrics_type", "performance"),
        ("progress", "progress-proj1", "project_id", "proj1"),
        ("message", "message-7f", "message_id", "7f"),
        ("events", "events-training", "channel", "training"),
    ],
)
def test_a_missing_id_is_the_name(kind: str, name: str, key: str, own: str) -> None:
    assert adopt(kind, "", name) == {key: own}


def test_the_first_of_two_equal_labels_counts() -> None:
    assert adopt("task", "**Status**: failed\n**Status**: pending", "task-1")["status"] == "failed"


def test_code_is_no_structure() -> None:
    title, parts = sections(
        "```\n# not a title\n## not a section\n```\n# Title\n## Section\n~~~\n## no\n~~~\n"
    )
    assert title == "Title"
    assert [part.title for part in parts] == ["", "Section"]
    assert adopt("task", "```\n**Status**: failed\n```\n", "task-1") == {"task_id": "task-1"}


def test_a_log_is_kept_oldest_first() -> None:
    lines = ["[2025-10-12 14:00:00] first", "[2025-10-12 14:30:00] last"]
    for ordered in (lines, lines[::-1]):
        text = "## Logs\n\n```\n" + "\n".join(ordered) + "\n```\n"
        assert [entry["message"] for entry in adopt("task", text, "task-1")["logs"]] == ["first", "last"]


def test_tables_keep_escaped_bars_and_leave_empty_cells_out() -> None:
    text = "# Context\n\n## Splits\n\n| Split | Count |\n|---|---:|\n| a\\|b | 1 |\n| c | |\n"
    assert adopt("context", text, "context-x")["data"] == {
        "splits": [{"split": "a|b", "count": 1}, {"split": "c"}]
    }


def test_the_marks_of_views_are_no_text() -> None:
    """As a file is when somebody deleted its front matter."""
    text = (
        "## Notes\nmine\n\n<!-- mdcoord:view task -->\n# Task: a\n\n**Status**: pending\n\n"
        "## Instructions\n\nDo it.\n```\n<!-- /mdcoord:view -->\n```\n<!-- /mdcoord:view -->\nA remark.\n"
    )
    assert adopt("task", text, "task-a") == {
        "task_id": "task-a",
        "title": "a",
        "status": "pending",
        "notes": "mine",
        "instructions": "Do it.\n```\n<!-- /mdcoord:view -->\n```",
    }
