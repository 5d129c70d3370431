"""A worker that knows nothing: the brief tells all, and nothing is complete before its criteria are met.

python examples/12_brief.py
"""

import tempfile
from pathlib import Path

from mdcoord import Claim, Worker, Workspace
from mdcoord.errors import NotAccepted

HOW = "# Evaluate the model\n\nUse the test set only. Write down the word error rate.\n"

with tempfile.TemporaryDirectory() as folder, Workspace.create(folder, agent="ai-engineer") as w:
    # The coordinator writes down everything: no worker has heard what was said before.
    (Path(folder) / "docs").mkdir()
    (Path(folder) / "docs/evaluate.md").write_text(HOW)
    w.context.set("proj1-dataset", {"path": "data/alice", "segments": 1847})
    w.tasks.create("Train", id="train")
    w.tasks.claim("train").complete({"weights": "final.pt"})
    w.tasks.create(
        "Evaluate",
        id="evaluate",
        instructions="docs/evaluate.md",
        context=["proj1-dataset", "docs/metrics.md"],
        depends_on=["train"],
        acceptance=["word error rate below 0.2", "report written"],
        fields={"require_acceptance": True},
    )

    def work(claim: Claim) -> dict[str, float]:
        brief = w.brief(claim.id)
        print("told to:     ", brief.instructions[0].text.splitlines()[0])
        print("to read:     ", brief.context[0].data)
        print("came before: ", brief.results[0].data)
        print("missing:     ", *brief.problems)
        w.tasks.accept(claim.id, "word error rate below 0.2", token=claim.token)
        try:
            claim.complete()
        except NotAccepted as error:
            print("not yet:     ", error.details["open"])
        (Path(folder) / "docs/report.md").write_text("0.17\n")
        w.tasks.accept(claim.id, 2, token=claim.token)
        return {"wer": 0.17}

    Worker(w, work, limit=1).run()
    task = w.tasks.get("evaluate")
    print("in the end:  ", task.status, task.result)
    print(*(line for line in task.body.splitlines() if line.startswith("- [")), sep="\n")

# It prints:
#   told to:      # Evaluate the model
#   to read:      {'path': 'data/alice', 'segments': 1847}
#   came before:  {'weights': 'final.pt'}
#   missing:      docs/metrics.md: there is no such file
#   not yet:      [2]
#   in the end:   completed {'wer': 0.17}
#   - [x] word error rate below 0.2
#   - [x] report written
