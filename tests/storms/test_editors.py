"""Real editors that opened a document before a tool's update and save it after."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.model import Change, Key

ONE = Key("task", "one")
NOTE, MINE = "A note.", "My own note."

VIM = """\
set nocompatible backupcopy={way}
edit task-one.md
call writefile([], 'opened')
while !filereadable('go') | sleep 10m | endwhile
%s/A note\\./My own note./
write!
quit
"""

NODE = """\
const fs = require('fs')
const text = fs.readFileSync('task-one.md', 'utf8')
fs.writeFileSync('opened', '')
while (!fs.existsSync('go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
fs.writeFileSync('task-one.md', text.replace('A note.', 'My own note.'))
"""

SHELL = """\
text=$(cat task-one.md)
touch opened
while [ ! -e go ]; do sleep 0.01; done
echo "$text" | sed 's/A note\\./My own note./' > task-one.md
"""


def command(editor: str, folder: Path) -> list[str]:
    name, _, way = editor.partition(" ")
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    script = folder / "script"
    match name:
        case "vim":
            script.write_text(VIM.format(way=way))
            return ["vim", "-u", "NONE", "-n", "-es", "-S", "script"]
        case "node":
            script.write_text(NODE)
            return ["node", "script"]
        case _:
            script.write_text(SHELL)
            return ["sh", "script"]


@pytest.mark.parametrize("editor", ["vim yes", "vim no", "vim auto", "node", "sh"])
def test_a_stale_buffer_takes_no_update_back(editor: str, tmp_path: Path) -> None:
    store = MarkdownBackend(tmp_path, durability="none")
    store.create("task", {"title": "One", "status": "pending"}, name="one", body=f"{NOTE}\n")
    with subprocess.Popen(
        command(editor, tmp_path), cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "opened").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        store.write(ONE, Change(set={("status",): "completed", ("result",): 42}))
        (tmp_path / "go").touch()
        process.communicate("y\n", timeout=60)  # vim asks whether to save although the file was changed
    assert MINE in (tmp_path / "task-one.md").read_text(), "the editor did not save"
    store.write(ONE, Change(set={("later",): 1}))
    fields = store.read(ONE).fields
    assert (fields["status"], fields["result"], fields["later"]) == ("completed", 42, 1)
    assert MINE in store.text(ONE)
    assert NOTE not in store.text(ONE)
