"""All tools, in the order in which a client lists them."""

from __future__ import annotations

from typing import Final

from mdcoord.interfaces.mcp import flow, look, talk, tasks
from mdcoord.interfaces.mcp.tool import Tool

TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(look.coord_status, reads=True),
        Tool(tasks.coord_create_tasks),
        Tool(tasks.coord_claim_task),
        Tool(tasks.coord_brief, reads=True),
        Tool(tasks.coord_update_task),
        Tool(tasks.coord_complete_task),
        Tool(flow.coord_workflow),
        Tool(look.coord_query, reads=True),
        Tool(talk.coord_publish_message),
        Tool(talk.coord_check_messages, reads=True),
        Tool(talk.coord_ack_message),
        Tool(talk.coord_get_notifications),
        Tool(talk.coord_get_presence, reads=True),
        Tool(talk.coord_publish_event),
        Tool(talk.coord_new_events),
        Tool(talk.coord_set_context),
        Tool(talk.coord_register),
    )
}
