"""Plain lines of JSON, one a task, with our own names of fields: what a script can write in a minute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from mdcoord.formats.foreign.found import Found, Unusable


def read_task(raw: Mapping[str, Any], where: str) -> Found | Unusable:
    """The task of a line: `title`, and any other field of a task; `body` is the text below.

    Without an `id` it gets one that is made from what it says, so that the same line is the same task.
    """
    if not isinstance(raw.get("title"), str) or not raw["title"].strip():
        return Unusable(where, "it has no title, so it is no task")
    said = sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:10]
    name = str(raw.get("id") or raw.get("task_id") or said)
    needed = raw.get("depends_on") or []
    depends_on = tuple(map(str, needed if isinstance(needed, list) else [needed]))
    own = ("id", "task_id", "body", "depends_on")
    fields = {key: value for key, value in raw.items() if key not in own}
    return Found(
        "task",
        name,
        {"title": raw["title"], "status": "pending", "priority": 0, **fields},
        str(raw.get("body") or ""),
        depends_on,
    )
