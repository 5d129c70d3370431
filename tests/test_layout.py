"""Where a workspace lies: real folders, real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mdcoord.errors import NotFound
from mdcoord.layout import checkout_of, explicit_root, find_root, new_root, state_folder

ROOT = Path(".claude/coordination")


def git(folder: Path, *args: str) -> None:
    command = [
        "git",
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.org",
        "-c",
        "init.defaultBranch=main",
        *args,
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def shared(folder: Path) -> bool:
    return False


def isolated(folder: Path) -> bool:
    return True


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder outside of git."""
    folder = tmp_path.resolve() / "plain"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "repository"
    folder.mkdir()
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture
def linked(repository: Path) -> Path:
    """A second work tree of the repository, beside it."""
    folder = repository.parent / "linked"
    git(repository, "worktree", "add", "-b", "side", str(folder))
    return folder


# -- the root


def test_the_nearest_workspace_upwards(plain: Path) -> None:
    root = plain / ROOT
    inner = plain / "a" / ROOT
    deep = plain / "a" / "b" / "c"
    for folder in (root, inner, deep):
        folder.mkdir(parents=True)
    assert find_root(plain, shared) == root
    assert find_root(deep, shared) == inner
    assert find_root(plain / "a", shared) == inner


def test_a_workspace_is_found_from_within(plain: Path) -> None:
    archive = plain / ROOT / "archive"
    archive.mkdir(parents=True)
    for folder in (archive, plain / ROOT, plain / ".claude"):
        assert find_root(folder, shared) == plain / ROOT


def test_no_workspace(plain: Path) -> None:
    with pytest.raises(NotFound) as caught:
        find_root(plain, shared)
    assert "mdcoord init" in caught.value.hint
    assert str(plain) in caught.value.message


def test_a_root_by_name(plain: Path) -> None:
    root = plain / ROOT
    root.mkdir(parents=True)
    assert explicit_root(plain, shared) == root
    assert explicit_root(root, shared) == root
    other = plain / "elsewhere"
    with pytest.raises(NotFound):
        explicit_root(other, shared)
    other.mkdir()
    (other / "notes.md").touch()
    with pytest.raises(NotFound):
        explicit_root(other, shared)
    (other / "task-1.md").touch()
    assert explicit_root(other, shared) == other


def test_a_linked_work_tree_means_the_main_one(repository: Path, linked: Path) -> None:
    root = repository / ROOT
    deep = linked / "src" / "deep"
    deep.mkdir(parents=True)
    with pytest.raises(NotFound):
        find_root(deep, shared)
    root.mkdir(parents=True)
    assert find_root(deep, shared) == root
    assert new_root(linked, shared) == root
    assert explicit_root(linked, shared) == root
    own = linked / ROOT
    own.mkdir(parents=True)
    assert explicit_root(linked, isolated) == own
    assert find_root(deep, shared) == root, "one truth, also where git checked the folder out twice"
    assert find_root(deep, isolated) == own
    assert new_root(linked, isolated) == own
    assert find_root(repository, shared) == root


def test_a_project_below_the_top_of_a_linked_work_tree(repository: Path, linked: Path) -> None:
    root = repository / "services" / "web" / ROOT
    root.mkdir(parents=True)
    inside = linked / "services" / "web"
    inside.mkdir(parents=True)
    assert find_root(inside, shared) == root
    assert new_root(inside, shared) == root


def test_a_linked_work_tree_whose_main_one_has_none(repository: Path, linked: Path) -> None:
    own = linked / ROOT
    own.mkdir(parents=True)
    assert find_root(linked, shared) == own


def test_a_bare_repository_has_no_main_work_tree(repository: Path) -> None:
    bare = repository.parent / "bare.git"
    git(repository, "clone", "--bare", str(repository), str(bare))
    tree = repository.parent / "tree"
    git(bare, "worktree", "add", "-b", "side", str(tree))
    found = checkout_of(tree)
    assert found is not None
    assert (found.top, found.common, found.main, found.linked) == (tree, bare, None, True)
    (tree / ROOT).mkdir(parents=True)
    assert find_root(tree, shared) == new_root(tree, shared) == tree / ROOT
    assert state_folder(tree / ROOT).is_relative_to(bare / "mdcoord")


def test_a_submodule_is_a_repository_of_its_own(repository: Path) -> None:
    other = repository.parent / "other"
    other.mkdir()
    git(other, "init")
    git(other, "commit", "--allow-empty", "-m", "first")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", str(other), "sub")
    found = checkout_of(repository / "sub")
    assert found is not None
    assert (found.top, found.main, found.linked) == (repository / "sub", repository / "sub", False)
    assert found.common == repository / ".git" / "modules" / "sub"


@pytest.mark.parametrize("content", ["", "gitdir: /no/such/folder", "nonsense"])
def test_a_broken_git_file_is_no_work_tree(plain: Path, content: str) -> None:
    (plain / ".git").write_text(content)
    assert checkout_of(plain) is None


def test_outside_of_git(plain: Path) -> None:
    assert checkout_of(plain) is None


# -- the state


def test_the_state_outside_of_git(plain: Path) -> None:
    assert state_folder(plain / ROOT) == plain / ROOT / ".state"


def test_the_state_inside_of_git(repository: Path, linked: Path) -> None:
    state = state_folder(repository / ROOT)
    assert state == repository / ".git" / "mdcoord" / ".claude%2Fcoordination"
    other = state_folder(repository / "services" / ROOT)
    alone = state_folder(linked / ROOT)
    assert {state.parent, other.parent, alone.parent} == {repository / ".git" / "mdcoord"}
    assert len({state, other, alone}) == 3, "two workspaces never share their state"


def test_paths_that_look_alike_do_not_meet(repository: Path) -> None:
    names = [repository / "a" / "b", repository / "a%2Fb", repository / "a%252Fb"]
    assert len({state_folder(name) for name in names}) == 3


def test_a_very_long_path(repository: Path) -> None:
    deep = repository.joinpath(*["folder" * 5] * 12)
    assert len(state_folder(deep).name.encode()) < 100
    assert state_folder(deep) != state_folder(deep / "x")


def test_state_that_is_there_stays_the_place(plain: Path) -> None:
    """A later `git init` must not part those who are at work."""
    state = plain / ROOT / ".state"
    state.mkdir(parents=True)
    git(plain, "init")
    assert state_folder(plain / ROOT) == state


def test_git_clean_does_not_reach_the_state(repository: Path) -> None:
    state = state_folder(repository / ROOT)
    state.mkdir(parents=True)
    (repository / ROOT).mkdir(parents=True)
    git(repository, "clean", "-fdx")
    assert state.is_dir()
