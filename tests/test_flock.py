"""Locks: exclusive, bounded, shared with other programs, let go of whatever happens."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import threading
import time
import warnings
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from mdcoord.backends.markdown import flock
from mdcoord.backends.markdown.flock import Lock, holder_of, peek
from mdcoord.errors import BackendUnavailable, Busy


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "locks" / "task-one")


def is_free(path: str) -> bool:
    try:
        with Lock(path, "probe", 0):
            return True
    except Busy:
        return False


def test_only_one_holds_it(path: str) -> None:
    with Lock(path, "task-one", 0), pytest.raises(Busy), Lock(path, "task-one", 0):
        pass
    assert is_free(path)


def test_waiting_is_bounded_and_names_the_holder(path: str) -> None:
    with Lock(path, "task-one", 0):
        begun = time.monotonic()
        with pytest.raises(Busy) as caught, Lock(path, "task-one", 0.2):
            pass
        assert time.monotonic() - begun >= 0.2
    assert caught.value.details["holder_pid"] == os.getpid()
    assert str(os.getpid()) in caught.value.message


def test_threads_exclude_each_other(path: str) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with Lock(path, "task-one", 60):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_shared_with_flock_of_the_shell(path: str) -> None:
    with Lock(path, "task-one", 0):
        assert subprocess.run(["flock", "-n", path, "true"], check=False).returncode == 1
    shell = subprocess.Popen(["flock", path, "sh", "-c", "echo held; read _"], **_PIPES)
    with shell:
        assert shell.stdout
        assert shell.stdout.readline() == "held\n"
        assert not is_free(path)
        shell.communicate("\n")
    assert is_free(path)


_PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def test_shared_with_filelock(path: str) -> None:
    with Lock(path, "task-one", 0), pytest.raises(Timeout):
        FileLock(path).acquire(timeout=0)
    with FileLock(path):
        assert not is_free(path)


def test_dies_with_its_holder(path: str) -> None:
    pid = os.fork()
    if not pid:
        with Lock(path, "task-one", 0):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert is_free(path)


def test_a_stopped_holder_keeps_it(path: str) -> None:
    pid = os.fork()
    if not pid:
        with Lock(path, "task-one", 0):
            os.kill(os.getpid(), signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    holder, free = holder_of(path), is_free(path)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (holder, free) == (pid, False)
    assert is_free(path)


def test_a_forked_child_does_not_keep_its_parents_lock(path: str) -> None:
    ready, say_ready = os.pipe()
    stay, let_go = os.pipe()
    with Lock(path, "task-one", 0) as lock:
        pid = os.fork()
        if not pid:
            os.close(let_go)
            lock.release()  # does nothing: it is not the child's
            os.write(say_ready, b".")
            os.read(stay, 1)
            os._exit(0)
        os.read(ready, 1)
        assert not is_free(path)
    assert is_free(path)
    os.close(let_go)
    os.waitpid(pid, 0)
    for descriptor in (ready, say_ready, stay):
        os.close(descriptor)


def test_a_forked_child_excludes_its_parent(path: str) -> None:
    context = multiprocessing.get_context("fork")
    with Lock(path, "task-one", 0):
        child = context.Process(target=_must_be_busy, args=(path,))
        child.start()
        child.join()
    assert child.exitcode == 0


def _must_be_busy(path: str) -> None:
    assert not is_free(path)


def test_a_lock_whose_block_never_started_ends_by_itself(path: str) -> None:
    lock = Lock(path, "task-one", 0).__enter__()
    assert not is_free(path)
    with warnings.catch_warnings(action="ignore"):
        del lock
        gc.collect()
    assert is_free(path)


def test_a_removed_lock_file_excludes_nobody_and_is_noticed(path: str) -> None:
    with Lock(path, "task-one", 0) as first:
        assert first.intact
        os.unlink(path)
        assert not first.intact
        with Lock(path, "task-one", 0) as second:
            assert second.intact
            assert not first.intact


def test_who_waited_for_a_removed_lock_file_takes_the_new_one(path: str) -> None:
    held = Lock(path, "task-one", 0).__enter__()
    waiter = Lock(path, "task-one", 60)
    assert not waiter._try()
    os.unlink(path)
    held.release()
    assert not waiter._try(), "it has the lock of a file that nobody else can find"
    with waiter:
        assert waiter.intact


def test_a_removed_state_folder_is_made_again(path: str) -> None:
    with Lock(path, "task-one", 0) as lock:
        lock.store(b"line")
    assert peek(path) == b"line"


def test_a_symbolic_link_is_no_lock_file(path: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.makedirs(os.path.dirname(path))
    os.symlink(victim, path)
    with pytest.raises(BackendUnavailable), Lock(path, "task-one", 0):
        pass
    with pytest.raises(BackendUnavailable):
        peek(path)
    assert victim.read_text() == "precious"


def test_the_state_line_is_replaced_as_a_whole(path: str) -> None:
    with Lock(path, "task-one", 0) as lock:
        assert lock.load() == b""
        lock.store(b"a long line of state")
        assert lock.load() == b"a long line of state"
        lock.store(b"short")
    with Lock(path, "task-one", 0) as lock:
        assert lock.load() == b"short"
    assert Path(path).read_bytes().rstrip(b" ") == b"short\n"


def test_there_is_no_state_without_a_lock(path: str) -> None:
    assert peek(path) == b""
    with pytest.raises(RuntimeError):
        Lock(path, "task-one", 0).load()


def test_releasing_twice_is_harmless(path: str) -> None:
    lock = Lock(path, "task-one", 0).__enter__()
    lock.release()
    lock.release()
    assert is_free(path)


def test_no_lock_is_remembered_that_is_not_held(path: str) -> None:
    with Lock(path, "task-one", 0):
        pass
    with pytest.raises(Busy), Lock(path, "task-one", 0), Lock(path, "task-one", 0):
        pass
    assert not [lock for lock in flock._held if lock.path == path]
