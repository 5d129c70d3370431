"""The asynchronous client of an instance: the messages service, awaited."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from mdcoord.backends.memory import MemoryBackend
from mdcoord.coordination import CoordinationClient, MessageType, get_coordination_client
from mdcoord.errors import InvalidName, NotFound, UsageError
from mdcoord.rules.presence import OFFLINE, ONLINE
from mdcoord.workspace import Workspace


@pytest.fixture
def w() -> Iterator[Workspace]:
    with Workspace(MemoryBackend()) as workspace:
        yield workspace


@pytest.fixture
def project(tmp_path: Path) -> Path:
    Workspace.create(tmp_path).close()
    return tmp_path


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def test_a_review_is_asked_for_and_given(project: Path) -> None:
    async def story() -> None:
        async with (
            await get_coordination_client(instance_id="backend", root=project) as client,
            await get_coordination_client("orchestrator", root=project) as other,
        ):
            sent = await client.publish_message(
                msg_type=MessageType.READY_FOR_REVIEW,
                subject="feature-branch",
                description="Ready for review",
                to_instance="orchestrator",
            )
            assert (sent.sender, sent.to, sent.type) == ("backend", "orchestrator", "READY_FOR_REVIEW")
            assert await client.unread_count() == 0
            assert await other.unread_count() == 1
            assert ids(await other.get_notifications()) == [sent.id]
            assert ids(await other.check_messages(pending=True)) == [sent.id]
            answer = await other.publish_message("REVIEW_COMPLETE", "Merged", in_reply_to=sent.id)
            acknowledged = await other.ack_message(sent.id, "thanks")
            assert acknowledged.acks[0]["comment"] == "thanks"
            assert await other.check_messages(pending=True) == []
            assert ids(await other.check_messages()) == [sent.id]
            assert ids(await client.get_notifications()) == [answer.id]
            assert ids(await client.check_messages(from_instance="orchestrator")) == [answer.id]
            assert ids(await client.check_messages(msg_type=MessageType.GENERAL)) == []
            assert set(ids(await client.check_messages(all=True))) == {sent.id, answer.id}
            assert len(await client.check_messages(all=True, limit=1)) == 1
            found = {one.agent_id: one.presence for one in await client.get_presence()}
            assert found == {"backend": ONLINE, "orchestrator": ONLINE}

    run(story())


def test_what_was_handed_out_counts_as_told_with_the_next_call(w: Workspace) -> None:
    async def story() -> None:
        w.messages.send("NOTIFICATION", "x", sender="ada", id="m1")
        client = await get_coordination_client("bob", workspace=w)
        again = await get_coordination_client("bob", workspace=w)
        assert ids(await client.get_notifications(peek=True)) == ["m1"]
        assert ids(await client.get_notifications()) == ["m1"]
        assert ids(await again.get_notifications()) == ["m1"]  # the first one may have died meanwhile
        assert ids(await client.get_notifications()) == []
        assert ids(await again.get_notifications()) == []

    run(story())


def test_closing_notes_what_was_handed_out_unless_it_failed(w: Workspace) -> None:
    async def fails() -> None:
        async with await get_coordination_client("bob", workspace=w) as client:
            assert ids(await client.get_notifications()) == ["m1"]
            raise ZeroDivisionError

    async def story() -> None:
        w.messages.send("NOTIFICATION", "x", sender="ada", id="m1")
        with pytest.raises(ZeroDivisionError):
            await fails()
        async with await get_coordination_client("bob", workspace=w) as client:
            assert ids(await client.get_notifications()) == ["m1"]
        async with await get_coordination_client("bob", workspace=w) as client:
            assert ids(await client.get_notifications()) == []

    run(story())


def test_repeating_a_message_by_its_id(w: Workspace) -> None:
    async def story() -> None:
        client = await get_coordination_client("bob", workspace=w)
        first = await client.publish_message("GENERAL", "x", message_id="m1")
        assert await client.publish_message("GENERAL", "x", message_id="m1") == first

    run(story())


@pytest.mark.parametrize("variable", ["CLAUDE_INSTANCE_ID", "MDCOORD_AGENT"])
def test_the_environment_names_the_instance(
    project: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "Backend")
    monkeypatch.chdir(project)

    async def story() -> str:
        async with await get_coordination_client() as client:
            return client.instance_id

    assert run(story()) == "backend"


def test_a_client_that_cannot_be(
    project: Path, w: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(UsageError, match="no instance is named"):
        run(get_coordination_client(root=project))
    with pytest.raises(UsageError, match="no instance is named"):
        CoordinationClient(w)
    with pytest.raises(InvalidName):
        run(get_coordination_client("a/b", root=project))
    with pytest.raises(NotFound):
        run(get_coordination_client("bob", root=tmp_path_factory.mktemp("empty")))


def test_closing_again_does_no_harm_and_a_given_workspace_stays_open(w: Workspace, project: Path) -> None:
    closed = []
    w.close = lambda: closed.append("given")  # type: ignore[method-assign]

    async def story() -> None:
        given = await get_coordination_client("bob", workspace=w)
        await given.close()
        own = await get_coordination_client("bob", root=project)
        await own.close()
        await own.close()
        assert "bob" in repr(own)

    run(story())
    assert closed == []


CLIENT = """
import asyncio, sys
from mdcoord.coordination import get_coordination_client

async def main():
    client = await get_coordination_client("bob", root=sys.argv[1])
    print("there", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def test_the_end_of_its_process_is_seen_at_once(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(project)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    with Workspace.open(project, agent="ada") as w:
        assert w.messages.doubt("bob") is None
        process.kill()
        process.communicate(timeout=60)
        (seen,) = w.messages.presence()
        assert (seen.agent_id, seen.presence) == ("bob", OFFLINE)
        assert "offline" in (w.messages.doubt("bob") or "")
