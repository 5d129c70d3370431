"""Which TaskQueue server: the command that starts it, and its file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from shutil import which
from typing import Final

from mdcoord.config import Config
from mdcoord.config.kinds import OFF
from mdcoord.errors import BackendUnavailable

PROGRAM: Final = "taskqueue-mcp"
"""What the server is called where it is installed."""


def command_of(config: Config, environ: Mapping[str, str]) -> list[str]:
    """The command that starts a server: the configured one, or else what is installed.

    Never `npx`, which may fetch it from the network. Raises BackendUnavailable.
    """
    configured = config.taskqueue_command
    if configured == OFF:
        raise _none(f"it is turned off by {config.origin('taskqueue_command')}")
    if isinstance(configured, str):
        return ["/bin/sh", "-c", configured]
    command = list(configured or [PROGRAM])
    program = which(command[0], path=environ.get("PATH"))
    if program is None:
        reason = f"{command[0]} cannot be run" if configured else f"{PROGRAM} is not installed"
        raise _none(reason)
    return [program, *command[1:]]


def _none(reason: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"no TaskQueue ({reason})",
        hint="install it, or set coordination.taskqueue_command (MDCOORD_TASKQUEUE_COMMAND)",
    )


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
