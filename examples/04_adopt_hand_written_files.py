"""Files that people or scripts wrote before mdcoord, with `**Status**: …` and no front matter, are records at
once.

    python examples/04_adopt_hand_written_files.py
"""

import tempfile
from pathlib import Path

from mdcoord import Workspace

OLD_FILE = """\
# Task: Train model on Alice dataset

**Task ID**: task-123
**Project ID**: proj-1
**Status**: pending

## Next Steps

1. Save final model to `final.pt`

Ask Alice before the final export!
"""

with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    file = Path(project, ".claude/coordination/task-train-model.md")
    file.write_text(OLD_FILE)

    # Reading changes nothing. The task is found by its file's name and by the id that stands in it.
    task = w.tasks.get("task-123")
    print(f"read: {task.title!r} of {task.project_id} is {task.status}; next: {task.next_steps[0]}")
    print("still the old file:", file.read_text() == OLD_FILE)

    # The first write adopts the file: it gets front matter, and every line that somebody wrote is kept.
    with w.tasks.claim("task-123", agent="ai-engineer") as claim:
        claim.complete(result={"path": "final.pt"})
    text = file.read_text()
    print("first line now:", text.splitlines()[0], "| second:", text.splitlines()[1])
    print("nothing is missing:", OLD_FILE in text)
    print("status:", w.tasks.get("train-model").status)

# It prints:
#   read: 'Train model on Alice dataset' of proj-1 is pending; next: Save final model to `final.pt`
#   still the old file: True
#   first line now: --- | second: schema: mdcoord/task/1
#   nothing is missing: True
#   status: completed
