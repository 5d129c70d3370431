"""The MCP server: the same verbs as tools for coding agents, over stdin and stdout."""
