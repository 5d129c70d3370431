"""Messages: who gets them, what waits, what was told, who is there; on memory and on files."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.fakes import FakeHost
from contract.suite import in_threads
from hypothesis import given
from hypothesis import strategies as st

from mdcoord.backends.base import Backend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import AlreadyExists, Busy, InvalidName, NotFound, QueryError, UsageError
from mdcoord.model import Key
from mdcoord.rules.addressing import is_for, is_pending
from mdcoord.rules.presence import OFFLINE, OFFLINE_AFTER, ONLINE, STALE, STALE_AFTER
from mdcoord.services.inbox import LOOK, Inbox
from mdcoord.services.messages import MessageType, message_type
from mdcoord.workspace import Workspace

As = Callable[..., Workspace]


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def as_(backend: Backend, host: FakeHost) -> As:
    """The workspace as one agent sees it."""

    def open_as(agent: str | None, session: str = "s1", host: FakeHost = host) -> Workspace:
        return Workspace(backend, agent=agent, session=session, host=host)

    return open_as


@pytest.fixture
def ada(as_: As) -> Workspace:
    return as_("ada")


@pytest.fixture
def bob(as_: As) -> Workspace:
    return as_("bob")


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


# -- sending


def test_a_message_says_what_was_given(ada: Workspace, host: FakeHost) -> None:
    sent = ada.messages.send(
        MessageType.READY_FOR_REVIEW, "feature-x", "All\ntests pass.", to="bob", fields={"branch": "x"}
    )
    assert ada.messages.get(sent.id) == sent
    assert {name: value for name, value in sent.fields.items() if name not in ("schema", "message_id")} == {
        "type": "READY_FOR_REVIEW",
        "subject": "feature-x",
        "description": "All\ntests pass.",
        "from": "ada",
        "to": "bob",
        "created_at": host.stamp(),
        "branch": "x",
    }
    assert sent.fields["message_id"] == sent.id
    assert (sent.sender, sent.to, sent.pending, sent.acks) == ("ada", "bob", True, [])
    assert "**To**: bob" in sent.body


@pytest.mark.parametrize("to", [None, "all", "ALL"])
def test_without_a_recipient_it_is_for_all(ada: Workspace, to: str | None) -> None:
    sent = ada.messages.send("GENERAL", "hello", to=to)
    assert "to" not in sent.fields
    assert "description" not in sent.fields
    assert "**To**: all" in sent.body


def test_all_eight_types_can_be_sent(ada: Workspace) -> None:
    assert len(MessageType) == 8
    for kind in MessageType:
        assert ada.messages.send(kind, "x").type == kind.value


@pytest.mark.parametrize("text", ["ready_for_review", "Ready-for-review", " READY FOR REVIEW "])
def test_a_type_may_be_written_otherwise(text: str) -> None:
    assert message_type(text) is MessageType.READY_FOR_REVIEW


def test_what_cannot_be_sent_is_refused(ada: Workspace, as_: As) -> None:
    with pytest.raises(UsageError, match="no type of message"):
        ada.messages.send("SHOUT", "x")
    for arguments, told in (
        ((None, "s"), "no type"),
        (("GENERAL", None), "subject"),
        (("GENERAL", "s", 5), "5 is no"),
    ):
        with pytest.raises(UsageError, match=told):
            ada.messages.send(*arguments)
    with pytest.raises(UsageError, match="subject"):
        ada.messages.send("GENERAL", "  ")
    with pytest.raises(InvalidName):
        ada.messages.send("GENERAL", "x", to="../bob")
    with pytest.raises(InvalidName):
        ada.messages.send("GENERAL", "x", sender="a/b")
    with pytest.raises(UsageError, match="no agent is named"):
        as_(None).messages.send("GENERAL", "x")
    assert ada.messages.list() == []


def test_names_are_those_of_agent_documents(as_: As) -> None:
    sent = as_("Agent-Ada").messages.send("GENERAL", "x", to="Front End")
    assert (sent.sender, sent.to) == ("ada", "front-end")
    assert as_("front-end").messages.unread() == as_("FRONT END").messages.unread() == 1


def test_sending_the_same_again_gives_the_same_message(ada: Workspace, host: FakeHost) -> None:
    first = ada.messages.send("GENERAL", "x", "y", to="bob", id="m1")
    host.forward(60)
    assert ada.messages.send("general", "x", "y", to="Bob", id="M1") == first
    for other in ({"to": "carl"}, {"to": "bob", "sender": "carl"}, {"to": "bob", "fields": {"more": 1}}):
        with pytest.raises(AlreadyExists):
            ada.messages.send("GENERAL", "x", "y", id="m1", **other)
    assert len(ada.messages.list()) == 1


def test_a_repeated_message_stays_acknowledged(ada: Workspace, bob: Workspace) -> None:
    ada.messages.send("GENERAL", "x", to="bob", id="m1")
    bob.messages.ack("m1")
    assert ada.messages.send("GENERAL", "x", to="bob", id="m1").acks
    assert bob.messages.unread() == 0


def test_a_reply_goes_back(ada: Workspace, bob: Workspace) -> None:
    asked = ada.messages.send("READY_FOR_REVIEW", "x", to="bob")
    answer = bob.messages.send("REVIEW_COMPLETE", "merged", reply_to=f"message-{asked.id}")
    assert (answer.to, answer.in_reply_to) == ("ada", asked.id)
    further = bob.messages.send("GENERAL", "also", reply_to=answer.id)
    assert further.to == "ada"
    assert bob.messages.send("GENERAL", "all hear", reply_to=asked.id, to="all").to is None
    everybody = ada.messages.send("CONTRACT_APPROVED", "v2")
    assert ada.messages.send("GENERAL", "and more", reply_to=everybody.id).to is None


def test_a_reply_needs_a_message(ada: Workspace, bob: Workspace) -> None:
    with pytest.raises(NotFound):
        ada.messages.send("GENERAL", "x", reply_to="nothing")
    with pytest.raises(NotFound):
        ada.messages.send("GENERAL", "x", reply_to="nothing", to="bob")
    ada.messages.remove(ada.messages.send("GENERAL", "x", to="bob", id="old").id)
    assert bob.messages.send("GENERAL", "y", reply_to="old", to="ada").in_reply_to == "old"
    with pytest.raises(UsageError, match="archived"):
        bob.messages.send("GENERAL", "y", reply_to="old")


# -- finding


def test_messages_are_listed_oldest_first(ada: Workspace, host: FakeHost) -> None:
    for name in ("zz", "mm", "aa"):
        ada.messages.send("GENERAL", name, id=name)
        host.forward(1)
    assert ids(ada.messages.list()) == ["zz", "mm", "aa"]
    assert ids(ada.messages.list(limit=2)) == ["zz", "mm"]
    assert ids(ada.messages.list(sort="-created_at", limit=1)) == ["aa"]
    assert ids(ada.query("message", "subject = 'mm'")) == ["mm"]


def test_filters(ada: Workspace, bob: Workspace, as_: As) -> None:
    ada.messages.send("READY_FOR_REVIEW", "x", to="bob", id="a-b")
    bob.messages.send("GENERAL", "x", to="ada", id="b-a")
    bob.messages.send("GENERAL", "y", id="b-all")
    messages = as_("carl").messages
    assert set(ids(messages.list())) == {"a-b", "b-a", "b-all"}
    assert ids(messages.list(to="bob")) == ["a-b"]
    assert set(ids(messages.list(to="ADA"))) == {"b-a", "b-all"}
    assert ids(messages.list(to="carl")) == ["b-all"]
    assert set(ids(messages.list(sender="bob"))) == {"b-a", "b-all"}
    assert ids(messages.list(type="ready-for-review")) == ["a-b"]
    assert ids(messages.list("subject = 'y'", sender="bob")) == ["b-all"]
    with pytest.raises(UsageError):
        messages.list(type="SHOUT")
    with pytest.raises(QueryError):
        messages.list("subject =")


def test_pending_is_what_its_recipient_has_not_acknowledged(ada: Workspace, bob: Workspace, as_: As) -> None:
    ada.messages.send("GENERAL", "x", to="bob", id="direct")
    ada.messages.send("GENERAL", "x", id="wide")
    carl = as_("carl")
    assert set(ids(carl.messages.list(pending=True))) == {"direct", "wide"}
    bob.messages.ack("direct")
    bob.messages.ack("wide")
    assert carl.messages.list(pending=True) == []  # somebody has dealt with it
    assert ids(carl.messages.list(to="carl", pending=True)) == ["wide"]
    assert bob.messages.list(to="bob", pending=True) == []
    assert carl.query("message", "_pending = true")[0].id == "wide"
    assert bob.messages.get("wide").pending is False
    assert carl.messages.get("direct").pending is False
    assert as_(None).messages.get("wide").pending is False


# -- acknowledging


def test_an_acknowledgement_has_a_comment(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    ada.messages.send("GENERAL", "x", to="bob", id="m1")
    host.forward(5)
    bob.messages.ack("m1", "merged")
    assert ada.messages.get("m1").acks == [{"by": "bob", "at": host.stamp(), "comment": "merged"}]
    assert "**bob**" in ada.messages.get("m1").body
    assert "last_updated" not in ada.messages.get("m1")


def test_acknowledging_again_adds_what_is_new(ada: Workspace, bob: Workspace) -> None:
    ada.messages.send("GENERAL", "x", to="bob", id="m1")
    first = bob.messages.ack("m1", "merged")
    assert bob.messages.ack("m1", "merged") == first
    assert bob.messages.ack("m1") == first
    both = bob.messages.ack("m1", "and released")
    assert [ack.get("comment") for ack in both.acks] == ["merged", "and released"]


def test_each_recipient_acknowledges_for_itself(ada: Workspace, bob: Workspace, as_: As) -> None:
    carl = as_("carl")
    ada.messages.send("CONTRACT_APPROVED", "v2", id="m1")
    bob.messages.ack("m1")
    assert (bob.messages.unread(), carl.messages.unread()) == (0, 1)
    carl.messages.ack("m1", by="carl")
    assert [ack["by"] for ack in ada.messages.get("m1").acks] == ["bob", "carl"]
    assert carl.messages.unread() == 0


def test_only_a_recipient_acknowledges(ada: Workspace, bob: Workspace, as_: As) -> None:
    ada.messages.send("GENERAL", "x", to="bob", id="direct")
    ada.messages.send("GENERAL", "x", id="wide")
    with pytest.raises(UsageError, match="not for carl: it is for bob"):
        as_("carl").messages.ack("direct")
    with pytest.raises(UsageError, match="not for ada: it sent it itself"):
        ada.messages.ack("wide")
    with pytest.raises(NotFound):
        bob.messages.ack("nothing")


def test_no_acknowledgement_is_lost(as_: As) -> None:
    as_("ada").messages.send("GENERAL", "x", id="m1")
    in_threads(8, lambda number: as_(f"w{number}").messages.ack("m1"))
    acks = as_("ada").messages.get("m1").acks
    assert sorted(ack["by"] for ack in acks) == [f"w{number}" for number in range(8)]


# -- what waits


def test_unread_is_what_waits_for_an_acknowledgement(ada: Workspace, bob: Workspace) -> None:
    ada.messages.send("GENERAL", "x", to="bob", id="m1")
    ada.messages.send("GENERAL", "y", id="m2")
    assert (ada.messages.unread(), bob.messages.unread(), ada.messages.unread("bob")) == (0, 2, 2)
    assert (ada.status()["unread"], bob.status()["unread"]) == (0, 2)
    bob.messages.get("m1")
    assert [*bob.messages.notifications()]
    assert bob.messages.unread() == 2
    bob.messages.ack("m1")
    assert bob.messages.unread() == bob.status()["unread"] == 1
    bob.messages.remove("m2")
    assert bob.messages.unread() == 0


def test_what_one_sends_to_oneself_waits(as_: As) -> None:
    as_("ada", "s1").messages.send("GENERAL", "note", to="ada")
    assert as_("ada", "s2").messages.unread() == 1


def test_status_of_one_who_can_get_no_messages(as_: As) -> None:
    assert as_(None).status()["unread"] is None
    assert as_("a/b").status()["unread"] is None


def test_counting_writes_nothing(as_: As, backend: Backend) -> None:
    as_("ada").messages.send("GENERAL", "x")
    before = backend.memos("inbox")
    assert as_("bob").messages.unread() == 1
    as_("bob").status()
    assert backend.memos("inbox") == before


def test_a_look_is_made_when_something_was_written_and_now_and_then(
    as_: As, host: FakeHost, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = as_("ada"), as_("bob")
    listings: list[str] = []
    real = backend.list
    monkeypatch.setattr(backend, "list", lambda kind, **rest: listings.append(kind) or real(kind, **rest))

    def looks() -> int:
        listings.clear()
        bob.messages.inbox()
        return len(listings)

    assert [looks(), looks()] == [1, 0]
    ada.messages.send("GENERAL", "x", id="m1")
    assert [looks(), looks()] == [1, 0]
    bob.messages.ack("m1")
    assert [looks(), looks()] == [1, 0]
    host.forward(LOOK - 0.001)
    assert looks() == 0
    host.forward(0.002)
    assert [looks(), looks()] == [1, 0]
    host.jump(-3600)  # a clock that was set back must not stop the looks
    assert [looks(), looks()] == [1, 0]
    listings.clear()
    assert bob.messages.unread() == 0
    assert listings == []


def save_by_hand(backend: Backend, key: Key, text: str) -> None:
    if isinstance(backend, MemoryBackend):
        backend.put_text(key, text)
    else:
        Path(backend.location, f"{key.name}.md").write_text(text)


def test_what_is_written_by_hand_is_seen_soon(bob: Workspace, backend: Backend, host: FakeHost) -> None:
    assert bob.messages.inbox().unread == 0
    by_hand = "# Message: Look here\n\n**From**: Ada\n**To**: Bob\n**Type**: GENERAL\n"
    save_by_hand(backend, Key("message", "hand"), by_hand)
    host.forward(LOOK + 1)
    assert bob.messages.inbox().unread == 1
    assert ids(bob.messages.notifications()) == ["hand"]
    bob.messages.ack("hand")
    assert by_hand in backend.text(Key("message", "hand"))


def test_odd_fields_written_by_hand_do_no_harm(bob: Workspace, backend: Backend) -> None:
    for number, front in enumerate(
        ("to: [bob]", "to: 3\nfrom: 4", "acks: none\nto: bob", "acks: [x, {by: 1}]")
    ):
        save_by_hand(backend, Key("message", f"m{number}"), f"---\n{front}\n---\n")
    assert bob.messages.unread() == 4
    assert [*bob.messages.notifications()]
    assert bob.messages.ack("m2").acks[0]["by"] == "bob"
    assert bob.messages.unread() == 3
    assert ids(bob.messages.list(sender="ada")) == []


def test_a_file_that_cannot_be_read_holds_up_nothing(
    ada: Workspace, bob: Workspace, backend: Backend
) -> None:
    save_by_hand(backend, Key("message", "broken"), "---\nto: [\n---\n")
    ada.messages.send("GENERAL", "x", id="m1")
    assert bob.messages.unread() == 1
    assert ids(bob.messages.notifications()) == ["m1"]


# -- the queue of notifications


def test_who_was_away_is_told_once(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    for number in range(3):
        ada.messages.send("NOTIFICATION", "x", to="bob", id=f"m{number}")
        host.forward(1)
    assert ids(bob.messages.notifications()) == ["m0", "m1", "m2"]
    assert ids(bob.messages.notifications()) == []
    ada.messages.send("NOTIFICATION", "x", to="bob", id="m3")
    assert ids(bob.messages.notifications()) == ["m3"]


def test_peeking_leaves_them_in_the_queue(ada: Workspace, bob: Workspace) -> None:
    ada.messages.send("NOTIFICATION", "x", id="m1")
    assert ids(bob.messages.notifications(peek=True)) == ids(bob.messages.notifications(peek=True)) == ["m1"]
    assert ids(bob.messages.notifications()) == ["m1"]
    assert ids(bob.messages.notifications(peek=True)) == []


def test_all_sessions_of_an_instance_share_the_queue(ada: Workspace, as_: As) -> None:
    ada.messages.send("NOTIFICATION", "x", id="m1")
    assert ids(as_("bob", "s1").messages.notifications()) == ["m1"]
    assert ids(as_("bob", "s2").messages.notifications()) == []
    assert ids(as_("carl").messages.notifications()) == ["m1"]


def test_what_was_acknowledged_is_not_told(ada: Workspace, bob: Workspace) -> None:
    ada.messages.send("NOTIFICATION", "x", id="m1")
    bob.messages.ack("m1")
    assert ids(bob.messages.notifications()) == []


def test_who_stops_in_the_middle_is_told_again(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    for number in range(3):
        ada.messages.send("NOTIFICATION", "x", id=f"m{number}")
        host.forward(1)
    queue = bob.messages.notifications()
    assert next(queue).id == "m0"
    assert next(queue).id == "m1"
    queue.close()  # type: ignore[attr-defined]  # nobody knows whether m1 was dealt with
    assert ids(bob.messages.notifications()) == ["m1", "m2"]


def test_what_went_away_meanwhile_is_passed_over(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    for number in range(3):
        ada.messages.send("NOTIFICATION", "x", id=f"m{number}")
        host.forward(1)
    queue = bob.messages.notifications()
    next(queue)
    ada.messages.remove("m1")
    assert ids(queue) == ["m2"]
    assert ids(bob.messages.notifications()) == []


def test_only_what_waits_is_remembered_as_told(ada: Workspace, bob: Workspace, backend: Backend) -> None:
    for number in range(20):
        ada.messages.send("NOTIFICATION", "x", id=f"m{number}")
    assert len([*bob.messages.notifications()]) == 20
    for number in range(19):
        bob.messages.ack(f"m{number}")
    bob.messages.inbox()
    assert Inbox.from_memo(backend.memo("inbox", "bob")).told == {"m19"}


def test_an_unreadable_message_stays_told(ada: Workspace, bob: Workspace, backend: Backend) -> None:
    ada.messages.send("NOTIFICATION", "x", id="m1")
    assert ids(bob.messages.notifications()) == ["m1"]
    text = backend.text(Key("message", "m1"))
    save_by_hand(backend, Key("message", "m1"), text.replace("subject:", "subject: [", 1))
    ada.messages.send("NOTIFICATION", "y", id="m2")
    assert ids(bob.messages.notifications()) == ["m2"]
    save_by_hand(backend, Key("message", "m1"), text)
    assert ids(bob.messages.notifications()) == []


@pytest.mark.parametrize("memo", [None, [], {"told": 3, "looked": "x", "sign": []}, {"pending": [1]}])
def test_with_the_memos_gone_one_is_told_again(
    ada: Workspace, bob: Workspace, backend: Backend, memo: Any
) -> None:
    ada.messages.send("NOTIFICATION", "x", id="m1")
    bob.messages.ack(ada.messages.send("NOTIFICATION", "y", id="m2").id)
    assert ids(bob.messages.notifications()) == ["m1"]
    backend.keep("inbox", "bob", lambda _: memo)
    backend.keep("messages", "stamp", lambda _: memo)
    assert bob.messages.unread() == 1
    assert ids(bob.messages.notifications()) == ["m1"]
    assert ids(bob.messages.notifications()) == []


def test_two_sessions_at_once_lose_nothing(as_: As) -> None:
    """Whatever comes between: each message is told at least once, and not for ever."""
    done = threading.Event()
    told: Counter[str] = Counter()
    guard = threading.Lock()

    def work(number: int) -> None:
        if number == 0:
            for count in range(30):
                as_("ada").messages.send("NOTIFICATION", "x", to="bob", id=f"m{count}")
            done.set()
            return
        last = False
        while not last:
            last = done.is_set()
            for message in as_("bob", f"s{number}").messages.notifications():
                with guard:
                    told[message.id] += 1

    in_threads(3, work)
    assert set(told) == {f"m{count}" for count in range(30)}
    assert ids(as_("bob").messages.notifications()) == []


def test_a_queue_that_cannot_be_noted_still_tells(
    ada: Workspace, bob: Workspace, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Busy("locked", hint="wait")

    monkeypatch.setattr(backend, "keep", refuse)
    ada.messages.send("NOTIFICATION", "x", id="m1")
    assert bob.messages.unread() == bob.messages.inbox().unread == 1
    assert ids(bob.messages.notifications()) == ids(bob.messages.notifications()) == ["m1"]


# -- presence


def presence(w: Workspace) -> dict[str, str]:
    return {one.agent_id: one.presence for one in w.messages.presence()}


def test_nobody_is_there_at_first(ada: Workspace) -> None:
    assert ada.messages.presence() == []
    assert ada.messages.doubt("bob") == "nobody called bob is known here"
    ada.agents.register("orchestrator")
    slip = "nobody called orchestrater is known here (did you mean orchestrator?)"
    assert ada.messages.doubt("orchestrater") == slip


def test_whoever_looks_is_online_and_fades(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    bob.messages.inbox()
    stamp = host.stamp()
    (seen,) = ada.messages.presence()
    assert seen.as_dict() == {
        "agent_id": "bob",
        "presence": ONLINE,
        "last_seen": stamp,
        "status": None,
        "unread": 0,
    }
    assert ada.messages.doubt("BOB") is None
    ada.agents.register("bob", status="offline")
    assert ada.messages.doubt("bob") == f"bob is offline, last seen {stamp}"
    ada.agents.remove("bob")
    host.forward(STALE_AFTER + 1)
    assert presence(ada) == {"bob": STALE}
    assert ada.messages.doubt("bob") == f"bob is stale, last seen {stamp}"
    host.forward(OFFLINE_AFTER)
    assert presence(ada) == {"bob": OFFLINE}
    bob.messages.inbox()
    assert presence(ada) == {"bob": ONLINE}


def test_who_is_registered_is_known(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    ada.agents.register("bob", status="busy")
    (seen,) = ada.messages.presence()
    assert (seen.agent_id, seen.presence, seen.status) == ("bob", ONLINE, "busy")
    host.forward(OFFLINE_AFTER + 1)
    assert presence(ada) == {"bob": OFFLINE}
    bob.agents.heartbeat()
    assert presence(ada) == {"bob": ONLINE}


def test_the_end_of_the_registered_process_is_seen_at_once(bob: Workspace, host: FakeHost) -> None:
    host.living[7] = ""
    bob.agents.register(pid=7)
    bob.messages.inbox()  # a command of this agent is a sign of its process
    assert presence(bob) == {"bob": ONLINE}
    host.forward(OFFLINE_AFTER + 1)
    assert presence(bob) == {"bob": STALE}
    bob.messages.inbox()
    assert presence(bob) == {"bob": ONLINE}
    del host.living[7]
    assert presence(bob) == {"bob": OFFLINE}
    host.forward(LOOK + 1)
    bob.messages.inbox()  # one of the same name goes on without having registered
    assert presence(bob) == {"bob": ONLINE}


def test_a_command_before_the_registration_does_not_outlive_the_process(
    bob: Workspace, host: FakeHost
) -> None:
    bob.messages.inbox()
    host.forward(1)
    host.living[7] = ""
    bob.agents.register(pid=7)
    del host.living[7]
    assert presence(bob) == {"bob": OFFLINE}


def test_a_process_may_be_named_with_the_look(bob: Workspace, host: FakeHost) -> None:
    bob.messages.inbox()
    host.living[7] = "then"
    assert bob.messages.inbox(pid=7).sign["pid"] == 7
    host.forward(LOOK + 1)
    assert bob.messages.inbox().sign["pid"] == 7  # another command of the same instance
    host.living[7] = "later"
    assert presence(bob) == {"bob": OFFLINE}


def test_the_dead_of_another_machine_are_seen_in_time(as_: As, host: FakeHost) -> None:
    there = FakeHost("there", "boot-9", host.now())
    there.living[7] = ""
    as_("bob", host=there).agents.register("bob", pid=7)
    assert presence(as_("ada")) == {"bob": ONLINE}  # 7 is no process here, and need not be
    as_("bob", host=there).messages.inbox(pid=7)
    assert presence(as_("ada")) == {"bob": ONLINE}
    host.forward(OFFLINE_AFTER + 1)
    assert presence(as_("ada")) == {"bob": OFFLINE}
    assert OFFLINE_AFTER <= 180


def test_who_renews_a_claim_is_there(ada: Workspace, bob: Workspace, host: FakeHost) -> None:
    bob.agents.register()
    ada.tasks.create("x", id="one")
    claim = bob.tasks.claim(heartbeat=False)
    host.forward(OFFLINE_AFTER + 1)
    assert presence(ada) == {"bob": OFFLINE}
    claim.heartbeat()
    assert presence(ada) == {"bob": ONLINE} == {one.id: one["_presence"] for one in ada.agents.list()}
    assert ada.messages.doubt("bob") is None


def test_presence_counts_what_waits_for_each(ada: Workspace, bob: Workspace, as_: As) -> None:
    ada.agents.register()
    bob.agents.register()
    as_("carl").messages.inbox()
    ada.messages.send("GENERAL", "x")
    ada.messages.send("GENERAL", "x", to="bob")
    assert {one.agent_id: one.unread for one in ada.messages.presence()} == {"ada": 0, "bob": 2, "carl": 1}


# -- the archive


def test_what_nobody_waits_for_is_archived(ada: Workspace, bob: Workspace, as_: As, host: FakeHost) -> None:
    for id, to in (("direct", "bob"), ("open", "bob"), ("wide", None), ("unheard", None)):
        ada.messages.send("GENERAL", "x", to=to, id=id)
    host.forward(100)
    bob.agents.register()
    as_("carl").messages.inbox()
    for id in ("direct", "wide", "unheard"):
        bob.messages.ack(id)
    as_("carl").messages.ack("wide")
    ada.messages.send("GENERAL", "x", to="bob", id="young")
    bob.messages.ack("young")
    assert set(ada.archive(100, dry_run=True).archived) == {"message-direct", "message-wide"}
    assert set(ada.archive(100).archived) == {"message-direct", "message-wide"}
    assert ids(ada.messages.list()) == ["open", "unheard", "young"]
    host.forward(1000)
    assert set(ada.archive(100).archived) == {"agent-bob", "message-unheard", "message-young"}
    assert ids(ada.messages.list()) == ["open"]
    assert ada.restore("message-direct").record.key.id == "direct"


def test_a_message_without_a_readable_time_stays(ada: Workspace, backend: Backend, host: FakeHost) -> None:
    save_by_hand(backend, Key("message", "m1"), "---\nto: bob\ncreated_at: once\nacks: [{by: bob}]\n---\n")
    host.forward(10_000)
    assert ada.archive(0).archived == {}


# -- the rules

names = st.sampled_from(["ada", "bob", "carl", "Ada", "all", "", "a/b"])
fields = st.fixed_dictionaries(
    {},
    optional={
        "from": names,
        "to": names | st.none() | st.integers(),
        "acks": st.none() | st.lists(st.fixed_dictionaries({"by": names}) | st.integers(), max_size=4),
    },
)


@given(fields, st.sampled_from(["ada", "bob", "carl"]))
def test_an_acknowledgement_ends_the_waiting_of_one(message: dict[str, Any], name: str) -> None:
    waits = is_pending(message, name)
    assert waits <= is_for(message, name)
    acks = message.get("acks") or []
    after = {**message, "acks": [*acks, {"by": name.upper()}]}
    assert not is_pending(after, name)
    for other in {"ada", "bob", "carl"} - {name}:
        assert is_pending(after, other) == is_pending(message, other)
    if is_for(message, name):
        assert not is_pending(after)


@given(st.data())
def test_unread_and_queue_follow_from_what_was_done(data: st.DataObject) -> None:
    """Against a model: sets of what was sent, told and acknowledged."""
    backend, host = MemoryBackend(), FakeHost()
    people = {name: Workspace(backend, agent=name, host=host).messages for name in ("ada", "bob", "carl")}
    waiting: dict[str, set[str]] = {name: set() for name in people}
    queue: dict[str, list[str]] = {name: [] for name in people}
    for number in range(data.draw(st.integers(1, 12))):
        who = data.draw(st.sampled_from([*people]))
        step = data.draw(st.sampled_from(["send", "ack", "told", "wait"]))
        if step == "send":
            to = data.draw(st.sampled_from([*people, None]))
            id = people[who].send("GENERAL", "x", to=to, id=f"m{number:02}").id
            for name in [to] if to else set(people) - {who}:
                waiting[name].add(id)
                queue[name].append(id)
        elif step == "ack" and waiting[who]:
            id = data.draw(st.sampled_from(sorted(waiting[who])))
            people[who].ack(id)
            waiting[who].discard(id)
            queue[who] = [other for other in queue[who] if other != id]
        elif step == "told":
            assert ids(people[who].notifications()) == queue[who]
            queue[who] = []
        else:
            host.forward(LOOK)
        for name, messages in people.items():
            assert messages.inbox().unread == messages.unread() == len(waiting[name])
            assert messages.inbox().untold == queue[name]


# -- between processes

RECEIVER = """
import sys
from mdcoord import Workspace

