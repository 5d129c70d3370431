"""Anyone may edit the files in any editor, at any time. Neither the person's save nor the tool's update is
lost.

    python examples/05_hand_edits_survive.py
"""

import tempfile
from pathlib import Path

from mdcoord import Workspace

with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    w.tasks.create("Train model", id="train", priority=5)
    file = Path(project, ".claude/coordination/task-train.md")

    with w.tasks.claim("train", agent="ai-engineer") as claim:
        claim.progress(0.2, step=2000)

        # A person opens the file in an editor. While the person types, the agent goes on ...
        opened = file.read_text()
        claim.progress(0.4, step=4000, loss=0.42)

        # ... and then the person saves: a comment, a key that mdcoord does not know, a line of prose, all in
        # a text that knows nothing of step 4000. Other tools lose the agent's update here.
        typed = opened.replace("priority: 5", "priority: 5  # agreed with Alice\nreviewer: alice")
        file.write_text(typed + "\nAlice would like a warmer voice.\n")

        claim.progress(0.6)
        claim.complete()

    text = file.read_text()
    task = w.tasks.get("train")
    print("the person's comment:", "# agreed with Alice" in text)
    print("the person's key:    ", task["reviewer"])
    print("the person's prose:  ", "Alice would like a warmer voice." in text)
    print("the agent's update:  ", task.metadata)
    print("the task:            ", task.status)

# It prints:
#   the person's comment: True
#   the person's key:     alice
#   the person's prose:   True
#   the agent's update:   {'step': 4000, 'loss': 0.42}
#   the task:             completed
