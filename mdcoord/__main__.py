"""The command `mdcoord`, also as `python -m mdcoord`."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and end the process with its exit code."""
    # A command lives for milliseconds and leaves no garbage worth a collection; one that stays turns it on.
    gc.disable()
    code = 0
    try:
        from mdcoord.interfaces.cli.app import cli

        cli.main(sys.argv[1:], "mdcoord")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        code = 130
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process at once; the command has closed the workspace and flushed its output.

    Taking the interpreter down piece by piece costs a tenth of a command's whole time and gives nothing back
    that the system does not take anyway.
    """
    os._exit(code)


if __name__ == "__main__":
    main()
