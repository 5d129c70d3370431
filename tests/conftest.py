"""Options of the test run, and whose servers it may use."""

from __future__ import annotations

import os

import pytest

# A server that happens to run here, or that the developer's shell names, is nobody's to write to.
for _name in (
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "TASK_MANAGER_FILE_PATH",
    "MDCOORD_MODE",
    "MDCOORD_BACKEND",
):
    os.environ.pop(_name, None)
if _command := os.environ.pop("MDCOORD_TASKQUEUE_COMMAND", None):
    os.environ["TEST_TASKQUEUE_COMMAND"] = _command


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-transcripts",
        action="store_true",
        help="write what the commands in tests/transcripts print now into their files",
    )
