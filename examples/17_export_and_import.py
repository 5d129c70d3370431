"""In from another program, out as lines of JSON, and into another store: nothing is lost on the way.

python examples/17_export_and_import.py
"""

import tempfile
from pathlib import Path

from mdcoord import Workspace
from mdcoord.backends.memory import MemoryBackend

ISSUES = """\
{"id": "bd-a1", "title": "Parse", "status": "closed", "close_reason": "it parses", "owner": "ada@example.org"}
{"id": "bd-b2", "title": "Render", "dependencies": [{"depends_on_id": "bd-a1", "type": "blocks"}]}
{"id": "bd-c3", "title": "Think", "status": "deferred"}
"""

with tempfile.TemporaryDirectory() as folder, Workspace.create(folder, agent="ada") as w:
    issues = Path(folder, "issues.jsonl")
    issues.write_text(ISSUES)
    found = w.import_(issues, tool="beads")
    print("came in:     ", found.new)
    print("kept:        ", w.tasks.get("bd-a1")["beads"]["owner"])
    print("a second time:", w.import_(issues, tool="beads").same)

    claim = w.tasks.claim(ttl=600)
    claim.progress(0.5)
    for step in (1, 2, 3):
        w.events.publish("build", "step", n=step)
    with w.events.subscribe("build", consumer="bot", follow=False) as events:
        print("bot has seen:", [event["n"] for event in events.take(1)])
        events.ack()

    backup = Path(folder, "backup.jsonl")
    backup.write_text("".join(w.export(archive=True)))

    # Another store: in memory here, Redis or another folder just as well.
    with Workspace(MemoryBackend(), agent="ada", session=w.session) as other:
        print("moved:       ", other.import_(backup).new)
        with other.events.subscribe("build", consumer="bot", follow=False) as events:
            print("bot goes on: ", [event["n"] for event in events])
        other.tasks.complete(claim.id, token=claim.token, result="rendered")  # the claim came along
        print("there:       ", other.tasks.get(claim.id).status, "here:", w.tasks.get(claim.id).status)

        print("differences: ", list(other.import_(backup).different))  # what was changed there stays

# It prints:
#   came in:      {'task': 3}
#   kept:         ada@example.org
#   a second time: {'task': 3}
#   bot has seen: [1]
#   moved:        {'channel': 1, 'event': 3, 'consumer': 1, 'task': 3}
#   bot goes on:  [2, 3]
#   there:        completed here: in_progress
#   differences:  ['task-bd-b2']
