"""Claim and complete in Redis, against the least that any queue there needs: two Lua scripts a task.

The bare loop takes the best task from a sorted set, notes its holder and a key that expires (one script), and
ends it if it is still the holder's (another). It keeps no document, no history and nothing for people. Both
take turns on one server, which this starts; the table shows medians and the ratio of each round's pair. With
`--registered` there is a second row each, for agents whose limit and breaker are looked after.

    python tests/benchmarks/bench_redis.py [--tasks 100 10000] [--claims 800] [--rounds 5] [--processes 1 4]
        [--registered]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path

import redis

from mdcoord import Workspace
from mdcoord.backends.redis.store import RedisBackend
from mdcoord.backends.values import Copy
from mdcoord.errors import NothingReady
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.model import Key

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis_servers import Server, some_program

CONTEXT = multiprocessing.get_context("fork")
NUMBERS = count()

CLAIM = """
local found = redis.call('ZPOPMAX', KEYS[1])
if #found == 0 then return false end
redis.call('HSET', KEYS[2] .. found[1], 'status', 'in_progress', 'agent', ARGV[1])
redis.call('SET', KEYS[3] .. found[1], ARGV[1], 'EX', 300)
return found[1]
"""
COMPLETE = """
if redis.call('GET', KEYS[3] .. ARGV[2]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2] .. ARGV[2], 'status', 'completed')
return redis.call('DEL', KEYS[3] .. ARGV[2])
"""

Worker = Callable[[str, str, int, int, Barrier, "multiprocessing.sharedctypes.Synchronized[float]"], None]


def bare_worker(socket: str, url: str, number: int, claims: int, barrier: Barrier, ended: object) -> None:
    client = redis.Redis(unix_socket_path=socket)
    claim, complete = client.register_script(CLAIM), client.register_script(COMPLETE)
    prefix = url.rpartition("=")[2]
    keys, me = [f"{prefix}q", f"{prefix}t:", f"{prefix}c:"], f"worker-{number}"
    client.ping()
    barrier.wait()
    for _ in range(claims):
        complete(keys=keys, args=[me, claim(keys=keys, args=[me])])
    done(ended)


def mdcoord_worker(
    socket: str,
    url: str,
    number: int,
    claims: int,
    barrier: Barrier,
    ended: object,
    *,
    registered: bool = False,
) -> None:
    with Workspace.open(url, agent=f"worker-{number}") as workspace:
        if registered:
            workspace.agents.register()
        barrier.wait()
        for _ in range(claims):
            try:
                workspace.tasks.claim(heartbeat=False).complete()
            except NothingReady:
                break
        done(ended)


def done(ended: object) -> None:
    with ended.get_lock():  # type: ignore[attr-defined]
        ended.value = max(ended.value, time.perf_counter())  # type: ignore[attr-defined]


def rate(worker: Worker, server: Server, url: str, claims: int, processes: int) -> float:
    """Tasks that all processes claim and complete in a second."""
    barrier, ended = CONTEXT.Barrier(processes + 1), CONTEXT.Value("d", 0.0)
    each = claims // processes
    crew = [
        CONTEXT.Process(target=worker, args=(str(server.socket), url, number, each, barrier, ended))
        for number in range(processes)
    ]
    for process in crew:
        process.start()
    barrier.wait()
    begun = time.perf_counter()
    for process in crew:
        process.join()
    return each * processes / (ended.value - begun)


def fill_bare(server: Server, tasks: int) -> str:
    url = server.url(f"bare{next(NUMBERS)}:")
    prefix = url.rpartition("=")[2]
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(tasks):
            pipeline.zadd(f"{prefix}q", {f"n{number}": number % 5})
            pipeline.hset(f"{prefix}t:n{number}", "status", "pending")
        pipeline.execute()
    return url


def fill_mdcoord(server: Server, tasks: int) -> str:
    url = server.url(f"mdcoord{next(NUMBERS)}:")
    scribe = Scribe(Templates([]))
    fields = {"title": "A task", "status": "pending", "attempt": 0, "created_at": "2026-01-31T09:30:00.000Z"}
    with RedisBackend(url) as backend:
        keys = (Key("task", f"n{number}") for number in range(tasks))
        backend.put_all(
            [
                Copy(key, scribe.create(key, {**fields, "priority": place % 5}).text)
                for place, key in enumerate(keys)
            ]
        )
    return url


def measure(
    server: Server, tasks: int, claims: int, rounds: int, processes: int, *, registered: bool
) -> None:
    pairs, worker = [], partial(mdcoord_worker, registered=registered)
    for _ in range(rounds):
        bare = rate(bare_worker, server, fill_bare(server, tasks), claims, processes)
        whole = rate(worker, server, fill_mdcoord(server, tasks), claims, processes)
        pairs.append((bare, whole))
        with redis.Redis(unix_socket_path=str(server.socket)) as client:
            client.flushall()
    floor, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(whole / bare for bare, whole in pairs)
    agents = "registered" if registered else "any"
    print(f"| {tasks:,} | {processes} | {agents} | {floor:,.0f} | {ours:,.0f} | {ratio:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--claims", type=int, default=800, help="how many are claimed in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--registered", action="store_true", help="registered agents, too")
    options = parser.parse_args()
    server = Server(some_program())
    try:
        print("| tasks | processes | agents | bare /s | mdcoord /s | ratio |\n|---|---|---|---|---|---|")
        for tasks in options.tasks:
            for processes in options.processes:
                claims = min(options.claims, tasks)
                for registered in (False, True)[: 1 + options.registered]:
                    measure(server, tasks, claims, options.rounds, processes, registered=registered)
    finally:
        server.close()


if __name__ == "__main__":
    main()
