"""Asking for what you need: queries over any field, and the JSON block that shell tools read.

python examples/06_query_and_json.py
"""

import json
import re
import tempfile

from mdcoord import Workspace

with tempfile.TemporaryDirectory() as project, Workspace.create(project, agent="data-engineer") as w:
    w.tasks.create("Train model", id="train", priority=8, project="proj-1", fields={"loss_goal": 0.3})
    w.tasks.create("Evaluate", id="evaluate", priority=3, project="proj-1", depends_on=["train"])
    w.tasks.create("Tidy up", id="tidy", priority=1, project="proj-2")

    # Conditions on any field, your own included. `_ready` and other names with an underscore are worked out.
    for task in w.query("task", "project_id = 'proj-1' and priority >= 3", sort="-priority"):
        print(f"{task.title}: {'ready' if task.ready else 'waits'}")
    print("with a goal:", w.query("task", "loss_goal < 0.5", select="title,loss_goal"))

    # Shared context is a mapping; in the file it is a JSON block, so `jq` gets at it as well:
    #   sed -n '/```json/,/```/p' context-proj1-dataset.md | sed '1d;$d' | jq .segments_count
    w.context.set("proj1-dataset", {"path": "data/alice/", "segments_count": 1847}, project="proj-1")
    w.context.set("proj1-dataset", {"average_snr_db": 24.3})  # adds to what is there
    print("context:", dict(w.context.get("proj1-dataset").data))

    block = re.search(r"```json\n(.*?)```", w.context.text("proj1-dataset"), re.DOTALL)
    print("from the file:", json.loads(block[1]) if block else None)

# It prints:
#   Train model: ready
#   Evaluate: waits
#   with a goal: [{'title': 'Train model', 'loss_goal': 0.3}]
#   context: {'path': 'data/alice/', 'segments_count': 1847, 'average_snr_db': 24.3}
#   from the file: {'path': 'data/alice/', 'segments_count': 1847, 'average_snr_db': 24.3}
