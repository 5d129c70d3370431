"""One task from beginning to end: create it, claim it, report progress, complete it.

python examples/01_create_claim_complete.py
"""

import tempfile

from mdcoord import Workspace

# A workspace is a folder of Markdown files. Here it is a temporary one; in your project, `mdcoord init` makes
# it once, and `Workspace.open()` finds it from anywhere inside.
with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    w.tasks.create("Train model", id="train", priority=5, needs=["training"])

    # `claim` hands out the best task that is ready, to exactly one caller, however many ask at once.
    # While the block runs the claim is kept alive; if it fails with an exception, the task is pending again.
    with w.tasks.claim(agent="ai-engineer", can=["training"]) as claim:
        claim.progress(0.35, step=3500)
        w.events.publish("training", "checkpoint_saved", step=3500, loss=0.42)
        claim.complete(result={"path": "final.pt"})

    for task in w.query("task", "status = 'completed' and progress > 0.3"):
        print(f"{task.title}: {task.status} by {task.assigned_agent}, attempt {task.attempt}")

    # All of it is in one file: front matter for programs, and below it what people read:
    text = w.tasks.text("train")
    print(text[text.index("# Task") : text.index("## Timeline")].strip())

# It prints:
#   Train model: completed by ai-engineer, attempt 1
#   # Task: Train model
#
#   **Task ID**: train
#   **Project ID**: N/A
#   **Status**: completed
#   **Assigned Agent**: ai-engineer
#   **Priority**: 5
#   **Needs**: training
