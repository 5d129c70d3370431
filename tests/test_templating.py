"""Templates: the packaged ones and their plain twins agree, values stay harmless, errors name their line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdcoord.errors import TemplateFailed
from mdcoord.formats import packaged
from mdcoord.formats.packaged import PACKAGED
from mdcoord.formats.sandbox import FILTERS
from mdcoord.formats.templating import Templates, context, packaged_folder
from mdcoord.model import KINDS

NASTY = "a\n---\nb --> \"c\" 'd' {{ 7*7 }} ```json `e` <!-- /mdcoord:view -->\r\n~~~\n# f\u2028g\x00h\ud800"
TEXT = st.text(max_size=12) | st.sampled_from(
    [NASTY, "# x", "---", "1. x", "> x", "~~~", "[a]: b", "", " ", "N/A"]
)
STAMP = st.integers(0, 23).map("2025-10-12T{:02d}:30:00Z".format)
NUMBER = st.integers(-5, 10**13) | st.floats(allow_nan=False) | st.sampled_from([0.35, 1.0, 85])
SCALAR = st.none() | st.booleans() | NUMBER | TEXT | STAMP
VALUE = st.recursive(
    SCALAR, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=6
)


def mappings(keys: str) -> st.SearchStrategy[Any]:
    """Mappings with some of the keys, mostly with values of the right kind."""
    return st.fixed_dictionaries({}, optional={key: FIELD.get(key, SCALAR) | SCALAR for key in keys.split()})


COUNT = st.integers(0, 10**4)
FIELD: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        ["created_at", "started_at", "updated_at", "completed_at", "eta", "last_updated", "at"], STAMP
    ),
    **dict.fromkeys(["step", "total_steps", "succeeded", "total_tasks", "steps_done", "steps_total"], COUNT),
    **dict.fromkeys(["duration_sec", "remaining_sec", "avg_duration_sec", "priority"], COUNT),
    **dict.fromkeys(["progress", "success_rate"], st.floats(0, 1)),
    "status": st.sampled_from(["pending", "in_progress", "completed", "BUSY"]),
}
METADATA = mappings("step total_steps loss") | st.dictionaries(TEXT, VALUE, max_size=4)
ENTRY = mappings(
    "task_id title project_id started_at status progress duration_sec completed_at success at message by"
    " phase steps_done steps_total"
)
QUALITY = mappings("verdict files attempt") | st.fixed_dictionaries(
    {
        "checks": st.lists(METADATA, max_size=3) | TEXT,
        "output": st.dictionaries(TEXT, TEXT, max_size=2) | VALUE,
    }
)
FIELD |= {
    "metadata": METADATA,
    "data": METADATA | QUALITY | st.dictionaries(TEXT, st.lists(METADATA, max_size=3), max_size=3),
    "values": METADATA,
    "metrics": mappings("workload_pct success_rate succeeded total_tasks failed_tasks avg_duration_sec loss")
    | METADATA,
    "circuit_breaker": mappings("state failure_count threshold last_failure"),
    **dict.fromkeys(
        ["active_tasks", "recent_completions", "logs", "acks", "phases"],
        st.lists(
            st.builds(lambda e, m: e | ({"metadata": m} if m else {}), ENTRY, METADATA) | TEXT, max_size=3
        ),
    ),
    "samples": st.lists(mappings("at loss"), max_size=25),
    "context": st.lists(st.dictionaries(TEXT, TEXT, min_size=1, max_size=2) | VALUE, max_size=3),
}


def records(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Records of a kind: mostly well formed, with anything anywhere now and then."""
    keys = sorted(frozenset[str]().union(*(part.reads for part in PACKAGED[kind])))
    return st.fixed_dictionaries(
        {}, optional={key: FIELD.get(key, SCALAR) | VALUE for key in keys} | {"own_key": VALUE}
    )


@pytest.fixture(scope="module")
def jinja(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The packaged templates as a workspace's own: these are rendered by Jinja."""
    return Templates([str(copytree(packaged_folder(), tmp_path_factory.mktemp("own") / "templates"))])


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., Templates]:
    """Makes templates of a workspace: `own(task="# {{ title }}")`."""

    def write(**sources: str) -> Templates:
        for name, source in sources.items():
            (tmp_path / f"{name}.md.j2").write_text(source, "utf-8")
        return Templates([str(tmp_path / "missing"), str(tmp_path)])

    return write


# ---------------------------------------------------------------- the packaged templates


