"""The command `mdcoord`, also as `python -m mdcoord`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    # A command lives for milliseconds and leaves no garbage worth a collection; one that stays turns it on.
    gc.disable()
    from mdcoord.interfaces.cli.app import cli

    cli.main(sys.argv[1:], "mdcoord")


if __name__ == "__main__":
    main()
