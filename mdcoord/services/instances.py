"""Instances: who is registered or was ever seen, and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mdcoord.errors import InvalidDocument, NotFound
from mdcoord.host import timestamp
from mdcoord.model import Key, Record, Value
from mdcoord.records import Agent
from mdcoord.rules.presence import OFFLINE, ONLINE, STALE, Sign, presence
from mdcoord.services.env import Env
from mdcoord.services.inbox import Inbox, Inboxes


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as it is seen from here.

    `presence` is online, stale or offline; `last_seen` a timestamp, None: never; `status` what its agent
    document says, None where it has none; `unread` how many messages wait for its acknowledgement.
    """

    agent_id: str
    presence: str
    last_seen: str | None
    status: str | None
    unread: int = 0

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return asdict(self)


class Instances:
    """All who may send and get messages: agents with a document, and whoever looked for messages."""

    def __init__(self, env: Env, inboxes: Inboxes) -> None:
        self._env = env
        self._inboxes = inboxes

    def all(self) -> Sequence[Instance]:
        """All that are known, by name. Their messages are not counted."""
        agents = {record.key.id: record for record in self._env.backend.list("agent").records}
        inboxes = self._inboxes.all()
        return [
            self._seen(name, agents.get(name), inboxes.get(name, Inbox()))
            for name in sorted({*agents, *inboxes})
        ]

    def get(self, name: str) -> Instance | None:
        """One instance, None when nobody knows it. Its messages are not counted."""
        record, inbox = self.registered(name), self._inboxes.known(name)
        return None if record is None and inbox.looked is None else self._seen(name, record, inbox)

    def process(self, name: str, inbox: Inbox) -> int | None:
        """The process that an instance is known to be, if it lives: what a command does is a sign of it.

        Without one, the sign of a command stands for itself, and time tells.
        """
        host = self._env.host
        for sign in (Sign.from_dict(inbox.sign), self._sign_of(self.registered(name))):
            if sign.pid and sign.processes == host.processes and host.alive(sign.pid, sign.started):
                return sign.pid
        return None

    def _seen(self, name: str, record: Record | None, inbox: Inbox) -> Instance:
        host, registered, looked = self._env.host, self._sign_of(record), Sign.from_dict(inbox.sign)
        signs = [registered]
        # A passing command tells nothing beyond the registered process, unless it came later: then that
        # process was gone already, or the sign would name it.
        if looked.pid or not registered.pid or (looked.seen or 0) > (registered.seen or 0):
            signs.append(looked)
        states = [presence(sign, host) for sign in signs]
        seen = max((sign.seen for sign in signs if sign.seen is not None), default=None)
        status = record.fields.get("status") if record else None
        return Instance(
            name,
            next(state for state in (ONLINE, STALE, OFFLINE) if state in states),
            None if seen is None else timestamp(seen),
            status if isinstance(status, str) else None,
        )

    def _sign_of(self, record: Record | None) -> Sign:
        """The last sign of life that an agent's document tells of."""
        if record is None:
            return Sign()
        agent, host = Agent(record), self._env.host
        here = agent.pid > 0 and agent.host == host.name
        return Sign(agent.seen, agent.pid, processes=host.processes) if here else Sign(agent.seen)

    def registered(self, name: str) -> Record | None:
        """The agent document of an instance, None where there is none that can be read."""
        try:
            return self._env.backend.read(Key("agent", name))
        except (NotFound, InvalidDocument):
            return None
