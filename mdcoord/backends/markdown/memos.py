"""What services note for themselves: small JSON files in the state folder, never in git.

A memo is replaced as a whole under its lock and read without it. It is not synced: after a power cut it may
be an older one, or gone, and what cannot be read counts as gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from mdcoord.backends.base import Revise
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.oserrors import translated, unavailable
from mdcoord.model import Value, normalise_name

FOLDER: Final = "memos"


class Memos:
    """The memos of one workspace, a folder a topic."""

    def __init__(self, files: FileIO) -> None:
        self._files = files

    def get(self, topic: str, name: str) -> Value:
        """A memo, None where there is none that can be read. Raises InvalidName, BackendUnavailable."""
        return _load(self._path(topic, name))

    def all(self, topic: str) -> Mapping[str, Value]:
        """All memos of a topic that can be read, by name. Raises InvalidName, BackendUnavailable."""
        folder = self._folder(topic)
        try:
            names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise unavailable(folder, error) from error
        found = {name: _load(os.path.join(folder, name)) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def topics(self) -> list[str]:
        """The topics of which there are memos, sorted."""
        folder = os.path.join(self._files.state, FOLDER)
        try:
            with translated(folder):
                return sorted(topic for topic in os.listdir(folder) if self.all(topic))
        except FileNotFoundError:
            return []

    def keep(self, topic: str, name: str, revise: Revise, wait: float) -> Value:
        """Change a memo under its lock. Raises InvalidName, Busy, BackendUnavailable."""
        path = self._path(topic, name)
        with self._files.lock(f"memo-{normalise_name(topic)}-{normalise_name(name)}", wait):
            value = revise(_load(path))
            if value is None:
                self._files.discard(path)
                return None
            data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
            with translated(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
            self._files.replace(path, data, sync=False)
            return json.loads(data)

    def _folder(self, topic: str) -> str:
        return os.path.join(self._files.state, FOLDER, normalise_name(topic))

    def _path(self, topic: str, name: str) -> str:
        return os.path.join(self._folder(topic), normalise_name(name))


def _load(path: str) -> Value:
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # torn in a power cut
    except OSError as error:
        raise unavailable(path, error) from error