with Workspace.open(sys.argv[1], agent="bob") as w:
    print("open", flush=True)
    for line in sys.stdin:
        for message in w.messages.notifications():
            print(message.id, flush=True)
            if line.strip() == "die":
                import os
                os._exit(1)
        print("-", flush=True)
"""


class Receiver:
    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RECEIVER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def ask(self, how: str = "go") -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write(how + "\n")
        self.process.stdin.flush()
        told = []
        while (line := self._line()) not in ("-", ""):
            told.append(line)
        return told

    def end(self) -> None:
        self.process.communicate(timeout=60)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[list[Receiver]]:
    Workspace.create(tmp_path).close()
    found = [Receiver(tmp_path), Receiver(tmp_path)]
    yield found
    for receiver in found:
        receiver.end()


def test_two_processes_of_one_instance_are_told_together(receivers: list[Receiver], tmp_path: Path) -> None:
    one, other = receivers
    with Workspace.open(tmp_path, agent="ada") as w:
        for number in range(3):
            w.messages.send("NOTIFICATION", "x", to="bob", id=f"m{number}")
            assert one.ask() == [f"m{number}"]
            assert other.ask() == []
        w.messages.send("NOTIFICATION", "x", to="bob", id="late")
        assert other.ask() == ["late"]
        assert one.ask() == []
        (seen,) = [found for found in w.messages.presence() if found.agent_id == "bob"]
        assert (seen.presence, seen.unread) == (ONLINE, 4)


def test_what_a_killed_process_was_telling_is_told_again(receivers: list[Receiver], tmp_path: Path) -> None:
    one, other = receivers
    with Workspace.open(tmp_path, agent="ada") as w:
        w.messages.send("NOTIFICATION", "x", to="bob", id="m1")
        assert one.ask("die") == ["m1"]
        assert one.process.wait(60) == 1
        assert other.ask() == ["m1"]
        assert other.ask() == []
