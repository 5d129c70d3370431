"""Which checks a project wants: types by files, tools by what is installed, commands as configured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.config import Config
from mdcoord.config.checks import CHECKS, Check, checks_of, types_of
from mdcoord.config.detect import MARKS, SUFFIXES, Found, Missing, Project

Make = Callable[..., Project]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a project of files (name -> text) and of installed programs."""

    def project(*programs: str, **files: str) -> Project:
        folder, programs_at = tmp_path / "project", tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        programs_at.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", "-").replace("_", ".")).write_text(text)
        for name in programs:
            program(programs_at / name)
        return Project(str(folder), str(programs_at))

    return project


def program(path: Path, script: str = "exit 0") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def said(project: Project, check: str, type: str) -> str:
    """The command found without its folder, or else the reason."""
    found = project.command(check, type)
    if isinstance(found, Missing):
        return found.reason
    return " ".join([Path(found.words[0]).name, *found.words[1:]])


# -- types


@pytest.mark.parametrize(("type", "mark"), [(type, mark) for type, marks in MARKS.items() for mark in marks])
def test_a_type_is_known_by_its_files(make: Make, tmp_path: Path, type: str, mark: str) -> None:
    project = make()
    assert project.types == ()
    (tmp_path / "project" / mark).write_text("")
    again = Project(project.folder)
    assert (again.types, again.mark(type)) == ((type,), mark)


def test_a_project_may_be_of_several_types(make: Make) -> None:
    project = make(package_json="{}", pyproject_toml="")
    assert project.types == ("node", "python")
    assert types_of(Config(project_type="Python, go"), project) == ["python", "go"]


def test_a_folder_is_no_mark(make: Make, tmp_path: Path) -> None:
    project = make()
    (tmp_path / "project" / "package.json").mkdir()
    assert project.types == ()


# -- tools


def test_a_tool_of_the_project_goes_before_the_path(make: Make, tmp_path: Path) -> None:
    project = make("ruff")
    assert project.tool("ruff") == str(tmp_path / "bin" / "ruff")
    own = tmp_path / "project" / ".venv" / "bin" / "ruff"
    program(own)
    assert project.tool("ruff") == str(own)
    own.chmod(0o644)
    assert project.tool("ruff") == str(tmp_path / "bin" / "ruff")
    assert project.tool("mypy") is None


@pytest.mark.parametrize(
    ("tools", "check", "expected"),
    [
        ("ruff flake8", "lint", "ruff check {files}"),
        ("flake8", "lint", "flake8 --extend-exclude=.venv,venv,node_modules,build,dist {files}"),
        ("", "lint", "ruff is not installed; flake8 is not installed"),
        ("mypy pyright", "types", "mypy --exclude ^(venv|build|dist)/ ."),
        ("pyright", "types", "pyright"),
        ("pytest", "tests", "pytest -q"),
        ("", "tests", "pytest is not installed"),
        ("pip-audit", "security", "pip-audit ."),
        ("ruff radon", "complexity", "radon cc -n C -s -i .venv,venv,node_modules,build,dist {files}"),
        ("ruff", "complexity", "ruff check --select C901 {files}"),
        ("uv", "build", "uv build"),
    ],
)
def test_python(make: Make, tools: str, check: str, expected: str) -> None:
    assert said(make(*tools.split(), pyproject_toml=""), check, "python") == expected


def test_python_tools_are_used_as_they_are_configured(make: Make) -> None:
    plain = make("bandit", "mypy", pyproject_toml="[tool.mypy]\nstrict = true\n")
    assert said(plain, "types", "python") == "mypy --exclude ^(venv|build|dist)/ ."
    assert "-c pyproject.toml" not in said(plain, "security", "python")
    own = make(pyproject_toml='[tool.mypy]\nfiles = ["src"]\n[tool.bandit]\nskips = ["B1"]\n')
    assert said(own, "types", "python") == "mypy"
    assert "-c pyproject.toml" in said(own, "security", "python")
    assert (
        said(make(pyproject_toml="", mypy_ini="[mypy]\n# ours\nfiles = src\n"), "types", "python") == "mypy"
    )
    other = make(mypy_ini="[mypy]\nstrict = True\n[mypy-x]\nfiles = src\n")
    assert said(other, "types", "python") == "mypy --exclude ^(venv|build|dist)/ ."


@pytest.mark.parametrize("text", ["[tool", "\xff", "tool = 1", "[tool]\nmypy = 1\n"])
def test_a_pyproject_that_tells_nothing(make: Make, text: str) -> None:
    assert said(make("mypy", pyproject_toml=text), "types", "python").startswith("mypy --exclude")


SCRIPTS = '{"scripts": {"lint": "x", "type-check": "x", "test": "jest", "build": "x", "audit": 3}}'


@pytest.mark.parametrize(
    ("tools", "package", "check", "expected"),
    [
        ("npm eslint", SCRIPTS, "lint", "npm run --silent lint"),
        ("npm eslint", "{}", "lint", "eslint {files}"),
        ("npm", "{}", "lint", "package.json has no script 'lint'; eslint is not installed"),
        ("", SCRIPTS, "lint", "npm is not installed; eslint is not installed"),
        ("npm tsc", SCRIPTS, "types", "npm run --silent type-check"),
        ("npm tsc", "[]", "types", "tsc --noEmit"),
        ("npm", SCRIPTS, "tests", "npm run --silent test"),
        (
            "npm",
            '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}',
            "tests",
            "package.json has no script 'test'",
        ),
        ("npm", SCRIPTS, "security", "npm audit"),
        ("npm", "nonsense", "complexity", "package.json has no script 'complexity'"),
        ("npm", SCRIPTS, "build", "npm run --silent build"),
    ],
)
def test_node(make: Make, tools: str, package: str, check: str, expected: str) -> None:
    project = make(*tools.split(), package_json=package, tsconfig_json="{}", package__lock_json="{}")
    assert said(project, check, "node") == expected


