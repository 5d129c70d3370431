"""What a coding agent does with the MCP server: two clients, one of which goes away in the middle.

python examples/13_mcp_client.py    (needs the extra: pip install 'mdcoord[mcp]')
"""

import asyncio
import json
import os
import sys
import tempfile
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from mdcoord import Workspace


def server(folder: str, agent: str) -> Client:
    """What a client does with the entry in .mcp.json: it starts `mdcoord mcp` as a process."""
    command = ["-m", "mdcoord", "mcp", "--root", folder, "--agent", agent]
    process = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    return Client(stdio_client(process))


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(f"coord_{tool}", arguments)
    return dict(json.loads(answer.content[0].text))


async def main(folder: str) -> None:
    async with server(folder, "ada") as ada:
        task = {"title": "Train the model", "id": "train", "instructions": "Use the dataset of May."}
        print("made:", (await call(ada, "create_tasks", tasks=[task]))["created"])
        async with server(folder, "bob") as bob:
            claimed = await call(bob, "claim_task")
            print("bob claimed:", claimed["id"], claimed["untrusted_data"]["instructions"])
            await call(bob, "update_task", id="train", progress=0.4, metadata={"step": 400})
            print("ada got:", (await call(ada, "claim_task", id="train"))["error"])
            await call(bob, "publish_message", type="GENERAL", subject="I have to go", to="ada")
        # Bob's server has ended, and his claim with it.
        claimed = await call(ada, "claim_task", id="train")
        print("ada claimed:", claimed["id"], "attempt", claimed["attempt"], "unread", claimed["unread"])
        for message in (await call(ada, "check_messages"))["untrusted_data"]:
            print(f"{message['from']}: {message['subject']}")
            await call(ada, "ack_message", id=message["id"])
        print(await call(ada, "complete_task", id="train", result="final.pt"))


with tempfile.TemporaryDirectory() as project:
    Workspace.create(project).close()
    asyncio.run(main(project))

# It prints:
#   made: ['train']
#   bob claimed: train Use the dataset of May.
#   ada got: not_ready
#   ada claimed: train attempt 2 unread 1
#   bob: I have to go
#   {'id': 'train', 'status': 'completed'}
