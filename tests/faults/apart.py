"""Cases that run in processes of their own, with a small disk or little memory."""

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

_CASES = ["tests.faults.writers", "tests.faults.loops"]
_SECONDS = 240
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_SIZES = (1 << 20, 1 << 16, 1 << 12, 1 << 9, 1 << 6)

_processes = multiprocessing.get_context("forkserver")


class CannotMount(Exception):
    """This machine lets nobody mount a disk, not even in a namespace of his own."""


def run_apart(case: Callable[..., None], *arguments: object) -> None:
    """Run a case of `writers` or `loops` in a process that has what it needs already."""
    # The server that forks takes its path from here alone.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    _processes.set_forkserver_preload(_CASES)
    ours, theirs = _processes.Pipe(duplex=False)
    child = _processes.Process(target=_report, args=(theirs, case, *arguments))
    child.start()
    theirs.close()
    try:
        failure = ours.recv() if ours.poll(_SECONDS) else f"not done after {_SECONDS} s"
    except EOFError:
        child.join()
        failure = f"the process ended with {child.exitcode}"
    child.kill()
    child.join()
    if failure.startswith(CannotMount.__name__):
        pytest.skip(failure)
    if failure:
        pytest.fail(failure, pytrace=False)


def _report(to: Connection, case: Callable[..., None], *arguments: object) -> None:
    try:
        case(*arguments)
    except CannotMount as error:
        to.send(f"{CannotMount.__name__}: {error}")
    except BaseException:
        to.send(traceback.format_exc())
    else:
        to.send("")


@dataclass(frozen=True)
class SmallDisk:
    """A disk of this process alone, in memory; it is gone when the process ends."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, leave: int) -> None:
        """Take all room but so many bytes."""
        self.free()
        status = os.statvfs(self.folder)
        size = status.f_bavail * status.f_frsize - leave
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    @contextmanager
    def refusing(self, trouble: str) -> Iterator[None]:
        """Be `full` or `read-only` meanwhile."""
        if trouble == "full":
            self.fill(leave=0)
            yield
            self.free()
        else:
            with self.read_only():
                yield

    @contextmanager
    def read_only(self) -> Iterator[None]:
        _mount("-o", "remount,ro", str(self.folder))
        yield
        _mount("-o", "remount,rw", str(self.folder))


def small_disk(folder: Path, megabytes: int) -> SmallDisk:
    """Mount a disk on an empty folder, for this process and its children alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_MOUNTS) != 0:
        if libc.unshare(_NEW_USER | _NEW_MOUNTS) != 0:
            raise CannotMount(os.strerror(ctypes.get_errno()))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    try:
        _mount("--make-rprivate", "/")
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))
    except subprocess.CalledProcessError as error:
        raise CannotMount(error.stderr.strip()) from error
    return SmallDisk(folder)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)


def fails_with_memory(left: int, work: Callable[[], object]) -> bool:
    """Do a piece of work in a fork that can get so many bytes and no more; tell if it failed."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(_SECONDS // 4)
        # What a library says when it ends the process is of no use here.
        os.close(2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            hoarded = _take_all_memory(left)
            work()
            del hoarded
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code != -signal.SIGALRM, f"it hangs with {left} bytes left"
    return code != 0


def _take_all_memory(left: int) -> list[bytes]:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    reserve = bytes(left)
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    hoarded: list[bytes] = []
    # Also what the process has got already and does not use.
    for size in _SIZES:
        with suppress(MemoryError):
            while True:
                hoarded.append(bytes(size))
    del reserve
    return hoarded
