"""The command line: it parses, calls one method of the workspace, and prints.

An agent pays the start-up thousands of times a day. So the module of a command is imported when it is used,
and nothing here imports more than click and what the command needs.
"""
