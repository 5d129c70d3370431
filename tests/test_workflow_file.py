"""The definition of a workflow as a file: what it may say, its parameters, its mistakes with their lines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.errors import InvalidDocument, UsageError
from mdcoord.formats.workflowdef import Definition, Phase, TaskDef, slug
from mdcoord.formats.workflowfile import parse_workflow
from mdcoord.model import normalise_name

WHOLE = """\
---
workflow: Release ${version}
title: Release ${version}
project: proj-1
params:
  version: null
  count: 3
  gpus: [a100]
defaults: {retry_limit: 1, colour: blue}
owner: somebody
phases:
  - phase: build
    defaults: {colour: red}
    tasks:
      - title: Compile ${version} for $HOME, ${HOME} and ${count}
        id: compile
        needs: ${gpus}
        priority: ${count}
        timeout: 30m
        context: [docs/a.md, {label: docs/b.md}]
        acceptance: It runs
        metadata: {note: "for ${version}"}
        body: |
          ## Notes
      - Write the notes
  - phase: check
    allow_failures: true
    tasks: [Test on Linux]
  - phase: later
---

Free text with ${version}.
"""


def parse(text: str, **params: Any) -> Definition:
    return parse_workflow(text, params, where="w.md")


def test_all_that_a_definition_may_say() -> None:
    found = parse(WHOLE, version="1.2")
    compile = TaskDef(
        "Compile 1.2 for $HOME, ${HOME} and 3",
        id="compile",
        needs=["a100"],
        priority=3,
        timeout="30m",
        context=["docs/a.md", {"label": "docs/b.md"}],
        acceptance=["It runs"],
        retry_limit=1,
        fields={"colour": "red", "metadata": {"note": "for 1.2"}},
        body="## Notes\n",
    )
    notes = TaskDef("Write the notes", retry_limit=1, fields={"colour": "red"})
    test = TaskDef("Test on Linux", retry_limit=1, fields={"colour": "blue"})
    assert found == Definition(
        "release-1.2",
        [Phase("build", [compile, notes]), Phase("check", [test], True), Phase("later", [])],
        "Release 1.2",
        "proj-1",
        "w.md",
    )
    assert [task.name for phase in found.phases for task in phase.tasks if isinstance(task, TaskDef)] == [
        *("compile", "write-the-notes", "test-on-linux")
    ]


def test_one_phase_needs_no_name() -> None:
    found = parse(
        "---\nworkflow: lint\ndefaults: {needs: lint}\ntasks:\n  - A\n  - {title: B, needs: []}\n---\n"
    )
    assert found.phases == [Phase("work", [TaskDef("A", needs=["lint"]), TaskDef("B", needs=[])])]


def test_parameters_keep_their_type_only_when_they_are_alone() -> None:
    text = (
        "---\nworkflow: w\nparams: {n: 1}\ntasks:\n  - {title: 'T ${n} ${m}', x: '${n}', y: ['${n}!']}\n---\n"
    )
    task = parse(text, n={"a": True}).phases[0].tasks[0]
    assert task == TaskDef('T {"a": true} ${m}', fields={"x": {"a": True}, "y": ['{"a": true}!']})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "w.md needs a value for version"),
        ({"version": "1", "verson": "2"}, "w.md has no parameter 'verson'"),
        ({"version": None}, "needs a value"),
    ],
)
def test_parameters_that_are_wrong(params: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(WHOLE, **params)


MISTAKES = [
    ("phases: []", 2, "needs a name"),
    ("workflow: ../up\nphases: []", 2, "not a usable name"),
    ("workflow: w", 2, "list of phases"),
    ("workflow: w\nphases: []", 3, "list of phases"),
    ("workflow: w\nphases:\n  - tasks: [a]", 4, "a phase needs a name"),
    ("workflow: w\nphases:\n  - phase: a\n  - phase: a", 5, "two phases are called 'a'"),
    ("workflow: w\nphases:\n  - phase: a\n    allow_failure: true", 5, "a phase has no 'allow_failure'"),
    ("workflow: w\nphases:\n  - phase: a\n    allow_failures: maybe", 5, "true or false"),
    ("workflow: w\nphases:\n  - phase: a\n    tasks: x", 5, "tasks are a list"),
    ("workflow: w\nphases:\n  - phase: a\n    tasks:\n      - id: x", 6, "a task needs a title"),
    ("workflow: w\ntasks:\n  - title: a\n    needs: [1]", 5, "needs is a list of texts"),
    ("workflow: w\ntasks:\n  - title: a\n    priority: high", 5, "priority is a number"),
    ("workflow: w\ntasks:\n  - title: a\n    instructions: [a]", 5, "instructions is a text"),
    ("workflow: w\ntasks:\n  - title: a\n    status: completed", 5, "cannot say 'status'"),
    ("workflow: w\ntasks:\n  - title: a\n    assigned_agent: bob", 5, "cannot say 'assigned_agent'"),
    ("workflow: w\ntasks:\n  - title: a\n    allow_failure: 1", 5, "true or false"),
    ("workflow: w\ntasks:\n  - title: a\n    id: ../up", 4, "not a usable name"),
    ("workflow: w\ntasks:\n  - 3", 4, "a task is a title"),
    ("workflow: w\nparams: [a]\ntasks: [a]", 3, "params are names"),
    ("workflow: w\ndefaults: {title: x}\ntasks: [a]", 3, "defaults are fields"),
    ("workflow: w\n  bad: yaml", 3, "line 3"),
]


@pytest.mark.parametrize(("front", "line", "message"), MISTAKES, ids=[mistake[2] for mistake in MISTAKES])
def test_mistakes_are_told_with_their_line(front: str, line: int, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message) as caught:
        parse(f"---\n{front}\n---\n")
    assert caught.value.details["line"] == line
    assert caught.value.details["path"] == "w.md"


def test_a_file_without_front_matter() -> None:
    with pytest.raises(InvalidDocument, match="no front matter"):
        parse("# Release\n")


def test_names_from_titles() -> None:
    assert slug("Compile it, twice!") == "compile-it-twice"
    assert slug("C") == slug("C++")
    assert slug("Äpfel") != slug("Öpfel")
    assert slug("漢字") != slug("漢")
    assert len(slug("word " * 50)) <= 60
    assert normalise_name(slug("NUL")).startswith("nul-")


@given(st.text(min_size=1))
def test_every_title_gives_a_name(title: str) -> None:
    assert normalise_name(slug(title)) == slug(title)
