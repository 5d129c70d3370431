"""What every backend does with memos, sentence by sentence of `mdcoord.backends.base`."""

from __future__ import annotations

from typing import Any

import pytest

from mdcoord.backends.base import Backend
from mdcoord.errors import Busy, InvalidName

from .suite import BAD_NAMES, VALUES, ContractBase, in_threads


class MemosContract(ContractBase):
    """Small volatile values by topic and name."""

    def test_a_memo_that_nobody_kept_is_none(self, backend: Backend) -> None:
        assert backend.memo("inbox", "ada") is None
        assert backend.memos("inbox") == {}

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    def test_a_memo_is_what_was_kept(self, backend: Backend, value: Any) -> None:
        kept = backend.keep("inbox", "ada", lambda _: {"it": value})
        assert kept == backend.memo("inbox", "ada") == {"it": value}
        assert backend.memo("inbox", "bob") is None
        assert backend.memo("cursors", "ada") is None

    def test_a_memo_is_revised_from_what_it_is(self, backend: Backend) -> None:
        seen = []
        for number in range(3):
            backend.keep("inbox", "ada", lambda value, number=number: seen.append(value) or number)
        assert seen == [None, 0, 1]

    def test_a_memo_that_becomes_none_is_gone(self, backend: Backend) -> None:
        backend.keep("inbox", "ada", lambda _: 1)
        assert backend.keep("inbox", "ada", lambda _: None) is None
        assert backend.keep("inbox", "bob", lambda _: None) is None
        assert backend.memos("inbox") == {}

    def test_what_was_given_out_is_nobody_elses(self, backend: Backend) -> None:
        given = backend.keep("inbox", "ada", lambda _: [1])
        given.append(2)
        backend.memo("inbox", "ada").append(3)
        backend.memos("inbox")["ada"].append(4)
        assert backend.memo("inbox", "ada") == [1]

    def test_the_memos_of_a_topic_come_by_name(self, backend: Backend) -> None:
        for name in ("b", "c", "a"):
            backend.keep("inbox", name, lambda _, name=name: name.upper())
        backend.keep("other", "d", lambda _: 1)
        assert [*backend.memos("inbox").items()] == [("a", "A"), ("b", "B"), ("c", "C")]

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_names_are_those_of_documents(self, backend: Backend, name: str) -> None:
        for topic, memo in (("inbox", name), (name, "ada")):
            with pytest.raises(InvalidName):
                backend.memo(topic, memo)
            with pytest.raises(InvalidName):
                backend.keep(topic, memo, lambda _: 1)
        with pytest.raises(InvalidName):
            backend.memos(name)

    def test_names_are_normalised(self, backend: Backend) -> None:
        backend.keep("Inbox", "Ada Lovelace", lambda _: 1)
        assert backend.memo("inbox", "ada-lovelace") == 1
        assert backend.memos("INBOX") == {"ada-lovelace": 1}

    def test_no_revision_is_lost(self, backend: Backend) -> None:
        def add(number: int) -> None:
            for _ in range(10):
                backend.keep("inbox", "ada", lambda value: (value or 0) + 1)

        in_threads(4, add)
        assert backend.memo("inbox", "ada") == 40

    def test_readers_wait_for_nobody_and_writers_not_for_ever(self, backend: Backend) -> None:
        backend.keep("inbox", "ada", lambda _: 1)

        def revise(_: Any) -> int:
            assert backend.memo("inbox", "ada") == 1
            with pytest.raises(Busy):
                backend.keep("inbox", "ada", lambda _: 3, wait=0)
            return 2

        backend.keep("inbox", "ada", revise)
        assert backend.memo("inbox", "ada") == 2

    def test_a_revision_that_fails_changes_nothing(self, backend: Backend) -> None:
        backend.keep("inbox", "ada", lambda _: 1)
        with pytest.raises(ZeroDivisionError):
            backend.keep("inbox", "ada", lambda value: value / 0)
        assert backend.keep("inbox", "ada", lambda value: value) == 1

    def test_memos_are_no_documents(self, backend: Backend) -> None:
        backend.keep("task", "one", lambda _: 1)
        assert not backend.list("task").records
        assert backend.archived() == []
