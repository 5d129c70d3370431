"""What kind of project a folder holds, and which commands lint, test and build it.

Found from files and from tools that are really installed, in the project (`.venv`, `node_modules`) or on the
PATH. Nothing is run and nothing is installed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

FILES: Final = "{files}"
"""Stands for the files to look at, each an argument of its own."""

MARKS: Final[dict[str, tuple[str, ...]]] = {
    "node": ("package.json",),
    "python": ("pyproject.toml", "requirements.txt", "setup.py", "setup.cfg"),
    "go": ("go.mod",),
    "rust": ("Cargo.toml",),
}
"""The files by which each type of project is known; the order is that of the init checklist."""

SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "node": (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"),
    "python": (".py", ".pyi"),
    "go": (".go",),
    "rust": (".rs",),
}
"""How the source files of each type of project end."""

_LOCAL: Final = (".venv/bin", "venv/bin", "node_modules/.bin")
"""Where a project keeps tools of its own."""

_MAX_BYTES: Final = 1 << 20


class Found(NamedTuple):
    """A command that was found: the program with its arguments, and what is special about its end.

    With `output_fails` it fails when it prints something. `nothing` is the exit code that means that it found
    nothing to do.
    """

    words: tuple[str, ...]
    output_fails: bool = False
    nothing: int | None = None


class Missing(NamedTuple):
    """Why no command was found, as a phrase."""

    reason: str


class Project:
    """A project's folder as far as it tells how it is built. `path` is where to look for tools (PATH)."""

    def __init__(self, folder: str, path: str = "") -> None:
        self.folder = folder
        self._path = path

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types of project that the files in the folder tell of; a folder may hold several."""
        return tuple(type for type, marks in MARKS.items() if any(map(self.has, marks)))

    def mark(self, type: str) -> str | None:
        """The file by which a type was known."""
        return next(filter(self.has, MARKS.get(type, ())), None)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(os.path.join(self.folder, name))

    def tool(self, name: str) -> str | None:
        """Where an installed program is: in the project, else on the PATH."""
        from shutil import which

        local = (os.path.join(self.folder, place, name) for place in _LOCAL)
        return next((path for path in local if os.access(path, os.X_OK)), None) or which(
            name, path=self._path or None
        )

    def command(self, check: str, type: str) -> Found | Missing:
        """The first command for a check (`lint`, `types`, …, `build`) of a type that can be run here."""
        reasons = []
        for candidate in _CANDIDATES.get(type, {}).get(check, ()):
            found = candidate.fit(self)
            if isinstance(found, Found):
                return found
            reasons.append(found.reason)
        return Missing("; ".join(dict.fromkeys(reasons)) or f"no tool for it is known for {type} projects")

    @cached_property
    def scripts(self) -> Mapping[str, Any]:
        """The scripts of package.json; none where it cannot be read."""
        import json

        try:
            scripts = json.loads(self.text("package.json")).get("scripts")
        except (ValueError, AttributeError, RecursionError):
            return {}
        return scripts if isinstance(scripts, dict) else {}

    @cached_property
    def pyproject(self) -> Mapping[str, Any]:
        """The content of pyproject.toml; nothing where it cannot be read."""
        import tomllib

        try:
            return tomllib.loads(self.text("pyproject.toml"))
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}

    def setting(self, tool: str) -> Mapping[str, Any]:
        """The table `[tool.…]` of pyproject.toml."""
        tools = self.pyproject.get("tool")
        found = tools.get(tool) if isinstance(tools, dict) else None
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        """A file's text; empty when it cannot be read."""
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                return file.read(_MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One way to do a check. `when` says what is missing, as a phrase, or nothing when it can be used.

    `parts` are further programs without which it does not work.
    """

    line: str
    when: Callable[[Project], str] = lambda project: ""
    parts: tuple[str, ...] = ()
    output_fails: bool = False
    nothing: int | None = None

    def fit(self, project: Project) -> Found | Missing:
        name, *rest = self.line.split(" ")
        tool = project.tool(name)
        for part in (name, *self.parts):
            if project.tool(part) is None:
                return Missing(f"{part} is not installed")
        if reason := self.when(project):
            return Missing(reason)
        return Found((tool or name, *rest), self.output_fails, self.nothing)


def _file(name: str) -> Callable[[Project], str]:
    return lambda project: "" if project.has(name) else f"there is no {name}"


def _script(*names: str) -> list[_Candidate]:
    return [_Candidate(f"npm run --silent {name}", _scripted(name)) for name in names]


def _scripted(name: str) -> Callable[[Project], str]:
    def missing(project: Project) -> str:
        text = project.scripts.get(name)
        # `npm init` writes a test that says that there is none, and fails.
        given = isinstance(text, str) and "no test specified" not in text
        return "" if given else f"package.json has no script {name!r}"

    return missing


def _mypy_knows_its_files(project: Project) -> str:
    if {"files", "packages", "modules"} & set(project.setting("mypy")):
        return ""
    texts = (project.text(name) for name in ("mypy.ini", ".mypy.ini", "setup.cfg"))
    named = re.compile(r"^\[mypy\]\s(?:(?!^\[).*\n)*?(?:files|packages|modules)\s*[=:]", re.M)
    return "" if any(map(named.search, texts)) else "mypy is not told its files"


def _own_bandit(project: Project) -> str:
    return "" if project.setting("bandit") else "there is no [tool.bandit]"


_C = _Candidate
_NOT_OURS = ".venv,venv,node_modules,build,dist"
_NOT_BANDITS = "./.venv/,./venv/,./node_modules/,./build/,./dist/"  # it looks for these texts in paths
_CANDIDATES: Final[dict[str, dict[str, list[_Candidate]]]] = {
    "python": {
        "lint": [_C("ruff check {files}"), _C(f"flake8 --extend-exclude={_NOT_OURS} {{files}}")],
        "types": [
            # Whole, since a change in one file breaks the callers in others.
            _C("mypy", _mypy_knows_its_files),
            _C("mypy --exclude ^(venv|build|dist)/ ."),
            _C("pyright"),
        ],
        "tests": [_C("pytest -q", nothing=5)],
        "security": [
            # From medium severity up: below are, for one, the assert statements of every test.
            _C(f"bandit -q -ll -c pyproject.toml -x {_NOT_BANDITS} -r {{files}}", _own_bandit),
            _C(f"bandit -q -ll -x {_NOT_BANDITS} -r {{files}}"),
            _C("pip-audit -r requirements.txt", _file("requirements.txt")),
            _C("pip-audit .", _file("pyproject.toml")),
        ],
        "complexity": [
            _C(f"radon cc -n C -s -i {_NOT_OURS} {{files}}", output_fails=True),
            _C("ruff check --select C901 {files}"),
        ],
        "build": [_C("pyproject-build"), _C("uv build"), _C("hatch build"), _C("poetry build")],
    },
    "node": {
        "lint": [*_script("lint"), _C("eslint {files}")],
        "types": [*_script("typecheck", "type-check", "types"), _C("tsc --noEmit", _file("tsconfig.json"))],
        "tests": _script("test"),
        "security": [*_script("audit"), _C("npm audit", _file("package-lock.json"))],
        "complexity": _script("complexity"),
        "build": _script("build"),
    },
    "go": {
        "lint": [_C("go vet ./...")],
        "types": [_C(f"go build -o {os.devnull} ./...")],
        "tests": [_C("go test ./...")],
        "security": [_C("govulncheck ./...", parts=("go",))],
        "complexity": [_C("gocyclo -over 15 {files}")],
        "build": [_C("go build ./...")],
    },
    "rust": {
        "lint": [_C("cargo clippy --quiet -- -D warnings", parts=("cargo-clippy",))],
        "types": [_C("cargo check --quiet")],
        "tests": [_C("cargo test --quiet")],
        "security": [_C("cargo audit --quiet", parts=("cargo-audit",))],
        "complexity": [
            _C(
                "cargo clippy --quiet -- -A clippy::all -D clippy::cognitive_complexity",
                parts=("cargo-clippy",),
            )
        ],
        "build": [_C("cargo build")],
    },
}
"""For each type and check the commands, the best first. `{files}` becomes `.` for the whole project."""
