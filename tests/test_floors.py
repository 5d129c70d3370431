"""The floors of the house: a module imports from below or from its own room, nobody goes in circles, and what
every command loads is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mdcoord

PACKAGE = Path(mdcoord.__file__).parent

FLOORS = [
    {"errors", "model", "_version"},
    {"formats", "config", "host", "layout", "aio", "patience", "projectfiles"},
    {"rules"},
    {"records", "shapes"},
    {"backends"},
    {"services", "moving"},
    {"upkeep"},
    {"workspace", "coordination", "roots"},
    {"interfaces"},
    {"__main__"},
]
"""By the first part of a module's name."""

CONTRACT = {"base", "values", "naming", "refusals", "addresses"}
"""The modules of `backends` that are no store, but what all of them keep to."""

HEAVY = ["jinja2", "lark", "rich", "yaml", "click", "asyncio", "subprocess", "logging", "importlib.metadata"]


@cache
def modules() -> dict[str, Path]:
    """All modules by their name without `mdcoord.`; packages by the package's name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found[""]
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """The modules of this project that a module imports, wherever in its text; "" is the package itself."""
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    return frozenset(found for node in ast.walk(tree) for found in _targets(node))


def _targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == "mdcoord":
                yield alias.name.removeprefix("mdcoord").removeprefix(".")
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        if node.module and node.module.split(".")[0] == "mdcoord":
            base = node.module.removeprefix("mdcoord").removeprefix(".")
            for alias in node.names:
                longer = f"{base}.{alias.name}".removeprefix(".")
                yield longer if longer in modules() else base


def floor_of(name: str) -> int:
    room = name.split(".")[0]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def room_of(name: str) -> str:
    """Modules directly in the package share one room, each sub-package is one."""
    first, dot, _ = name.partition(".")
    return first if dot or modules()[name].name == "__init__.py" else ""


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_go_down_or_stay_in_the_room(name: str) -> None:
    for other in imports(name):
        assert other, f"{name} imports the package façade"
        down = floor_of(other) < floor_of(name)
        beside = floor_of(other) == floor_of(name) and room_of(other) == room_of(name)
        support = floor_of(name) == floor_of(other) == 1 and room_of(other) == "formats"
        assert down or beside or support, f"{name} (floor {floor_of(name)}) imports {other}"


def test_formats_stand_on_words_and_settings_alone() -> None:
    for name in modules():
        if room_of(name) == "formats":
            assert all(floor_of(other) == 0 or room_of(other) == "formats" for other in imports(name)), name


def test_backends_do_not_know_each_other() -> None:
    """But who chooses between them does, and TaskQueue, which keeps all but tasks in Markdown."""
    for name in modules():
        kind = name.split(".")[1:2]
        if name.startswith("backends.") and kind not in (["opening"], ["detect"]):
            others = {other for other in imports(name) if other.startswith("backends.")}
            known = {kind[0], *CONTRACT, *(["markdown"] if kind == ["taskqueue"] else [])}
            assert all(other.split(".")[1] in known for other in others), name


def test_services_know_no_file() -> None:
    """They are written against the contract alone."""
    for name in modules():
        if name.startswith("services."):
            text = modules()[name].read_text(encoding="utf-8")
            names = {
                alias.name
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            assert "pathlib" not in names
            stores = {other.split(".")[1] for other in imports(name) if other.startswith("backends.")}
            assert stores <= CONTRACT


def test_no_cycles() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in sorted(imports(name) - {""}):
                visit(other, (*way, name))
            done.add(name)

    for name in sorted(modules()):
        visit(name, ())


def loaded_by(code: str, tmp_path: Path) -> set[str]:
    """The modules that a fresh interpreter has loaded after running the code in an empty folder."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_of_it(tmp_path: Path) -> None:
    assert {name for name in loaded_by("import mdcoord", tmp_path) if name.startswith("mdcoord.")} == set()
    assert "mdcoord.workspace" in loaded_by("from mdcoord import Workspace", tmp_path)


def test_what_every_command_imports_is_light(tmp_path: Path) -> None:
    loaded = loaded_by("import mdcoord.workspace, mdcoord.backends.markdown.store", tmp_path)
    assert not loaded.intersection(HEAVY)


def test_working_on_tasks_stays_light(tmp_path: Path) -> None:
    """Neither YAML parser nor template engine is needed to create, claim and complete a plain task."""
    code = """if True:
        from mdcoord import Workspace
        with Workspace.create(".", agent="ada") as w:
            w.tasks.create("Train", id="train", priority=5, needs=["training"])
            claim = w.tasks.claim(can=["training"], heartbeat=False)
            claim.progress(0.5, step=10)
            claim.complete(result={"loss": 0.42})
            w.events.publish("training", "done", step=10)
            assert [task.id for task in w.tasks.list()] == ["train"]
    """
    assert not loaded_by(code, tmp_path).intersection(HEAVY)
