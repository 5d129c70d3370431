"""Golden pairs: `golden/adopt/<kind>-<case>.md` must be read as `golden/adopt/<kind>-<case>.json`.

To add a case, add the two files; the file's name without `.md` is the name that `adopt` is given.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mdcoord.formats.adopt import adopt

FOLDER = Path(__file__).parent / "golden" / "adopt"
CASES = sorted(FOLDER.glob("*.md"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_bold_field_file_is_read_as_its_record(path: Path) -> None:
    fields = adopt(path.stem.partition("-")[0], path.read_bytes().decode("utf-8"), path.stem)
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert json.dumps(fields, indent=1) == json.dumps(expected, indent=1)


def test_the_cases_are_whole() -> None:
    assert {path.stem for path in CASES} == {path.stem for path in FOLDER.glob("*.json")}
    assert (FOLDER / "task-crlf.md").read_bytes().count(b"\r\n") > 5
    assert (FOLDER / "task-bom.md").read_bytes().startswith(b"\xef\xbb\xbf")
    assert not (FOLDER / "task-no-last-newline.md").read_bytes().endswith(b"\n")
