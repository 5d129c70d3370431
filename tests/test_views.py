"""Views: found, rendered, patched and kept apart from what people write."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_templating import VALUE, records

from mdcoord.errors import InvalidDocument, TemplateFailed
from mdcoord.formats import packaged
from mdcoord.formats.adopt import adopt
from mdcoord.formats.document import Document
from mdcoord.formats.templating import Templates
from mdcoord.formats.views import (
    find_views,
    initial_body,
    keep_hand_edit,
    patch_views,
    render_views,
    strip_views,
    view_contents,
    with_prose,
)
from mdcoord.model import KINDS

GOLDEN = Path(__file__).parent / "golden" / "adopt"
TEMPLATES = Templates()
OPEN, CLOSE = "<!-- mdcoord:view task -->\n", "<!-- /mdcoord:view -->\n"
NEW_TASK = {
    "schema": "mdcoord/task/1",
    "task_id": "task-123",
    "project_id": "proj-1",
    "title": "Train model on Alice dataset",
    "status": "pending",
    "priority": 5,
    "needs": ["training"],
    "created_at": "2025-10-12T09:55:00.000Z",
    "updated_at": "2025-10-12T09:55:00.000Z",
    "instructions": "Read the plan.\nThen train.",
    "depends_on": ["task-122"],
}
CLAIM = {
    "status": "in_progress",
    "assigned_agent": "ai-engineer",
    "attempt": 1,
    "assigned_at": "2025-10-12T09:56:00.000Z",
    "started_at": "2025-10-12T10:00:00.000Z",
    "updated_at": "2025-10-12T10:00:00.000Z",
}
PROGRESS = {
    "progress": 0.35,
    "metadata": {"step": 3500, "total_steps": 10000, "loss": 0.42},
    "updated_at": "2025-10-12T14:30:00.000Z",
}
MORE_PROGRESS = {
    "progress": 0.36,
    "metadata": {"step": 3600, "total_steps": 10000, "loss": 0.41},
    "logs": [{"at": "2025-10-12T14:40:00.000Z", "message": "Checkpoint saved"}],
    "updated_at": "2025-10-12T14:40:00.000Z",
}
COMPLETE = {
    "status": "completed",
    "progress": 1.0,
    "result": {"path": "final.pt"},
    "completed_at": "2025-10-12T15:00:00.000Z",
    "updated_at": "2025-10-12T15:00:00.000Z",
}


def view_of(kind: str, fields: dict[str, Any]) -> str:
    return view_contents(initial_body(kind, fields, "", TEMPLATES))[kind]


# ---------------------------------------------------------------- finding


def test_views_are_found_with_their_content() -> None:
    body = f"before\n{OPEN}one\ntwo\n{CLOSE}between\n<!-- mdcoord:view a.b -->\n{CLOSE}after"
    first, second = find_views(body)
    assert body[first.start : first.end] == "one\ntwo\n"
    assert body[first.after :].startswith("between")
    assert (second.name, body[second.start : second.end]) == ("a.b", "")
    assert strip_views(body) == f"before\n{OPEN}{CLOSE}between\n<!-- mdcoord:view a.b -->\n{CLOSE}after"


@pytest.mark.parametrize(
    "body",
    [
        f"```\n{OPEN}```\n",
        f"~~~ text\n```\n{OPEN}~~~\n{CLOSE}".replace(CLOSE, ""),
        f"````\n```\n{OPEN}````\n",
        "    <!-- mdcoord:view task -->\n",
        "> <!-- mdcoord:view task -->\n",
        "text <!-- mdcoord:view task -->\n",
        "<!-- mdcoord:view Task -->\n",
        "<!-- mdcoord:view ../x -->\n",
        f"```\n{OPEN}never closed\n",
    ],
)
def test_what_is_no_view(body: str) -> None:
    assert find_views(body) == []
    assert render_views(body, NEW_TASK, TEMPLATES) == body
    assert patch_views(body, NEW_TASK, NEW_TASK | CLAIM, TEMPLATES) in (None, body)


def test_a_fence_with_a_back_tick_in_its_line_is_inline_code() -> None:
    assert len(find_views(f"``` not `a fence\n{OPEN}{CLOSE}")) == 1


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (f"a\n{OPEN}b\n", 12),
        ("a\n\n<!-- mdcoord:view task -->", 13),
        (f"{OPEN}{OPEN}{CLOSE}", 11),
        (f"a\nb\n{CLOSE}", 13),
        (f"{OPEN}{CLOSE}{CLOSE}", 13),
        (f"a\r\n{OPEN}```\r\n{CLOSE}", 12),
    ],
)
def test_a_broken_view_is_refused_with_its_line(body: str, line: int) -> None:
    with pytest.raises(InvalidDocument) as caught:
        find_views(body, where="task-1.md", line=11)
    assert caught.value.details == {"path": "task-1.md", "line": line, "column": 1}


# ---------------------------------------------------------------- rendering


def test_a_new_body_has_the_view_first_and_then_the_text() -> None:
    body = initial_body("task", NEW_TASK, "My notes.\n", TEMPLATES)
    assert body.startswith(f"\n{OPEN}# Task: Train model on Alice dataset\n\n**Task ID**: task-123\n")
    assert body.endswith(f"\n{CLOSE}\nMy notes.\n")
    assert initial_body("task", NEW_TASK, "", TEMPLATES).endswith(CLOSE)


def test_a_text_with_views_keeps_its_order() -> None:
    body = initial_body("task", NEW_TASK, f"# Mine\n{OPEN}old\n{CLOSE}rest", TEMPLATES)
    assert body == f"# Mine\n{OPEN}{view_of('task', NEW_TASK)}{CLOSE}rest"


def test_everything_outside_of_views_stays_byte_for_byte() -> None:
    outside = ["\ufefftext  \r\n", "\tmore\x0c\n\n```\n" + OPEN + "```\n", "no last newline"]
    body = f"{outside[0]}{OPEN}old\n{CLOSE}{outside[1]}{OPEN}{CLOSE}{outside[2]}"
    done = render_views(body, NEW_TASK, TEMPLATES)
    content = view_of("task", NEW_TASK)
    assert done == f"{outside[0]}{OPEN}{content}{CLOSE}{outside[1]}{OPEN}{content}{CLOSE}{outside[2]}"
    assert render_views(done, NEW_TASK, TEMPLATES) == done


def test_a_view_without_a_template_is_left_alone() -> None:
    body = f"<!-- mdcoord:view unknown -->\nkept\n{CLOSE}"
    assert render_views(body, NEW_TASK, TEMPLATES) == body


@pytest.mark.parametrize("kind", KINDS)
def test_line_breaks_are_those_of_the_document(kind: str) -> None:
    fields = {"title": "t", "instructions": "a\nb", "description": "a\nb", "notes": "a\nb", "data": {"a": 1}}
    body = initial_body(kind, fields, "text\r\n", TEMPLATES)
    assert body.count("\n") == body.count("\r\n")
    changed = fields | {"title": "u", "last_updated": "2025-10-12T14:30:00Z", "subject": "s", "agent_id": "x"}
    patched = patch_views(body, fields, changed, TEMPLATES)
    assert patched is not None
    assert patched == render_views(body, changed, TEMPLATES)
    assert patched.count("\n") == patched.count("\r\n")


@pytest.mark.parametrize(
    "source", ["<!-- /mdcoord:view -->", "```\nopen", "<!-- mdcoord:view x -->\n", "~~~"]
)
def test_a_template_cannot_break_out_of_its_view(tmp_path: Path, source: str) -> None:
    (tmp_path / "task.md.j2").write_text(f"{source}\n{{{{ title }}}}", "utf-8")
    with pytest.raises(TemplateFailed) as caught:
        render_views(f"{OPEN}{CLOSE}", NEW_TASK, Templates([str(tmp_path)]))
    assert caught.value.details["path"] == str(tmp_path / "task.md.j2")


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_record_breaks_its_document(kind: str, data: st.DataObject) -> None:
    body = initial_body(kind, data.draw(records(kind)), "my text\n", TEMPLATES)
    (view,) = find_views(body)
    assert view.name == kind
    assert body[view.after :] == "\nmy text\n"


# ---------------------------------------------------------------- people's part


def test_prose_is_replaced_and_views_stay() -> None:
    body = initial_body("task", NEW_TASK, "old text\n", TEMPLATES)
    changed = with_prose(body, "new text\n")
    assert changed == initial_body("task", NEW_TASK, "new text\n", TEMPLATES)
    assert with_prose(changed, "new text\n") == changed
    assert with_prose(body, "") == initial_body("task", NEW_TASK, "", TEMPLATES)
    assert with_prose("no views", "prose") == "prose"


def test_prose_with_marks_says_where_the_views_stand() -> None:
    body = initial_body("task", NEW_TASK, "text\n", TEMPLATES)
    moved = with_prose(body, f"first\n{OPEN}{CLOSE}")
    assert moved == f"first\n{OPEN}{view_of('task', NEW_TASK)}{CLOSE}"
    assert with_prose(body, strip_views(body)) == body
    assert with_prose(body, body) == body


@given(
    st.lists(
        st.sampled_from(["text\n", "\n", "```\n", "> q\n", f"{OPEN}{CLOSE}", f"{OPEN}x\n{CLOSE}"]), max_size=6
    )
)
def test_stripping_and_filling_are_inverse(pieces: list[str]) -> None:
    body = "".join(pieces)
    if len(find_views(body)) < 2:
        assert with_prose(body, strip_views(body)) == body


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_hand_edit_is_kept_as_a_note_below_its_view(newline: str) -> None:
    body = initial_body("task", NEW_TASK, "text\n", TEMPLATES).replace("\n", newline)
    edited = ["**Status**: in_progress", "", f"{OPEN}", "```", "two\nlines"]
    kept = keep_hand_edit(body, "task", edited)
    (view,) = find_views(kept)
    assert kept[: view.after] == body[: find_views(body)[0].after]
    note = kept[view.after :].split(newline)
    assert note[:7] == [
        "",
        "> [!note]",
        "> Written by hand inside the generated view `task`, kept here:",
        ">",
        "> **Status**: in_progress",
        ">",
        "> <!-- mdcoord:view task -->",
    ]
    assert "> two" in note
    assert kept.endswith(f"{newline}text{newline}")
    assert keep_hand_edit(kept, "task", edited) == kept
    assert strip_views(render_views(kept, NEW_TASK, TEMPLATES)) == strip_views(kept)


def test_a_hand_edit_without_its_view_comes_last() -> None:
    assert keep_hand_edit("text", "task", ["mine"]).startswith("text\n\n> [!note]\n")


# ---------------------------------------------------------------- the fast path


def test_ordinary_writes_are_patched() -> None:
    fields: dict[str, Any] = dict(NEW_TASK)
    body = initial_body("task", fields, "text\n", TEMPLATES)
    for change in (CLAIM, PROGRESS, MORE_PROGRESS, COMPLETE):
        changed = fields | change
        patched = patch_views(body, fields, changed, TEMPLATES)
        assert patched is not None
        assert patched == render_views(body, changed, TEMPLATES) != body
        fields, body = changed, patched
    assert "**Status**: completed" in body


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(data=st.data())
def test_a_patch_is_what_rendering_gives(kind: str, data: st.DataObject) -> None:
    old = data.draw(records(kind))
    keys = st.sampled_from(
        sorted({*old, *frozenset[str]().union(*(p.reads for p in packaged.PACKAGED[kind]))})
    )
    changes = data.draw(st.dictionaries(keys, VALUE | st.just("gone"), max_size=4))
    new = {key: value for key, value in (old | changes).items() if value != "gone"}
    body = initial_body(kind, old, "text\n", TEMPLATES)
    patched = patch_views(body, old, new, TEMPLATES)
    assert patched == render_views(body, new, TEMPLATES)


@given(data=st.data())
def test_a_patch_of_a_view_edited_by_hand_loses_nothing(data: st.DataObject) -> None:
    """Where a person wrote into the view, a patch leaves the lines alone or is refused."""
    old = data.draw(records("task"))
    new = old | data.draw(st.dictionaries(st.sampled_from(["status", "updated_at", "metadata"]), VALUE))
    body = initial_body("task", old, "", TEMPLATES)
    lines = body.splitlines(keepends=True)
    place = data.draw(st.integers(2, len(lines) - 1))
    edited = "".join([*lines[:place], "by hand\n", *lines[place:]])
    patched = patch_views(edited, old, new, TEMPLATES)
    assert patched is None or "\nby hand\n" in patched


def test_equal_values_of_other_types_are_a_change() -> None:
    body = initial_body("task", {"priority": 1, "metadata": {"a": True}}, "", TEMPLATES)
    new = {"priority": True, "metadata": {"a": 1}}
    patched = patch_views(body, {"priority": 1, "metadata": {"a": True}}, new, TEMPLATES)
    assert patched == render_views(body, new, TEMPLATES) != body


def test_no_patch_where_a_workspace_has_its_own_template(tmp_path: Path) -> None:
    body = initial_body("task", NEW_TASK, "", TEMPLATES)
    templates = Templates([str(tmp_path)])
    assert patch_views(body, NEW_TASK, NEW_TASK | CLAIM, templates) is not None
    (tmp_path / "task.md.j2").write_text("{{ status }}", "utf-8")
    assert patch_views(body, NEW_TASK, NEW_TASK | CLAIM, templates) is None


def test_a_view_is_patched_wherever_it_stands() -> None:
    for before in ("text\n", f"```\n{OPEN}{CLOSE}```\n", "> <!-- mdcoord:view task -->\n"):
        body = before + initial_body("task", NEW_TASK, "text\n", TEMPLATES)
        patched = patch_views(body, NEW_TASK, NEW_TASK | CLAIM, TEMPLATES)
        assert patched == render_views(body, NEW_TASK | CLAIM, TEMPLATES) != body


def test_two_views_are_rendered() -> None:
    body = initial_body("task", NEW_TASK, "", TEMPLATES) + OPEN + CLOSE
    assert patch_views(body, NEW_TASK, NEW_TASK | CLAIM, TEMPLATES) is None


def test_no_patch_of_a_view_that_shows_something_else() -> None:
    body = initial_body("task", NEW_TASK | {"title": "Other"}, "", TEMPLATES)
    assert patch_views(body, NEW_TASK, NEW_TASK | CLAIM, TEMPLATES) is None


def test_a_body_without_views_needs_no_patch() -> None:
    assert patch_views("text\n", NEW_TASK, NEW_TASK | CLAIM, TEMPLATES) == "text\n"


def test_a_field_that_is_not_shown_needs_no_patch() -> None:
    body = initial_body("task", NEW_TASK, "", TEMPLATES)
    assert patch_views(body, NEW_TASK, NEW_TASK | {"attempt": 7, "team": "blue"}, TEMPLATES) == body


# ---------------------------------------------------------------- the format of the original files


def adopted(name: str) -> tuple[str, dict[str, Any]]:
    text = (GOLDEN / f"{name}.md").read_text("utf-8")
    return text, adopt(name.partition("-")[0], text, name)


def test_an_agent_is_shown_in_the_original_format_to_the_letter() -> None:
    text, fields = adopted("agent-ai-engineer")
    assert view_of("agent", fields) == text


def test_a_task_is_shown_in_the_original_format() -> None:
    """Only what cannot be known from the record differs: a guess, and the names of other tasks."""
    text, fields = adopted("task-repaired-fences")
    shown = view_of("task", fields)
    guess = "- **Remaining**: ~{}\n"
    text = text.replace(guess.format("8h 30m"), guess.format("4h"))
    text = re.sub(r"- .* \((task-\d+)\) - COMPLETE", r"- \1", text)
    assert shown == text


def test_a_context_shows_its_data_and_tables_in_the_original_format() -> None:
    text, fields = adopted("context-proj1-dataset")
    shown = view_of("context", fields)
    original = text.splitlines()
    assert shown.splitlines()[:8] == original[:8]
    for line in original[8:17]:
        assert line in shown
    for line in (
        "## Splits",
        "| Train | 1450 | 36m 10s |",
        "## Dependencies",
        "- Source recordings: `recordings/alice/`",
    ):
        assert line in shown.splitlines()


# ---------------------------------------------------------------- the original shell lines


def shell(command: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace's folder with documents as they are written, values hostile where people write them."""
    root = tmp_path / ".claude" / "coordination"
    root.mkdir(parents=True)
    _, agent = adopted("agent-ai-engineer")
    _, task = adopted("task-train-model")
    _, dataset = adopted("context-proj1-dataset")
    done = {**task, "status": "completed", "title": "Say\n**Status**: lies\n---", "error": "a\n```\nb"}
    documents: list[tuple[str, str, dict[str, Any]]] = [
        ("agent-ai-engineer", "agent", {**agent, "notes": "First line.\n**Status**: lies\n---"}),
        ("agent-idle", "agent", {"agent_id": "idle", "status": "idle", "metrics": {"workload_pct": 12.5}}),
        ("task-train-model", "task", task),
        ("task-done", "task", done),
        ("context-proj1-dataset", "context", dataset),
    ]
    for name, kind, fields in documents:
        document = Document.create(fields, initial_body(kind, fields, "Text.", TEMPLATES))
        (root / f"{name}.md").write_text(document.text, "utf-8")
    return tmp_path


