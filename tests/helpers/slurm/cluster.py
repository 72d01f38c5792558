"""A real SLURM of one node on the loopback interface, without systemd, for tests.

A context manager in Python (``single_node_slurm``), or from a shell::

    python tests/helpers/slurm/cluster.py up FOLDER   # prints what to export for sbatch, squeue ...
    python tests/helpers/slurm/cluster.py down FOLDER

All files are in the folder, and the daemons belong to whoever starts them: munged, slurmctld and
slurmd, of the system's packages (see install.sh). Without root, jobs run as the same user.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
MARK = "TEST_SLURM_FOLDER"  # in the environment of each daemon, and of what it starts
START_S, CANCEL_S, END_S = 60, 20, 10

TEMPLATE = Path(__file__).with_name("slurm.conf.in")


class NoSlurmError(Exception):
    """Why there can be no SLURM here; what a test that needs one is skipped with."""


@dataclass(frozen=True)
class SingleNode:
    """A running SLURM: where it is, and what its clients need."""

    folder: Path
    partition: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables for sbatch, squeue and the others, to be put over those of the process."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *command: str | Path) -> str:
        """Run a client command and return what it prints, without the last newline."""
        done = subprocess.run(
            [str(part) for part in command],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{shlex.join(done.args)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.rstrip("\n")


@contextmanager
def single_node_slurm(folder: Path, partition: str = "test") -> Iterator[SingleNode]:
    """Start a SLURM in a folder, and leave no process of it behind.

    Raises ``NoSlurmError`` where there can be none, and ``RuntimeError`` where there should be
    one that does not come up; the folder has the daemons' logs.
    """
    node = up(folder, partition)
    try:
        yield node
    finally:
        down(folder)


def up(folder: Path, partition: str = "test") -> SingleNode:
    """Start the daemons and wait until the node is idle; the folder is made if need be."""
    check_available()
    folder = folder.resolve()
    node = SingleNode(folder, partition)
    _make_files(node)
    try:
        _start(node, "munged", "--force", *_munge_files(folder))
        _start(node, "slurmctld", "-L", folder / "slurmctld.log")
        _start(node, "slurmd", "-L", folder / "slurmd.log")
        if not _until(lambda: _state(node) == "idle", START_S):
            raise RuntimeError(f"the node is {_state(node)!r}, not idle, after {START_S} s")
    except BaseException:
        down(folder)
        raise
    return node


def down(folder: Path) -> None:
    """Cancel all jobs, then end every process of the SLURM in this folder, jobs' own included."""
    folder = folder.resolve()
    node = SingleNode(folder, "")
    if any(name == "slurmctld" for name in processes_of(folder).values()):
        try:
            node.run("scancel", "--full", f"--user={_user()}")
            _until(lambda: not node.run("squeue", "--noheader"), CANCEL_S)
        except (RuntimeError, subprocess.TimeoutExpired):
            pass  # a controller that does not answer is ended as it is, and so are the jobs
    _end_processes(folder)


def check_available() -> None:
    """Raise ``NoSlurmError`` unless programs and the machine's name are as they must be."""
    missing = [name for name in PROGRAMS if not _program(name)]
    if missing:
        raise NoSlurmError(
            f"{', '.join(missing)} not installed: see tests/helpers/slurm/install.sh"
        )
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        addresses = set()
    if not addresses or not all(ipaddress.ip_address(a).is_loopback for a in addresses):
        # The daemons bind to what the machine's name stands for, and must not be seen from outside
        raise NoSlurmError(
            f"the name of this machine, {socket.gethostname()}, stands for "
            f"{', '.join(sorted(addresses)) or 'no address'}; put '127.0.0.1 "
            f"{socket.gethostname()}' first into /etc/hosts to let SLURM listen on loopback only"
        )


def _make_files(node: SingleNode) -> None:
    folder = node.folder
    longest = f"{folder}/spool/{_host()}_99999999.4294967291"  # a job step's socket
    if len(longest) > 107:
        raise NoSlurmError(f"the path of {folder} is {len(longest) - 107} characters too long")
    if set(str(folder)) & set(" \t\n#="):
        raise NoSlurmError(f"slurm.conf cannot name the folder {str(folder)!r}")
    if processes_of(folder):
        raise NoSlurmError(f"there is a SLURM in {folder}; end it with 'down' first")
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    key = folder / "munge.key"
    key.unlink(missing_ok=True)
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    ctld_port, slurmd_port = _free_ports(2)
    settings = TEMPLATE.read_text().format(
        host=_host(),
        folder=folder,
        user=_user(),
        partition=node.partition,
        ctld_port=ctld_port,
        slurmd_port=slurmd_port,
        cpus=len(os.sched_getaffinity(0)),
        memory_MB=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
    )
    (folder / "slurm.conf").write_text(settings)


def _munge_files(folder: Path) -> list[str]:
    names = {"socket": "socket", "key-file": "key", "pid-file": "pid"}
    names |= {"log-file": "log", "seed-file": "seed"}
    return [f"--{option}={folder}/munge.{name}" for option, name in names.items()]


def _start(node: SingleNode, program: str, *arguments: str | Path) -> None:
    """Start a daemon, which goes into the background by itself, or fails with a reason."""
    command = [_program(program), *map(str, arguments)]
    environment = os.environ | node.environment | {MARK: str(node.folder)}
    with (node.folder / f"{program}.start").open("w+") as printed:
        # A file rather than a pipe, which the daemon would hold open
        done = subprocess.run(
            command,
            env=environment,
            cwd=node.folder,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            timeout=START_S,
            check=False,
        )
        if done.returncode:
            printed.seek(0)
            raise RuntimeError(f"{shlex.join(command)} failed:\n{printed.read()}")


def _program(name: str) -> str | None:
    """Where a program is; a user's PATH often lacks the daemons' folder."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _state(node: SingleNode) -> str:
    try:
        return node.run("sinfo", "--noheader", "--format=%T")
    except RuntimeError as error:  # the controller is not there yet
        return str(error)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return held


def processes_of(folder: Path) -> dict[int, str]:
    """Id and name of each process of the SLURM in a folder: daemons, job steps, what they started.

    A process belongs to it by its environment or by its parent.
    """
    folder = folder.resolve()
    daemon = f"{MARK}={folder}".encode()
    conf = f"SLURM_CONF={folder}/slurm.conf".encode()
    own: dict[int, str] = {}
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (
                (entry / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
            )
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile, or somebody else's
            continue
        if rest.split()[0] == "Z":
            continue
        parents[int(entry.name)] = int(rest.split()[1]), name
        in_job = any(each.startswith(b"SLURM_JOB_ID=") for each in variables)
        if daemon in variables or (in_job and conf in variables):
            own[int(entry.name)] = name
    grown = True
    while grown:
        children = {pid: name for pid, (parent, name) in parents.items() if parent in own}
        grown = not children.keys() <= own.keys()
        own |= children
    return own


def _end_processes(folder: Path) -> None:
    """Ask, then kill; again until none is left, since a dying one may start another."""
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        for pid in processes_of(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if _until(lambda: not processes_of(folder), END_S):
            return
    raise RuntimeError(f"processes that do not end: {processes_of(folder)}")


def main(command: str, folder: str) -> None:
    """Start or end a SLURM from a shell."""
    if command == "up":
        node = up(Path(folder))
        print("\n".join(f"export {shlex.join([f'{k}={v}'])}" for k, v in node.environment.items()))
    else:
        down(Path(folder))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("up", "down"):
        sys.exit("usage: python tests/helpers/slurm/cluster.py up|down FOLDER")
    main(*sys.argv[1:])