@pytest.mark.parametrize("kind", PACKAGED)
@settings(max_examples=80)
@given(data=st.data())
def test_a_packaged_template_and_its_plain_twin_agree(
    kind: str, jinja: Templates, data: st.DataObject
) -> None:
    fields = data.draw(records(kind))
    assert jinja.overridden(kind)
    assert jinja.render(kind, fields) == packaged.render(kind, fields)


@pytest.mark.parametrize("kind", PACKAGED)
@given(data=st.data())
def test_a_block_reads_only_the_fields_that_it_names(kind: str, data: st.DataObject) -> None:
    fields = data.draw(records(kind))
    for part in PACKAGED[kind]:
        assert part.text(fields) == part.text({key: fields[key] for key in fields if key in part.reads})


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_value_becomes_structure(kind: str, data: st.DataObject) -> None:
    text = packaged.render(kind, data.draw(records(kind)))
    text.encode()
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    assert "<!--" not in text
    assert "-->" not in text
    assert set(text) & set("\r\x00\x0b\x0c\x1c\x85\u2028\u2029") == set()
    lines = text.splitlines()
    fences = [line for line in lines if line.lstrip(" ").startswith(("```", "~~~"))]
    assert fences in ([], ["```json", "```"], ["```", "```"], ["```json", "```", "```", "```"])
    assert not [line for line in lines if line.startswith(("---", "==="))]
    assert all(
        line.startswith("## ") or number == 0 or line[:5] == "### T"
        for number, line in enumerate(lines)
        if line[:1] == "#"
    )


def test_a_nasty_title_stays_in_its_line() -> None:
    for kind, key in (
        ("task", "title"),
        ("agent", "agent_id"),
        ("message", "subject"),
        ("progress", "title"),
    ):
        lines = packaged.render(kind, {key: NASTY}).splitlines()
        assert lines[0].startswith("# ")
        assert lines[1] == ""
        assert "{{ 7*7 }}" in lines[0]
        assert "&lt;!-- /mdcoord:view --&gt;" in lines[0]


def test_every_kind_has_a_packaged_template() -> None:
    names = {name.removesuffix(".md.j2") for name in os.listdir(packaged_folder()) if name.endswith(".j2")}
    assert names == {*KINDS, "quality"} == set(PACKAGED)


def test_the_format_names_every_field_and_filter() -> None:
    """What templates see is in the specification, and what the specification promises is there."""
    specification = Path(packaged_folder(), "README.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_]+)`", specification))
    known = set(context({})) - {"fields"}
    assert known <= named
    assert frozenset[str]().union(*(part.reads for parts in PACKAGED.values() for part in parts)) <= known
    assert set(FILTERS) <= named


def test_the_packaged_views_need_no_template_engine() -> None:
    code = (
        "import sys\n"
        "from mdcoord.formats.templating import Templates\n"
        "from mdcoord.formats.packaged import PACKAGED\n"
        "assert all(Templates(['/nowhere']).render(name, {'title': 'x'}) for name in PACKAGED)\n"
        "assert not {'jinja2', 'yaml', 'lark'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- a workspace's own templates


def test_an_own_template_wins_and_a_change_is_seen(own: Callable[..., Templates], tmp_path: Path) -> None:
    templates = own()
    assert templates.render("task", {"title": "x"}).startswith("# Task: x\n")
    own(task="one {{ title }}")
    assert templates.render("task", {"title": "x"}) == "one x\n"
    stamp = os.stat(tmp_path / "task.md.j2").st_mtime_ns
    own(task="two {{ title }}")
    os.utime(tmp_path / "task.md.j2", ns=(stamp, stamp))  # same size, same time: only the content tells
    assert templates.render("task", {"title": "x"}) == "two x\n"
    (tmp_path / "task.md.j2").unlink()
    assert templates.render("task", {"title": "x"}).startswith("# Task: x\n")


def test_an_own_view_has_its_own_name(own: Callable[..., Templates]) -> None:
    templates = own(summary="{{ status }}: {{ fields.get('team') }} {{ eta }}")
    assert templates.has("summary")
    assert not templates.has("other")
    assert not templates.has("../summary")
    assert templates.render("summary", {"status": "busy", "team": "blue"}) == "busy: blue N/A\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ title }}", "a --- b --&gt; \"c\" 'd' {{ 7*7 }} \\`\\`\\`json `e` &lt;!-- /mdcoord:view --&gt;"),
        ("- {{ '# x' | item }}", "- \\# x"),
        ("{{ 'a\n# b' | block }}", "> a\n> # b"),
        ("{{ {'a': '```'} | json_block }}", '```json\n{\n  "a": "\\u0060\\u0060\\u0060"\n}\n```'),
        ("{{ {'a': [1]} | json }}", '{"a": [1]}'),
        ("{{ 'a`b' | code }}", "`` a`b ``"),
        ("{{ 0.35 | percent }} {{ 85 | pct }} {{ 0.5 | bar }}", "35% 85% ##########----------"),
        ("{{ 5400 | human_duration }}", "1h 30m"),
        ("{{ true }} {{ none }} {{ [1, 'a'] }} {{ [] }}", "✅ N/A 1, a N/A"),
        ("{% macro m(x) %}\n- {{ x }}\n- {{ x }}\n{% endmacro %}\n{{ m('a\nb') }}", "- a b\n- a b"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        ("a\n\n\n\n{% if false %}b{% endif %}\n\nc", "a\n\nc"),
        ("{{ metrics.anything }} {{ 'success_rate' | label }}", "N/A Success Rate"),
    ],
)
def test_what_templates_print(own: Callable[..., Templates], source: str, text: str) -> None:
    printed = own(task=source).render("task", {"title": NASTY.split("\r")[0]})
    assert printed == text + "\n"


