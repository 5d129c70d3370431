"""A durable consumer of events: each at least once, though it dies in the middle and the log is rotated.

python examples/15_consumer.py
"""

import tempfile

from mdcoord import Workspace


def plot(project: str, *, dies_at: int | None = None) -> list[int]:
    """One run of the consumer `plotter`: an event counts as handled when the next one is asked for."""
    done = []
    wanted = "name = 'checkpoint_saved'"
    with (
        Workspace.open(project) as w,
        w.events.subscribe("training", consumer="plotter", where=wanted, follow=False) as events,
    ):
        for event in events:
            if event["step"] == dies_at:
                raise RuntimeError("the plotter crashed")
            done.append(event["step"])
    return done


with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    for step in (100, 200, 300):
        w.events.publish("training", "checkpoint_saved", step=step)
        w.events.publish("training", "evaluated", step=step)
    try:
        plot(project, dies_at=200)
    except RuntimeError as error:
        print("first run: ", error)

    w.rotate("training", keep=1)  # what the plotter has not had is in the archive now
    w.events.publish("training", "checkpoint_saved", step=400)
    for consumer in w.events.consumers("training"):
        print("waiting:   ", consumer.lag, "events for", consumer.consumer)
    print("second run:", plot(project))
    print("third run: ", plot(project))

    for _ in range(2):
        with w.events.subscribe("training", consumer="by-hand", follow=False, ack=False) as events:
            batch = events.take(2)
            print("by hand:   ", [event["step"] for event in batch])
            events.ack(batch[0])  # this one and all before it: the other one comes again

# It prints:
#   first run:  the plotter crashed
#   waiting:    6 events for plotter
#   second run: [200, 300, 400]
#   third run:  []
#   by hand:    [300, 400]
#   by hand:    [400]
