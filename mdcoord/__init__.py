"""mdcoord: coordinate agents, scripts and people through Markdown files in one git repository."""
