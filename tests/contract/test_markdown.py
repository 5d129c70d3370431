"""The Markdown backend keeps the contract."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.errors import InvalidDocument
from mdcoord.model import Change, Key

from .suite import Factory
from .whole import WholeContract


class TestMarkdown(WholeContract):
    @pytest.fixture
    def factory(self, tmp_path: Path) -> Factory:
        numbers = count()

        def make() -> MarkdownBackend:
            root = tmp_path / f"root{next(numbers)}"
            root.mkdir()
            return MarkdownBackend(root, durability="none")

        return make

    def save_by_hand(self, backend: MarkdownBackend, key: Key, text: str) -> None:
        Path(backend.location, f"{key.name}.md").write_bytes(text.encode())

    @pytest.mark.parametrize("blank", [b"", b" \r\n\n", b"\xef\xbb\xbf\n"])
    def test_a_file_that_was_emptied_is_no_record(self, factory: Factory, blank: bytes) -> None:
        """As a full disk leaves it, or an editor that was killed while it saved."""
        backend, key = factory(), Key("task", "a")
        backend.create("task", {"title": "x", "num": 1}, name="a")
        old = backend.text(key)
        backend.write(key, Change(set={("num",): 2}))
        path = Path(backend.location, "task-a.md")
        path.write_bytes(blank)
        os.utime(path, (1, 1))
        for change in (None, Change(set={("num",): 3})):
            with pytest.raises(InvalidDocument, match="is empty, but it was not") as raised:
                backend.write(key, change) if change else backend.read(key)
            assert raised.value.details["line"] == 1
            remembered = Path(raised.value.hint.rpartition(" ")[2])
            assert b"\nnum: 2\n" in remembered.read_bytes()
        assert [found.key for found in backend.list("task").unreadable] == [key]
        assert path.read_bytes() == blank
        path.write_bytes(old.replace("title: x", "title: y").encode())
        assert {"title": "y", "num": 2}.items() <= backend.read(key).fields.items()
        assert backend.write(key, Change(set={("m",): 3})).fields["num"] == 2
        assert {"title": "y", "num": 2, "m": 3}.items() <= backend.read(key).fields.items()

    def test_an_older_version_that_was_put_back_is_told(self, factory: Factory) -> None:
        backend, key = factory(), Key("task", "a")
        backend.create("task", {"title": "x", "num": 1}, name="a")
        old = backend.text(key)
        backend.write(key, Change(set={("num",): 2, ("more",): 3}))
        assert backend.overruled(backend.read(key)) == ()
        Path(backend.location, "task-a.md").write_text(old)
        (record,) = backend.list("task").records
        assert record.fields["num"] == 2
        assert backend.overruled(record) == ("more", "num")
        Path(backend.location, "task-a.md").write_text(old.replace("title: x", "title: y"))
        assert backend.overruled(record) == ()  # it is of another moment
        assert backend.overruled(backend.read(key)) == ("more", "num")
        backend.write(key, Change(set={("num",): 1}, delete=(("more",),)))
        after = backend.read(key)
        assert (after.fields["num"], "more" in after.fields, backend.overruled(after)) == (1, False, ())

    def test_a_blank_file_that_the_tool_never_wrote_is_a_record(self, factory: Factory) -> None:
        backend, key = factory(), Key("task", "a")
        path = Path(backend.location, "task-a.md")
        path.touch()
        os.utime(path, (1, 1))
        assert backend.read(key).fields == {"task_id": "task-a"}
        assert backend.list("task").unreadable == []