def test_node_without_the_files_of_its_tools(make: Make) -> None:
    project = make("npm", "tsc", package_json="{}")
    assert said(project, "types", "node").endswith("there is no tsconfig.json")
    assert said(project, "security", "node").endswith("there is no package-lock.json")


@pytest.mark.parametrize(
    ("tools", "type", "check", "expected"),
    [
        ("go", "go", "lint", "go vet ./..."),
        ("go", "go", "types", "go build -o /dev/null ./..."),
        ("go", "go", "tests", "go test ./..."),
        ("go", "go", "security", "govulncheck is not installed"),
        ("govulncheck", "go", "security", "go is not installed"),
        ("go govulncheck", "go", "security", "govulncheck ./..."),
        ("gocyclo", "go", "complexity", "gocyclo -over 15 {files}"),
        ("", "go", "build", "go is not installed"),
        ("cargo", "rust", "lint", "cargo-clippy is not installed"),
        ("cargo cargo-clippy", "rust", "lint", "cargo clippy --quiet -- -D warnings"),
        ("cargo", "rust", "types", "cargo check --quiet"),
        ("cargo", "rust", "tests", "cargo test --quiet"),
        ("cargo cargo-audit", "rust", "security", "cargo audit --quiet"),
        ("cargo", "rust", "build", "cargo build"),
        ("", "cobol", "lint", "no tool for it is known for cobol projects"),
    ],
)
def test_go_and_rust(make: Make, tools: str, type: str, check: str, expected: str) -> None:
    assert said(make(*tools.split()), check, type) == expected


# -- the checks of a project


def checks(project: Project, **settings: object) -> dict[str, Check]:
    return {f"{c.name} {c.type}".strip(): c for c in checks_of(Config(**settings), project)}  # type: ignore[arg-type]


def test_every_check_is_told_of(make: Make) -> None:
    found = checks(make())
    assert list(found) == list(CHECKS)
    assert found["lint"].reason == "the project's type is not known; set quality.lint"
    assert not any(check.command for check in found.values())


def test_a_project_of_two_types_has_the_checks_of_both(make: Make) -> None:
    found = checks(make("ruff", "npm", package_json=SCRIPTS, pyproject_toml=""))
    assert len(found) == 2 * len(CHECKS)
    assert found["lint node"].text == "npm run --silent lint"
    assert found["lint python"].text == "ruff check {files}"
    assert found["lint python"].suffixes == SUFFIXES["python"]
    assert found["tests python"].reason == "pytest is not installed"


def test_what_is_configured_goes_first(make: Make) -> None:
    project = make("ruff", "pytest", pyproject_toml="")
    found = checks(
        project,
        lint_command="make lint",
        quality_tests=("tox", "-q"),
        test_command="make test",
        quality_types="off",
        type_check_command="make types",
        quality_security="scan {files}",
    )
    assert [found[name].command for name in CHECKS][:4] == ["make lint", (), ("tox", "-q"), "scan {files}"]
    assert found["types"].reason == "turned off by quality.types"
    assert found["security"].suffixes == SUFFIXES["python"]
    assert found["complexity"].text == "ruff check --select C901 {files}"


def test_a_configured_check_of_an_unknown_project_takes_all_files(make: Make) -> None:
    check = checks(make(), lint_command="prose {files}")["lint"]
    assert check.chosen(["a.md", "b"]) == ["a.md", "b"]


# -- files


def test_a_check_takes_the_files_that_are_for_it() -> None:
    check = Check("lint", command=("ruff", "{files}"), suffixes=(".py",))
    assert check.chosen(["a.py", "b.md", "c d.py"]) == ["a.py", "c d.py"]
    assert check.chosen(["b.md"]) == []
    assert check.chosen(None) is None
    assert check.chosen(["x" * 60_000 + ".py", "y" * 60_000 + ".py"]) is None
    assert Check("tests", command="pytest").chosen(["a.py"]) is None


def test_words_are_passed_on_as_they_are() -> None:
    check = Check("lint", command=("ruff", "a b", "{files}", "x{files}"))
    assert check.arguments(["c d", "-e"]) == ["ruff", "a b", "c d", "./-e", "x{files}"]
    assert check.arguments(None) == ["ruff", "a b", ".", "x{files}"]
    assert check.text == "ruff 'a b' {files} 'x{files}'"


HARMLESS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize("text", ["{files}", '"{files}"', "'{files}'"])
@settings(max_examples=10)
@given(names=st.lists(HARMLESS, min_size=1, max_size=3))
def test_a_name_is_never_code_for_the_shell(text: str, names: list[str]) -> None:
    names = [*names, "$(echo x)", "a b", "`echo y`", "*", '"', "'; echo z"]
    show = f"{sys.executable} -c 'import sys; print(ascii(sys.argv[1:]))' {text}"
    # Many names a run, since each starts a program.
    done = subprocess.run(
        Check("lint", command=show).arguments(names), capture_output=True, text=True, check=True
    )
    expected = [f"./{name}" if name.startswith("-") else name for name in names]
    assert done.stdout == ascii(expected) + "\n"


def test_a_text_is_for_the_shell() -> None:
    arguments = Check("tests", command="echo a && echo $((1 + 1)) | cat").arguments(None)
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == "a\n2\n"


def test_found_commands_are_as_they_are_told(make: Make, tmp_path: Path) -> None:
    found = make("pytest").command("tests", "python")
    assert found == Found((str(tmp_path / "bin" / "pytest"), "-q"), False, 5)
