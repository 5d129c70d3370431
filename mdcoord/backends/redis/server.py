"""Meeting a server: whether it serves, what it can do, and what its data are called."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link, Script
from mdcoord.errors import AlreadyExists, BackendUnavailable, MdcoordError, UsageError
from mdcoord.model import Key

OLDEST: Final = (6, 2)

_HELLO = Script("hello")


class Server(NamedTuple):
    """`data` names what it holds and its clock ("": nothing); `has_json`: whether it has the JSON type."""

    data: str
    has_json: bool


def meet(link: Link, keys: Keys) -> Server:
    """Ask a server what it is; that writes nothing, so that also a full one can be read.

    Raises BackendUnavailable, UsageError for a prefix without a hash tag, and AlreadyExists where a copy for
    other programs is, whose keys a workspace would overwrite.
    """
    try:
        return _met(link, keys)
    except MdcoordError:
        link.close()
        raise


def _met(link: Link, keys: Keys) -> Server:
    facts = _facts(link.call("INFO"))
    where = link.address.shown
    if "sentinel" in (facts.get("redis_mode"), facts.get("server_mode")):
        raise BackendUnavailable(
            f"{where} is a Sentinel, which keeps no data",
            hint="name the primary that it watches: `SENTINEL MASTERS`, asked there, tells its address",
        )
    if facts.get("cluster_enabled") == "1" and not link.address.has_hash_tag:
        raise UsageError(
            f"Redis at {where} is a cluster, and the prefix of the keys does not keep them together",
            hint="put a name in braces into the prefix: redis://host:port/0?prefix={team}:",
        )
    version = facts.get("redis_version", "")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise BackendUnavailable(
            f"Redis at {where} is version {version or 'unknown'}", hint="6.2 or later is needed, or Valkey"
        )
    policy = facts.get("maxmemory_policy", "")
    if policy.startswith("allkeys") and facts.get("maxmemory", "0") != "0":
        raise BackendUnavailable(
            f"Redis at {where} forgets keys when its memory is full (maxmemory-policy {policy})",
            hint="set its maxmemory-policy to noeviction, or use another server",
        )
    if facts.get("role") == "slave":
        # This changes nothing, but is a write: it waits for the end of a fail-over.
        link.call("PERSIST", keys.identity)
    data = _named(link, keys, "")
    has_json = link.knows("JSON.TYPE", keys.json(Key("none", "none")))
    return Server(data, has_json)


def name_data(link: Link, keys: Keys) -> str:
    """What names the data of a server, which get a name when they are new. Raises like `meet`."""
    return _named(link, keys, os.urandom(8).hex())


def _named(link: Link, keys: Keys, name: str) -> str:
    data, copied = link.run(_HELLO, [keys.identity, keys.plain], [name])
    if copied and not data:
        raise AlreadyExists(
            f"a copy for other programs is in {link.address.shown}, made with --layout: {keys.plain} names "
            "its keys",
            hint="use another place: --prefix NAME, another database, or another server",
        )
    return f"redis-{data.decode()}" if data else ""


def durability(link: Link) -> str:
    """What a write survives that a server acknowledged, as it is set now. Raises BackendUnavailable.

    `appendonly`: it keeps a log of its writes; `snapshots`: a crash loses what is newer than the last one;
    `memory`: every restart loses everything; `unknown`: it does not say.
    """
    if _facts(link.call("INFO", "persistence")).get("aof_enabled") == "1":
        return "appendonly"
    if not link.knows("CONFIG", "GET", "save"):
        return "unknown"
    return "snapshots" if any(link.call("CONFIG", "GET", "save")[1:]) else "memory"


def _facts(text: bytes) -> Mapping[str, str]:
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
