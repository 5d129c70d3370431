"""Messages between instances: sent, listed, acknowledged, and told to those who were away.

A message is one document, and its acknowledgements are in it, so it can be read, written and merged by hand
as everything else. An instance is an agent's name; it need not be registered. What is volatile (who was told
of what, who was seen when) is in memos, see `inbox`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from mdcoord.backends.values import Listing
from mdcoord.errors import AlreadyExists, InvalidDocument, NotFound, UsageError
from mdcoord.host import timestamp
from mdcoord.model import ANY, Change, Expect, Key, Record, Value
from mdcoord.records import Message, Own
from mdcoord.rules.addressing import (
    ALL,
    instance_id,
    is_for,
    is_pending,
    recipient_of,
    same_ack,
    sender_of,
)
from mdcoord.rules.presence import OFFLINE, ONLINE, Sign
from mdcoord.services.crew import Activities, Crew
from mdcoord.services.documents import Documents, Where
from mdcoord.services.env import Env
from mdcoord.services.inbox import Inbox, Inboxes, age
from mdcoord.services.instances import Instance, Instances


class MessageType(StrEnum):
    """What a message is about, and who sends it to whom as a rule."""

    READY_FOR_REVIEW = "READY_FOR_REVIEW"
    """Feature to orchestrator: please review this branch."""
    REVIEW_COMPLETE = "REVIEW_COMPLETE"
    """Orchestrator to feature: passed, and merged."""
    REVIEW_FAILED = "REVIEW_FAILED"
    """Orchestrator to feature: not passed."""
    CONTRACT_CHANGE_PROPOSED = "CONTRACT_CHANGE_PROPOSED"
    """Feature to orchestrator: may this interface change?"""
    CONTRACT_APPROVED = "CONTRACT_APPROVED"
    """Orchestrator to all: it may."""
    META_CHANGE_REQUEST = "META_CHANGE_REQUEST"
    """Feature to orchestrator: may this rule or document change?"""
    GENERAL = "GENERAL"
    """Anybody to anybody."""
    NOTIFICATION = "NOTIFICATION"
    """Anybody to anybody: something happened."""


def message_type(text: str) -> MessageType:
    """The type that a text means, in any case and with hyphens or blanks, too. Raises UsageError."""
    try:
        return MessageType("_".join(str(text).replace("-", " ").split()).upper())
    except ValueError:
        raise UsageError(
            f"{str(text)[:60]!r} is no type of message", hint="one of " + ", ".join(MessageType)
        ) from None


class Messages(Documents[Message]):
    """Sending, finding and acknowledging messages. Where no instance is named, the caller is meant."""

    kind = "message"

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._inboxes = Inboxes(env.backend, env.host)
        self._instances = Instances(env, self._inboxes)
        self._crew = Crew(env)

    def send(
        self,
        type: str,
        subject: str,
        description: str = "",
        *,
        to: str | None = None,
        reply_to: str | None = None,
        id: str | None = None,
        sender: str | None = None,
        fields: Mapping[str, Value] | None = None,
    ) -> Message:
        """Send a message to one instance, or without `to` (or to `all`) to all others.

        A reply goes to the sender of the message that it answers unless `to` says otherwise. With an `id`,
        sending the very same again gives the message that is there already, so that a client that got no
        answer may ask again. `fields` are further front matter. The recipient may be away, or unknown: see
        `doubt`. Raises UsageError, InvalidName, NotFound (no such message to reply to), AlreadyExists (the id
        belongs to another message), NotDurable.
        """
        if not isinstance(subject, str) or not subject.strip():
            raise UsageError("a message needs a subject", hint="say in a few words what it is about")
        if not isinstance(description, str):
            raise UsageError(f"{description!r} is no description", hint="a text, or nothing")
        who = self._instance(sender)
        given: dict[str, Value] = {
            "type": str(message_type(type)),
            "subject": subject,
            "description": description or None,
            "from": who,
            "to": self._addressee(to, reply_to, who),
            "created_at": self._env.host.stamp(),
            "in_reply_to": None if reply_to is None else self._answered(reply_to),
        }
        self._check(Change(set={(name,): value for name, value in (fields or {}).items()}))
        sent = {**{name: value for name, value in given.items() if value is not None}, **(fields or {})}
        try:
            record = self._backend.create("message", sent, name=id)
        except AlreadyExists:
            return self._sent_before(id or "", sent)
        self._inboxes.written()
        return self._typed(record)

    def list(
        self,
        where: Where = None,
        *,
        to: str | None = None,
        sender: str | None = None,
        type: str | None = None,
        pending: bool = False,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Message]:
        """The messages that meet all that is asked for, oldest first unless `sort` says otherwise.

        `to`: those that are for this instance, what was sent to all included. `sender`: those that it sent.
        `pending`: those that wait for the acknowledgement of `to`, or without it, of their recipient (of
        anybody, where they are for all). Raises QueryError, UsageError, InvalidName.
        """
        name = instance_id(to) if to else None
        author = instance_id(sender) if sender else None
        kind = message_type(type) if type else None

        def meets(message: Mapping[str, Value]) -> bool:
            return (
                (name is None or is_for(message, name))
                and (author is None or sender_of(message) == author)
                and (kind is None or message.get("type") == kind)
                and (not pending or is_pending(message, name))
            )

        rows = filter(meets, super().list(where, sort=sort))
        chosen = [*rows] if sort else sorted(rows, key=lambda message: age(message.record))
        return chosen[:limit]

    def ack(self, name: str, comment: str | None = None, *, by: str | None = None) -> Message:
        """Acknowledge a message. Doing it again adds nothing, unless the comment is another one.

        Raises NotFound, UsageError (the message is not for this instance), Busy, InvalidDocument.
        """
        who = self._instance(by)
        entry = {"by": who, "at": self._env.host.stamp(), **({"comment": comment} if comment else {})}

        def decide(record: Record) -> Change | None:
            fields = record.fields
            if not is_for(fields, who):
                raise _not_for(record, who)
            if same_ack(fields, who, comment):
                return None
            if isinstance(fields.get("acks"), list):
                return Change(append={("acks",): [entry]})
            return Change(set={("acks",): [entry]})

        record = self._env.write(self._key(name), decide)
        self._inboxes.written()
        return self._typed(record)

    def unread(self, agent: str | None = None) -> int:
        """How many messages wait for the acknowledgement of an instance. Writes nothing; see `inbox`.

        Raises UsageError, InvalidName.
        """
        name = self._instance(agent)
        inbox = self._inboxes.trusted(name)
        if inbox is not None:
            return inbox.unread
        return sum(is_pending(record.fields, name) for record in self._backend.list("message").records)

    def inbox(self, agent: str | None = None, *, pid: int | None = None) -> Inbox:
        """What waits for an instance, by its last look or by a new one, which is noted as a sign of its life.

        A message that was sent through mdcoord is always there, one that was written by hand or came with git
        after `inbox.LOOK` seconds at most. `pid` is the process that the instance is, if it is one. Raises
        UsageError, InvalidName.
        """
        name = self._instance(agent)
        inbox = self._inboxes.trusted(name)
        return inbox if inbox and pid in (None, inbox.sign.get("pid")) else self._look(name, pid)

    def notifications(self, agent: str | None = None, *, peek: bool = False) -> Iterator[Message]:
        """The queue of an instance: messages that wait for it and that it was not told of, oldest first.

        When the loop over them ends, those are noted as told after which it went on. So whoever breaks off is
        told of that message again, and whoever is killed of all: at least once, for all sessions of the
        instance together. With `peek` nothing is noted. Raises UsageError, InvalidName.
        """
        name = self._instance(agent)
        inbox = self._look(name)
        return self._readable(inbox.untold) if peek else self._delivered(name, inbox)

    def told(self, messages: Collection[str], agent: str | None = None) -> None:
        """Note that an instance was told of these messages, as far as they wait for it.

        Raises UsageError, InvalidName.
        """
        untold = self.inbox(agent).untold
        self._inboxes.told(self._instance(agent), [name for name in messages if name in untold])

    def presence(self) -> Sequence[Instance]:
        """All instances that are registered or that ever looked for messages, by name."""
        messages, known = self._backend.list("message").records, self._crew.activities()
        return [
            replace(
                self._with_claims(found, known),
                unread=sum(is_pending(message.fields, found.agent_id) for message in messages),
            )
            for found in self._instances.all()
        ]

    def present(self, seconds: float) -> Sequence[str]:
        """The names of all who gave a sign of life in the last so many seconds."""
        since = timestamp(self._env.host.now() - seconds)
        return [found.agent_id for found in self._instances.all() if (found.last_seen or "") >= since]

    def doubt(self, to: str) -> str | None:
        """Why this recipient may not see a message soon, as a sentence; None when it is online.

        Raises InvalidName.
        """
        name = instance_id(to)
        found = self._instances.get(name)
        if found is None:
            return f"nobody called {name} is known here" + self._meant(name)
        if found.presence != ONLINE or found.status == OFFLINE:  # else no task needs to be looked at
            found = self._with_claims(found, self._crew.activities())
        if found.presence == ONLINE:
            return None
        return f"{name} is {found.presence}" + (f", last seen {found.last_seen}" if found.last_seen else "")

    def _meant(self, name: str) -> str:
        """Whom an unknown name may mean, for the end of a sentence."""
        from difflib import get_close_matches

        near = get_close_matches(name, [found.agent_id for found in self._instances.all()], 1)
        return f" (did you mean {near[0]}?)" if near else ""

    def remove(self, name: str) -> str:
        """Move a message to the archive and return its name there. Raises NotFound."""
        archived = super().remove(name)
        self._inboxes.written()
        return archived

    def _write(self, key: Key, change: Change, expect: Expect = ANY) -> Message:
        message = super()._write(key, change, expect)
        self._inboxes.written()
        return message

    def _typed(self, record: Record, own: Own | None = None) -> Message:
        return super()._typed(record, own or {"_pending": lambda found: self._is_pending(found.fields)})

    def _with_claims(self, found: Instance, known: Activities) -> Instance:
        """An instance, seen as the list of agents shows it where it is one: what it claims is a sign, too."""
        record = self._instances.registered(found.agent_id)
        return found if record is None else replace(found, presence=self._crew.presence(record, known))

    def _is_pending(self, fields: Mapping[str, Value]) -> bool:
        """For the caller, if the message is for it; else for whom it is."""
        try:
            name = self._instance(None)
        except UsageError:
            return is_pending(fields)
        return is_pending(fields, name if is_for(fields, name) else None)

    def _instance(self, name: str | None) -> str:
        return instance_id(self._env.named(name))

    def _addressee(self, to: str | None, reply_to: str | None, who: str) -> str | None:
        if to:
            name = instance_id(to)
            return None if name == ALL else name
        if reply_to is None:
            return None
        try:
            original = self._backend.read(self._key(reply_to)).fields
        except NotFound as error:
            if self._archived(reply_to):
                raise UsageError(
                    f"{reply_to} is archived, so a reply to it has no recipient", hint="say to whom"
                ) from error
            raise
        author = sender_of(original)
        return recipient_of(original) if author == who else author or None

    def _answered(self, name: str) -> str:
        try:
            return self._key(name).id
        except NotFound:
            if self._archived(name):
                return Key.of("message", name).id
            raise

    def _archived(self, name: str) -> bool:
        return Key.of("message", name).name in self._backend.archived()

    def _sent_before(self, id: str, sent: Mapping[str, Value]) -> Message:
        """The message of this id, if it says the same."""
        record = self._backend.read(Key.of("message", id))
        if any(record.fields.get(name) != value for name, value in sent.items() if name != "created_at"):
            raise AlreadyExists(
                f"there is another message {record.key.id} already",
                hint="choose another id, or none",
                key=record.key.name,
            )
        return self._typed(record)

    def _look(self, name: str, pid: int | None = None) -> Inbox:
        def look(before: Inbox) -> tuple[Listing, Mapping[str, Any]]:
            listing = self._backend.list("message")
            process = pid or self._instances.process(name, before)
            return listing, Sign.of(self._env.host, process).as_dict()

        return self._inboxes.looked(name, look)

    def _delivered(self, name: str, inbox: Inbox) -> Iterator[Message]:
        done: list[str] = []
        try:
            for message in self._readable(inbox.untold):
                yield message
                done.append(message.id)
        finally:
            self._inboxes.told(name, done)

    def _readable(self, names: Iterable[str]) -> Iterator[Message]:
        for name in names:
            try:
                yield self._typed(self._backend.read(Key("message", name)))
            except (NotFound, InvalidDocument):
                continue  # it went away, or somebody edits it: the next look tells


def _not_for(record: Record, who: str) -> UsageError:
    to = recipient_of(record.fields)
    return UsageError(
        f"{record.key.name} is not for {who}: " + (f"it is for {to}" if to else "it sent it itself"),
        hint="only a recipient acknowledges a message; --agent says who you are",
    )
