"""Which TaskQueue server: the command that starts it, and its file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from mdcoord.config import Config
from mdcoord.config.kinds import OFF
from mdcoord.errors import BackendUnavailable

PROGRAM: Final = "taskqueue-mcp"
"""What the server is called where it is installed."""


def find_command(config: Config, environ: Mapping[str, str]) -> list[str] | None:
    """The command that starts a server, None where there is none: configured, or else installed.

    Never by `npx`, which may fetch it from the network.
    """
    configured = config.taskqueue_command
    if configured == OFF:
        return None
    if configured is None:
        from shutil import which

        program = which(PROGRAM, path=environ.get("PATH"))
        return [program] if program else None
    return ["/bin/sh", "-c", configured] if isinstance(configured, str) else [*configured]


def command_of(config: Config, environ: Mapping[str, str]) -> list[str]:
    """The command that starts a server. Raises BackendUnavailable."""
    command = find_command(config, environ)
    if command is None:
        raise BackendUnavailable(
            f"there is no TaskQueue server: {PROGRAM} is not installed, and no command is configured",
            hint="install it, or set coordination.taskqueue_command (MDCOORD_TASKQUEUE_COMMAND)",
        )
    return command


def file_of(config: Config, environ: Mapping[str, str]) -> str:
    """The server's file: configured, or where it keeps it by itself."""
    return config.taskqueue_file or environ.get("TASK_MANAGER_FILE_PATH") or _own_place(environ)


def _own_place(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or os.path.expanduser("~")
    if sys.platform == "darwin":
        folder = os.path.join(home, "Library", "Application Support")
    else:
        folder = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return os.path.join(folder, PROGRAM, "tasks.json")