def test_the_state_of_an_agent(folder: Path) -> None:
    command = r"""for file in .claude/coordination/agent-*.md; do
        agent_name=$(basename "$file" .md | sed 's/^agent-//')
        status=$(grep -oP '^\*\*Status\*\*:\s*\K\w+' "$file")
        workload=$(grep -oP '^\*\*Workload\*\*:\s*\K\d+' "$file")
        echo "$agent_name $status $workload"
    done"""
    assert shell(command, folder) == "ai-engineer BUSY 85\nidle IDLE 12\n"


def test_agents_by_workload(folder: Path) -> None:
    command = r"""for agent in .claude/coordination/agent-*.md; do
      workload=$(grep -oP 'Workload.*:\s*\K\d+' "$agent")
      if [ "$workload" -gt 70 ]; then
        echo "High load: $(basename $agent .md | sed 's/agent-//'): ${workload}%"
      fi
    done"""
    assert shell(command, folder) == "High load: ai-engineer: 85%\n"


def test_active_tasks(folder: Path) -> None:
    command = r"""for task in .claude/coordination/task-*.md; do
      if grep -q "Status.*in_progress" "$task"; then
        echo "Active: $(basename $task)"
      fi
    done"""
    assert shell(command, folder) == "Active: task-train-model.md\n"


def test_completed_tasks_are_the_ones_to_archive(folder: Path) -> None:
    command = r"""find .claude/coordination -name "task-*.md" -type f \
        -exec sh -c 'grep -q "Status.*complete" "$1" && basename "$1"' _ {} \;"""
    assert shell(command, folder) == "task-done.md\n"


@pytest.mark.parametrize(
    ("name", "query", "answer"),
    [
        ("context-proj1-dataset", "segments_count", 1847),
        ("task-train-model", "loss", 0.42),
        ("task-done", "step", 3500),
    ],
)
def test_json_from_markdown(folder: Path, name: str, query: str, answer: float) -> None:
    command = rf"sed -n '/```json/,/```/p' .claude/coordination/{name}.md | sed '1d;$d'"
    assert json.loads(shell(command, folder))[query] == answer
    if shutil.which("jq"):
        assert json.loads(shell(f"{command} | jq '.{query}'", folder)) == answer
