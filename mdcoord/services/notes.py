"""What agents tell each other: shared context, figures, and how far a project is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from mdcoord.errors import UsageError
from mdcoord.model import Change, Path, Record, Value
from mdcoord.records import Context, Metrics, Own, Progress
from mdcoord.services.documents import Documents

if TYPE_CHECKING:
    from mdcoord.services.health import Health

SAMPLES: Final = 100
"""How many samples of metrics are kept at least; beyond twice as many the oldest go."""


class Contexts(Documents[Context]):
    """Shared context: a mapping that one agent found out and others use."""

    kind = "context"

    def set(
        self,
        name: str,
        data: Mapping[str, Value],
        *,
        title: str | None = None,
        merge: bool = True,
        by: str | None = None,
        project: str | None = None,
        domain: str | None = None,
    ) -> Context:
        """Put data into a context, which is made when missing; without `merge` it replaces what was there.

        Raises InvalidName, Busy, InvalidDocument.
        """
        author = by or self._env.agent
        about = {"project_id": project, "domain": domain, "title": title}
        given = {field: value for field, value in about.items() if value is not None}
        now = self._env.host.stamp()
        whole = {**given, "created_by": author, "created_at": now, "last_updated": now, "data": dict(data)}
        changes: dict[Path, Value] = {(field,): value for field, value in given.items()}
        if merge:
            changes |= {("data", field): value for field, value in data.items()}
        else:
            changes["data",] = dict(data)
        return self._put(name, _present(whole), Change(set=changes))


class MetricsDocuments(Documents[Metrics]):
    """Figures by type: the latest value of each, and the last samples."""

    kind = "metrics"

    def record(self, name: str, /, **values: Value) -> Metrics:
        """Note figures, as in `record("performance", loss=0.42)`.

        Raises InvalidName, Busy, InvalidDocument.
        """
        if not values:
            raise UsageError("there are no figures to record", hint='record("performance", loss=0.42)')
        if name in ("coordination", "agents"):
            raise UsageError(f"the metrics {name!r} are worked out, not recorded", hint="use another name")
        now = self._env.host.stamp()
        sample = {"at": now, **values}

        def decide(record: Record) -> Change:
            changes: dict[Path, Value] = {("values", figure): value for figure, value in values.items()}
            changes["last_updated",] = now
            samples = record.fields.get("samples")
            if isinstance(samples, list) and len(samples) < 2 * SAMPLES:
                return Change(set=changes, append={("samples",): [sample]})
            kept = samples[1 - SAMPLES :] if isinstance(samples, list) else []
            return Change(set={**changes, ("samples",): [*kept, sample]})

        return self._put(name, {"last_updated": now, "values": values, "samples": [sample]}, decide)

    def show(self, name: str) -> Metrics:
        """The figures of one type. Raises NotFound."""
        return self.get(name)

    def coordination(self) -> dict[str, Value]:
        """Whether claims, locks and files are in order; see `Health.coordination`."""
        return self._health.coordination()

    def agents(self) -> list[dict[str, Value]]:
        """How each agent does, by type of task; see `Health.agents`."""
        return self._health.agents()

    @property
    def _health(self) -> Health:
        from mdcoord.services.health import Health

        return Health(self._env)


class ProgressDocuments(Documents[Progress]):
    """How far projects are. What is shown of a workflow is worked out from its tasks."""

    kind = "progress"

    def set(self, project: str, /, **fields: Value) -> Progress:
        """Note how far a project is: `set("proj-1", progress=0.4, phase="training", blockers=[])`.

        `progress` is 0 to 1. Raises InvalidName, UsageError, Busy, InvalidDocument.
        """
        value = fields.get("progress")
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise UsageError(f"a progress of {value!r} is not possible", hint="from 0 to 1, as in 0.35")
        created = {**fields, "last_updated": self._env.host.stamp()}
        return self._put(project, created, Change(set={(field,): value for field, value in fields.items()}))

    def show(self, project: str) -> Progress:
        """How far one project is. Raises NotFound."""
        return self.get(project)

    def refresh(self, project: str | None = None) -> Sequence[Progress]:
        """Write into the progress documents of workflows (or of this one) how they stand.

        Returns those that were not up to date. Nobody needs it to see how they stand: reading works it out.
        Raises NotFound for a project that has no document.
        """
        from mdcoord.services.outlooks import Outlooks

        look = Outlooks(self._env)
        keys = [record.key for record in self._backend.list(self.kind).records if _is_workflow(record)]
        if project is not None:
            keys = [self._key(project)]
        before = {key: self._backend.read(key).version for key in keys}
        records = [look.write(key) for key in keys]
        return [Progress(record) for record in records if record.version != before[record.key]]

    def _all(self) -> Sequence[Progress]:
        records = self._backend.list(self.kind).records
        if not any(map(_is_workflow, records)):
            return [Progress(record) for record in records]
        from mdcoord.services.outlooks import Outlooks

        look = Outlooks(self._env)
        return [Progress(look.current(record)) for record in records]

    def _typed(self, record: Record, own: Own | None = None) -> Progress:
        if not _is_workflow(record):
            return Progress(record, own)
        from mdcoord.services.outlooks import Outlooks

        return Progress(Outlooks(self._env).current(record), own)


def _is_workflow(record: Record) -> bool:
    return bool(record.fields.get("phases"))


def _present(fields: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in fields.items() if value is not None}
