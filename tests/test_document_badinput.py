"""Files that no one can understand with certainty are refused with their line and a hint, and never crash.

`badinput/<class>/<name>.md` are the files; `badinput/expected.tsv` says for each where the error is and
parts of what it says. To add a case, add a file and a line.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document, decode

FOLDER = Path(__file__).parent / "badinput"


class Case(NamedTuple):
    name: str
    line: int
    message: str
    hint: str


def cases() -> list[Case]:
    found = []
    for line in (FOLDER / "expected.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, number, message, hint = line.split("\t")
            found.append(Case(name, int(number), message, hint))
    return found


def refusal(name: str) -> InvalidDocument:
    data = (FOLDER / f"{name}.md").read_bytes()
    with pytest.raises(InvalidDocument) as caught:
        Document.parse(decode(data, where="task-1.md"), where="task-1.md")
    return caught.value


def test_every_file_is_expected_and_there_are_many() -> None:
    files = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.md")}
    assert files == {case.name for case in cases()}
    assert len(files) >= 100
    assert len({name.split("/")[0] for name in files}) >= 20


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_bad_file_is_refused_with_its_line(case: Case) -> None:
    error = refusal(case.name)
    assert error.details["line"] == case.line
    assert error.details["column"] >= 1
    assert error.details["path"] == "task-1.md"
    assert case.message in error.message
    assert error.message.startswith(f"task-1.md, line {case.line}, column ")
    assert case.hint in error.hint


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_bad_file_is_refused_without_libyaml_too(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    error = refusal(case.name)
    assert error.message
    assert error.hint
    assert error.details["line"] >= 1


MIB = 1024 * 1024
OVERSIZE = {
    "front matter above 1 MiB": ("---\n" + "a: " + "x" * MIB + "\n---\n", "more than 1048576 bytes"),
    "1 MiB of two-byte letters": ("---\na: " + "é" * (MIB // 2 + 1) + "\n---\n", "more than 1048576"),
    "no closing fence within 1 MiB": ("---\n" + "a: b\n" * (MIB // 4), "more than 1048576 bytes"),
    "too many values": ("---\na: [" + "1," * 30_000 + "]\n---\n", "more than 20000 keys and values"),
    "too many keys": ("---\n" + "".join(f"k{n}: {n}\n" for n in range(30_000)) + "---\n", "more than 20000"),
    "a conflict at the end of 1 MiB": ("---\na: " + "x" * (MIB - 30) + "\n=======\n---\n", "merge conflict"),
    "a million brackets": ("---\na: " + "[" * 1_000_000 + "\n---\n", "deeper than 64"),
    "a million lists": ("---\na:\n  " + "- " * 500_000 + "\n---\n", "deeper than 64"),
    "a million keys": ("---\na: " + "{a: " * 250_000 + "\n---\n", "deeper than 64"),
    "a million questions": ("---\na:\n  " + "? " * 500_000 + "\n---\n", "no text"),
    "a thousand levels of blocks": (
        "---\n" + "".join(" " * level + "a:\n" for level in range(1_400)) + "---\n",
        "deeper than 64",
    ),
    "an open quote over 1 MiB": ("---\na: \"" + "x\n" * (MIB // 2 - 20) + "---\n", "not closed"),
    "many anchors": ("---\n" + "".join(f"k{n}: &a{n} x\n" for n in range(40_000)) + "---\n", "20000"),
    "many directives": ("---\n" + "".join(f"%TAG !{n}! x\n" for n in range(50_000)) + "---\n", "directives"),
}  # fmt: skip

PROBE = """
import sys
from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document, decode
try:
    Document.parse(decode(sys.stdin.buffer.read()))
except InvalidDocument as error:
    print(error.message)
else:
    print("accepted")
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", OVERSIZE)
def test_oversize_and_deep_files_do_not_kill_the_process(name: str) -> None:
    text, message = OVERSIZE[name]
    done = subprocess.run(
        [sys.executable, "-c", PROBE], input=text.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert message in done.stdout.decode()


def test_a_file_above_10_mib_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InvalidDocument, match="more than 10485760") as caught:
        decode(b"\xff" * (10 * MIB + 1), where="x.md")
    assert caught.value.details["line"] == 1


def test_a_body_of_9_mib_is_no_problem() -> None:
    text = "---\na: 1\n---\n" + "line\n" * (9 * MIB // 5)
    assert Document.parse(decode(text.encode())).fields == {"a": 1}


@pytest.mark.parametrize("level", [63, 64])
def test_the_deepest_allowed_value_is_read_and_the_next_is_not(level: int) -> None:
    for front in ("a: " + "[" * level + "]" * level, "a: " + "{a: " * level + "1" + "}" * level):
        text = f"---\n{front}\n---\n"
        if level < 64:
            assert Document.parse(text).fields
        else:
            with pytest.raises(InvalidDocument, match="deeper than 64"):
                Document.parse(text)


def test_many_brackets_inside_of_texts_are_no_depth() -> None:
    text = '---\ntitle: "' + "[ ] " * 200 + '"\nlist: [' + "[], " * 200 + "]\n# " + "{" * 200 + "\n---\n"
    assert len(Document.parse(text).fields["list"]) == 200


def test_a_plain_hint_for_the_most_frequent_mistake() -> None:
    with pytest.raises(InvalidDocument) as caught:
        Document.parse("---\ntitle: x\nassignee: @claude\n---\n", where="task-1.md")
    assert str(caught.value) == (
        'task-1.md, line 3, column 11: a value cannot start with @ unquoted (quote it: "@claude")'
    )
