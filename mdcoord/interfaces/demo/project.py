"""The project that the demo works on: cloning Alice's voice, laid out as a workspace.

Four files are in the old bold-field format, as people and scripts wrote them before mdcoord (`files/`);
everything else is made through the library.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from mdcoord.workspace import Workspace

OLD_FILES: Final = ("agent-ai-engineer", "task-train-model", "context-proj1-dataset", "events-training")
"""Hand-written files without front matter, as they lie in `files/`."""

OLD_EVENTS: Final = 4
"""Events that `files/events-training.md` holds."""

PROJECT: Final = "proj-1"
CHANNEL: Final = "training"
TRAINING: Final = "123"
"""The task whose worker is killed and whose file is edited by hand; it lies in `task-train-model.md`."""

LEADER: Final = "ml-engineer"
HOLD_AT: Final = 5_000
"""The training step at which the first attempt stays until it is killed."""

SKILLS: Final[dict[str, tuple[str, ...]]] = {
    "ml-engineer": ("audio", "training", "evaluation"),
    "ai-engineer": ("training", "evaluation"),
    "data-engineer": ("audio", "evaluation"),
    "qa-engineer": ("evaluation",),
}
"""Who works here, and what each can do. Whichever of them is lost, the first two can do the rest."""


@dataclass(frozen=True)
class Job:
    """One task as the demo makes it; `type` names its function in `jobs`."""

    id: str
    title: str
    type: str
    priority: int
    needs: str
    depends_on: tuple[str, ...] = ()


CHAIN: Final = (
    Job("recordings-check", "Check Alice's recordings", "measure", 9, "audio"),
    Job("122", "Process the Alice dataset", "process", 9, "audio", ("recordings-check",)),
    Job("121", "Check that the GPU is available", "gpu-check", 9, "training", ("122",)),
    Job(TRAINING, "Train model on Alice dataset", "train", 8, "training", ("122", "121")),
    Job("124", "Evaluate the trained model", "evaluate", 7, "evaluation", (TRAINING,)),
    Job("export-onnx", "Export the model as ONNX", "export", 6, "evaluation", (TRAINING,)),
    Job("export-report", "Export the report of the project", "export", 5, "evaluation", ("124", "122")),
)
"""The tasks that wait for each other."""

LEAST_TASKS: Final = len(CHAIN) + 1
LEAST_WORKERS: Final = 2


@dataclass(frozen=True)
class Plan:
    """What is to be done, as the report needs to know it. Kept beside the project in `plan.json`."""

    workers: tuple[str, ...]
    jobs: tuple[Job, ...]
    added: Mapping[str, str] = field(default_factory=dict)
    """What the person writes into the file by hand: comment, key, prose."""

    @classmethod
    def make(cls, workers: int, tasks: int) -> Self:
        """The project with so many workers and tasks in all."""
        names = [*SKILLS][:workers]
        names += [f"{[*SKILLS][extra % 2]}-{extra // 2 + 2}" for extra in range(workers - len(names))]
        free = range(1, tasks - len(CHAIN) + 1)
        measures = (
            Job(f"measure-{n:02d}", f"Measure recording {n:02d}", "measure", 1 + n % 3, "evaluation")
            for n in free
        )
        added = {
            "comment": "# Alice listens to every checkpoint herself",
            "key": "listened_by",
            "value": "Alice",
            "prose": "Alice would like a warmer voice; ask her before the final export.",
        }
        return cls(tuple(names), (*CHAIN, *measures), added)

    def save(self, folder: Path) -> None:
        """Write it down in the demo's folder."""
        (folder / "plan.json").write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read it back."""
        data = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        jobs = tuple(Job(**{**job, "depends_on": tuple(job["depends_on"])}) for job in data["jobs"])
        return cls(tuple(data["workers"]), jobs, data["added"])


def skills_of(worker: str) -> tuple[str, ...]:
    """What a worker can do: `ai-engineer-2` the same as `ai-engineer`."""
    return SKILLS[worker] if worker in SKILLS else SKILLS[worker.rpartition("-")[0]]


def project_folder(folder: Path) -> Path:
    """The project within the demo's folder."""
    return folder / "voice-clone"


def journal_folder(folder: Path) -> Path:
    """Where the workers write down what was acknowledged; no part of the workspace."""
    return folder / "journals"


def lay_out(folder: Path, plan: Plan) -> Path:
    """Make the workspace with its old files and new tasks, and return its root."""
    plan.save(folder)
    journal_folder(folder).mkdir()
    root = project_folder(folder) / ".claude/coordination"
    # Claims are kept here even if the folder for temporary files lies in somebody's git repository.
    (root / ".state").mkdir(parents=True)
    with Workspace.create(project_folder(folder), agent=LEADER) as w:
        for name in OLD_FILES:
            shutil.copyfile(Path(__file__).parent / f"files/{name}.md", root / f"{name}.md")
        _make_tasks(w, plan)
        w.context.set(
            "proj1-training-config",
            {"learning_rate": 0.0005, "batch_size": 8, "total_steps": 10_000},
            title="Hyperparameters of the Alice voice clone",
            project=PROJECT,
        )
        w.progress.set(PROJECT, title="Alice voice clone", phase="dataset", progress=0.0)
    return root


def _make_tasks(w: Workspace, plan: Plan) -> None:
    for job in plan.jobs:
        if job.id == TRAINING:
            _queue_again(w, job)
            continue
        w.tasks.create(
            job.title,
            id=job.id,
            type=job.type,
            priority=job.priority,
            needs=[job.needs],
            depends_on=job.depends_on,
            project=PROJECT,
        )


def _queue_again(w: Workspace, job: Job) -> None:
    """Put the hand-written task back into the queue: in progress by its file, but nobody works on it."""
    changes: dict[str, Any] = {
        "type": job.type,
        "status": "pending",
        "priority": job.priority,
        "needs": [job.needs],
        "depends_on": list(job.depends_on),
        "hold_at_step": HOLD_AT,
    }
    w.tasks.update(job.id, changes, delete=["assigned_agent", "assigned_at", "started_at", "progress", "eta"])
