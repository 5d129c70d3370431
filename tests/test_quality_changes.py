"""The files that a change touches, with a real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mdcoord.errors import UsageError
from mdcoord.layout import project_here
from mdcoord.services.changes import changed_files, named_files


def git(folder: Path, *command: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(folder: Path, *names: str, text: str = "new\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def commit(folder: Path, *names: str) -> None:
    git(folder, "add", *names)
    git(folder, "commit", "-qm", "More")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    write(folder, "same.py", "edited.py", "removed.py", "moved.py", text="old\n")
    (folder / ".gitignore").write_text("ignored.py\n")
    commit(folder, ".")
    return folder


def test_nothing_changed(repository: Path) -> None:
    assert changed_files(str(repository)) == []


def test_staged_unstaged_and_untracked(repository: Path) -> None:
    write(repository, "edited.py", "staged.py", "twice.py", "untracked.py", "ignored.py", "in/it.py")
    git(repository, "add", "staged.py", "twice.py")
    write(repository, "twice.py", text="newer\n")
    (repository / "removed.py").unlink()
    git(repository, "mv", "moved.py", "to.py")
    assert changed_files(str(repository)) == [
        "edited.py",
        "in/it.py",
        "staged.py",
        "to.py",
        "twice.py",
        "untracked.py",
    ]


@pytest.mark.parametrize("name", ["a b.py", "ä.py", "x\ny.py", '"q".py', "-dash.py", "tab\t.py"])
def test_any_name(repository: Path, name: str) -> None:
    write(repository, name)
    assert changed_files(str(repository)) == [name]
    git(repository, "add", "--", name)
    assert changed_files(str(repository)) == [name]


def test_only_what_is_below_the_folder_counts(repository: Path) -> None:
    write(repository, "part/one.py", "part/.claude/coordination/task-x.md", "other.py")
    git(repository, "add", "part/one.py")
    found = changed_files(str(repository / "part"), apart=str(repository / "part/.claude/coordination"))
    assert found == ["one.py"]


def test_a_base_is_where_the_work_parted_from(repository: Path) -> None:
    git(repository, "checkout", "-qb", "work")
    write(repository, "work.py")
    commit(repository, "work.py")
    git(repository, "checkout", "-q", "main")
    write(repository, "main.py")
    commit(repository, "main.py")
    git(repository, "checkout", "-q", "work")
    write(repository, "edited.py")
    assert changed_files(str(repository), "main") == ["edited.py", "work.py"]
    assert changed_files(str(repository)) == ["edited.py"]
    git(repository, "checkout", "-q", "--orphan", "alone")
    git(repository, "commit", "-qm", "Alone")
    assert changed_files(str(repository), "main") == ["edited.py", "work.py"]


@pytest.mark.parametrize("base", ["nowhere", "--help", "-O/etc/passwd", "HEAD^{tree}", ""])
def test_a_base_that_is_no_commit(repository: Path, base: str) -> None:
    with pytest.raises(UsageError):
        changed_files(str(repository), base)


def test_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, "a.py", "b.py")
    git(tmp_path, "add", "a.py")
    assert changed_files(str(tmp_path)) == ["a.py", "b.py"]


def test_outside_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert changed_files(str(tmp_path)) is None
    with pytest.raises(UsageError):
        changed_files(str(tmp_path), "main")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert changed_files(str(tmp_path)) is None


def test_a_look_writes_nothing(repository: Path) -> None:
    write(repository, "edited.py")
    os.utime(repository / "same.py", (1, 1))
    before = (repository / ".git" / "index").read_bytes()
    changed_files(str(repository))
    assert (repository / ".git" / "index").read_bytes() == before


def test_named_files(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repository, "in/it.py")
    monkeypatch.chdir(repository / "in")
    assert named_files(str(repository), ["it.py", "../same.py", str(repository / "same.py"), "."]) == [
        "in",
        "in/it.py",
        "same.py",
    ]
    (repository / "out").symlink_to("/etc")
    for wrong in ("nothing.py", "/etc/passwd", "../../outside.py", "../out/passwd"):
        with pytest.raises(UsageError):
            named_files(str(repository), [wrong])


# -- work trees


def test_a_linked_work_tree_has_files_of_its_own(repository: Path, tmp_path: Path) -> None:
    write(repository, "part/a.py")
    commit(repository, "part")
    for place in (tmp_path / "linked", repository / "inner"):
        git(repository, "worktree", "add", "-q", str(place))
        assert project_here(repository, place / "part") == place
        assert project_here(repository / "part", place) == place / "part"
        assert project_here(place, place / "part") == place
    assert project_here(repository, repository / "part") == repository
    assert project_here(repository, tmp_path) == repository
    assert project_here(repository / "new", tmp_path / "linked") == repository / "new"
    assert project_here(tmp_path, tmp_path / "linked") == tmp_path
