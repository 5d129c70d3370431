"""Reading events where one left off, also after a restart: remember the cursor of the last event that was
handled.

    python examples/03_events_with_a_cursor.py
"""

import tempfile
from pathlib import Path

from mdcoord import Workspace


def handle_new_events(project: str, bookmark: Path) -> list[int]:
    """One run of a consumer, as a script started now and then would do it."""
    after = bookmark.read_text() if bookmark.exists() else None  # None: from the beginning
    steps = []
    with Workspace.open(project) as w:
        for event in w.events.tail("training", after=after):
            steps.append(event["step"])  # handle the event first ...
            bookmark.write_text(event.cursor)  # ... then note that it is handled, so that none is skipped
    return steps


with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    bookmark = Path(project, "bookmark")
    for step in (100, 200, 300):
        w.events.publish("training", "checkpoint_saved", step=step)
    print("first run: ", handle_new_events(project, bookmark))
    print("second run:", handle_new_events(project, bookmark))

    w.events.publish("training", "checkpoint_saved", step=400)
    w.rotate("training", keep=1)  # the older events go to the archive; the cursor stays good
    w.events.publish("training", "training_finished", step=500)
    print("third run: ", handle_new_events(project, bookmark))

# It prints:
#   first run:  [100, 200, 300]
#   second run: []
#   third run:  [400, 500]
