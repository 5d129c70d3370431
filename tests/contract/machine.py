"""Random operations on a backend, compared with plain dictionaries after every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mdcoord.errors import AlreadyExists, Conflict, NotFound
from mdcoord.model import Change, Key
from mdcoord.rules.leases import Lease

from .suite import ContractBase, Factory

NAMES = st.sampled_from(["one", "two", "three"])
FIELDS = st.sampled_from(["alpha", "beta", "gamma"])
LEAVES = (
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12) | st.floats(-1e6, 1e6)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
CHANNELS = st.sampled_from(["training", "errors"])
TIME = "2026-01-31T09:30:00.000Z"


def machine(factory: Factory) -> type[RuleBasedStateMachine]:
    """A machine over backends of this factory."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.backend = factory()
            self.documents: dict[str, dict[str, Any]] = {}
            self.leases: dict[str, Lease | None] = {}
            self.archive: dict[str, tuple[str, dict[str, Any]]] = {}
            self.events: dict[str, list[Any]] = {}
            self.cursors: dict[str, list[str]] = {}
            self.kept: dict[str, int] = {}

        def teardown(self) -> None:
            self.backend.close()

        @rule(name=NAMES, fields=st.dictionaries(FIELDS, VALUES, max_size=3))
        def create(self, name: str, fields: dict[str, Any]) -> None:
            if name in self.documents:
                with pytest.raises(AlreadyExists):
                    self.backend.create("task", fields, name=name)
            else:
                self.backend.create("task", fields, name=name)
                self.documents[name] = fields

        @rule(name=NAMES, field=FIELDS, value=VALUES)
        def set(self, name: str, field: str, value: Any) -> None:
            self._write(name, Change(set={(field,): value}), {**self.documents.get(name, {}), field: value})

        @rule(name=NAMES, field=FIELDS)
        def remove(self, name: str, field: str) -> None:
            left = {key: value for key, value in self.documents.get(name, {}).items() if key != field}
            self._write(name, Change(delete=((field,),)), left)

        @rule(name=NAMES, items=st.lists(VALUES, min_size=1, max_size=2))
        def append(self, name: str, items: list[Any]) -> None:
            fields = self.documents.get(name, {})
            whole = [*fields.get("log", []), *items]
            self._write(name, Change(append={("log",): items}), {**fields, "log": whole})

        def _write(self, name: str, change: Change, expected: dict[str, Any]) -> None:
            if name not in self.documents:
                with pytest.raises(NotFound):
                    self.backend.write(Key("task", name), change)
            else:
                self.backend.write(Key("task", name), change)
                self.documents[name] = expected

        @precondition(lambda self: self.documents)
        @rule(data=st.data(), attempt=st.integers(0, 99))
        def lease(self, data: st.DataObject, attempt: int) -> None:
            name = data.draw(st.sampled_from(sorted(self.documents)))
            lease = Lease(attempt) if attempt else None
            self.backend.write(Key("task", name), Change(lease=lease))
            self.leases[name] = lease

        @precondition(lambda self: self.documents)
        @rule(data=st.data())
        def refused(self, data: st.DataObject) -> None:
            key = Key("task", data.draw(st.sampled_from(sorted(self.documents))))
            change = Change(set={("alpha",): "never"}, lease=Lease(1000))
            with pytest.raises(Conflict):
                self.backend.write(key, change, "no version")
            with pytest.raises(Conflict):
                self.backend.delete(key, "no version")
            with pytest.raises(ZeroDivisionError):
                self.backend.write(key, lambda record: 1 // 0)  # type: ignore[arg-type,return-value]

        @rule(name=NAMES)
        def delete(self, name: str) -> None:
            if name in self.documents:
                self.backend.delete(Key("task", name))
                del self.documents[name]
            else:
                with pytest.raises(NotFound):
                    self.backend.delete(Key("task", name))

        @precondition(lambda self: self.documents)
        @rule(data=st.data())
        def archive_one(self, data: st.DataObject) -> None:
            name = data.draw(st.sampled_from(sorted(self.documents)))
            archived = self.backend.archive(Key("task", name))
            assert archived not in self.archive
            self.archive[archived] = (name, self.documents.pop(name))

        @precondition(lambda self: self.archive)
        @rule(data=st.data())
        def restore(self, data: st.DataObject) -> None:
            archived = data.draw(st.sampled_from(sorted(self.archive)))
            name, fields = self.archive[archived]
            if name in self.documents:
                with pytest.raises(AlreadyExists):
                    self.backend.restore(archived)
            else:
                assert self.backend.restore(archived).key.id == name
                del self.archive[archived]
                self.documents[name] = fields

        @rule(
            channel=CHANNELS,
            data=st.dictionaries(st.sampled_from(["loss", "step", "Note"]), VALUES, max_size=3),
        )
        def publish(self, channel: str, data: dict[str, Any]) -> None:
            event = self.backend.append(channel, "happened", data, time=TIME)
            self.events.setdefault(channel, []).append(data)
            self.cursors.setdefault(channel, []).append(event.cursor)
            self.kept[channel] = self.kept.get(channel, 0) + 1

        @precondition(lambda self: self.events)
        @rule(data=st.data(), keep=st.integers(0, 4))
        def rotate(self, data: st.DataObject, keep: int) -> None:
            channel = data.draw(st.sampled_from(sorted(self.events)))
            moved = max(0, self.kept[channel] - keep)
            assert self.backend.rotate(channel, keep) == moved
            self.kept[channel] -= moved

        @precondition(lambda self: self.events)
        @rule(data=st.data())
        def tail(self, data: st.DataObject) -> None:
            channel = data.draw(st.sampled_from(sorted(self.events)))
            position = data.draw(st.integers(0, len(self.events[channel]) - 1))
            found = self.backend.tail(channel, self.cursors[channel][position])
            assert [dict(event.data) for event in found] == self.events[channel][position + 1 :]

        @invariant()
        def same(self) -> None:
            listed = {record.key.id: _own(record.fields) for record in self.backend.list("task").records}
            assert listed == self.documents
            for name, fields in self.documents.items():
                record = self.backend.read(Key("task", name))
                assert _own(record.fields) == fields
                assert record.lease == self.leases.get(name)
            logs = [name for name in self.backend.archived() if name.startswith("events-")]
            assert sorted([*self.archive, *logs]) == list(self.backend.archived())
            assert list(self.backend.channels()) == sorted(self.events)
            for channel, events in self.events.items():
                in_log = events[len(events) - self.kept[channel] :]
                assert [dict(event.data) for event in self.backend.tail(channel)] == in_log
                assert [dict(event.data) for event in self.backend.last(channel, 2)] == in_log[-2:]

    return Machine


def _own(fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in ("schema", "task_id")}


class MachineContract(ContractBase):
    """A backend does what dictionaries do."""

    def test_against_a_model(self, factory: Factory) -> None:
        run_state_machine_as_test(
            machine(factory), settings=settings(max_examples=60, stateful_step_count=20)
        )