def test_templates_can_include_templates(own: Callable[..., Templates]) -> None:
    templates = own(task="{% include 'head.md.j2' %}\nend", head="# {{ title }}\n")
    assert templates.render("task", {"title": "x"}) == "# x\nend\n"


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("a\n{% if %}\n", 2, "Expected an expression"),
        ("a\n\n{{ titel }}", 3, "'titel' is undefined"),
        ("a\n{{ fields.titel }}", 2, "no attribute 'titel'"),
        ("a\n{{ titel | block }}", 2, "'titel' is undefined"),
        ("a\n{{ title | nofilter }}", 2, "nofilter"),
        ("a\n{{ 1 // 0 }}", 2, "division"),
        ("a\n{% include 'gone.md.j2' %}", 2, "no template 'gone.md.j2'"),
        ("a\n{% include '../../etc/passwd' %}", 2, "no template"),
        ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", None, "recursion"),
        ("{% for a in range(10**9) %}x{% endfor %}", 1, "steps of range"),
        ("{% for a in range(500) %}{% for b in range(500) %}{% endfor %}{% endfor %}", 1, "steps of range"),
        ("{% for a in range(90000) %}\nxxxxxxxxxxxxxxxxxxxxxx\n{% endfor %}", None, "characters of output"),
        ("{{ ''.__class__.__mro__ }}", 1, "__class__"),
        ("{{ fields.update({'a': 1}) }}", 1, "update"),
        ("{{ cycler }}", 1, "cycler"),
        ("{{ [1] | random }}", 1, "random"),
    ],
)
def test_an_error_names_file_and_line(
    own: Callable[..., Templates], tmp_path: Path, source: str, line: int | None, message: str
) -> None:
    with pytest.raises(TemplateFailed) as caught:
        own(task=source).render("task", {"title": "x"})
    assert message in caught.value.message
    assert caught.value.hint
    if line:
        assert caught.value.details["path"] == str(tmp_path / "task.md.j2")
        assert caught.value.details["line"] == line


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * 300_000])
def test_an_unreadable_template_is_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "task.md.j2").write_bytes(data)
    with pytest.raises(TemplateFailed, match="cannot read the template"):
        Templates([str(tmp_path)]).render("task", {})


def test_a_template_is_never_rendered_twice(own: Callable[..., Templates]) -> None:
    fields = {"title": "{{ 7*7 }}{% raw %}", "notes": "{{ 7*7 }}\n{{ 7*7 }}"}
    assert own(task="{{ title }} {{ notes | block }}").render("task", fields).count("7*7") == 3


def test_the_record_is_not_changed(own: Callable[..., Templates]) -> None:
    fields: Mapping[str, Any] = {"metadata": {"a": 1}, "logs": "one"}
    own(task="{{ metadata.b }}{{ logs[0].message }}").render("task", fields)
    assert fields == {"metadata": {"a": 1}, "logs": "one"}


def test_fields_have_their_shape_whatever_was_written() -> None:
    seen = context({"metadata": 5, "logs": "text", "acceptance": "one", "context": None})
    assert seen["metadata"] == {}
    assert seen["logs"] == [{"title": "text", "message": "text"}]
    assert seen["acceptance"] == ["one"]
    assert seen["context"] == []
    assert seen["eta"] is None


@example(fields={"metadata": {"step": 1}})
@given(fields=records("task"))
def test_the_same_record_gives_the_same_view(fields: dict[str, Any]) -> None:
    assert packaged.render("task", fields) == packaged.render("task", dict(reversed(fields.items())))
