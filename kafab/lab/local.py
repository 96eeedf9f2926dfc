"""A lab on this machine: an sshd of one's own for each host, on loopback, each with a folder for its file system.

Everything is under one folder, and what it takes to end the lab is read from there and from the process table: an
interrupted `lab.up` or `lab.down` is made good by the next one. `cluster.yaml` is written last and removed first, so
a lab that has it is whole.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kafab.errors import Failed, UsageError
from kafab.events import Note, Waiting
from kafab.inventory import texts
from kafab.lab.files import ADDRESS, PORTS_PER_HOST, LabHost, inventory, sshd_config
from kafab.lab.kinds import Kind
from kafab.lab.machine import PortTaken, Process
from kafab.lab.named import NamedLab, write
from kafab.lab.shape import ANY, Shape, Wish
from kafab.model import Cluster
from kafab.ops.author.metrics import render
from kafab.words import plural

MAX_HOSTS = 50
FIRST_PORT, SLOT, SLOTS = 20000, 100, 120
"""Ports 20000 to 31999: below 32768, where Linux begins to give ports to clients (ip_local_port_range)."""
TRIES = 3
"""Labs that come up at one moment can choose the same ports: the one whose sshd is late takes others."""
PATIENCE = timedelta(seconds=30)
_PROMETHEUS = "prometheus"
_KILLED = timedelta(seconds=5)


@dataclass(frozen=True)
class HostStatus:
    """A host of a lab as it is now: its sshd's pid (None: not running) and how many of its nodes run."""

    name: str
    port: int
    sshd: int | None
    running: int
    recorded: int
    """Nodes that were started once, running or not."""

    @property
    def cells(self) -> Mapping[str, object]:
        """The host as a row of a table."""
        ended = self.recorded - self.running
        return {
            "HOST": self.name,
            "SSH PORT": self.port,
            "SSHD PID": self.sshd or "not running",
            "NODES": f"{self.running} running" + (f", {ended} ended" if ended else ""),
        }


class LocalLab(NamedLab):
    """A lab of sshds."""

    def up(self, wish: Wish = ANY) -> bool:
        """Make the lab, or mend the one there is.

        Returns False if it was up already. Raises UsageError where another size, version or mode is up, Failed with
        what is missing on this machine; then nothing is left behind.
        """
        shape = Shape.of(wish)
        self._refuse_bad_folder()
        with self._alone():
            if self.inventory.exists():
                self._refuse_other(wish)
                self._mend()
                return False
            self._remove()  # what an interrupted lab.up or lab.down left
            self._machine.tools()
            for tries_left in reversed(range(TRIES)):
                try:
                    self._make(shape)
                    break
                except PortTaken:
                    self._remove()
                    if not tries_left:
                        raise
                except BaseException:
                    self._remove()
                    raise
            return True

    def watch(self, cluster: Cluster) -> str | None:
        """Let a Prometheus of the lab's own read the metrics of its nodes; return its URL, None where there is no Prometheus here.

        One that runs already reads what is written anew by itself.
        """
        folder = self.folder / _PROMETHEUS
        render(cluster, folder)
        port = _port(self._hosts()[0]) + PORTS_PER_HOST - 1
        url = f"http://{ADDRESS}:{port}"
        if _started(folder, self._machine.processes()):
            return url
        words = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={ADDRESS}:{port}",
        ]
        process = self._machine.start(_PROMETHEUS, words, folder / "prometheus.log")
        if process is None:
            return None
        (folder / "process").write_text(f"{process.pid} {process.start}\n")
        return url

    def status(self) -> tuple[HostStatus, ...]:
        """Return the hosts of the lab in their order; none where it is not up."""
        processes = self._machine.processes()
        return tuple(
            HostStatus(
                name=folder.name,
                port=_port(folder),
                sshd=sshd.pid if (sshd := _sshd(folder, processes)) else None,
                running=len(_recorded(folder, processes)),
                recorded=len(list(_records(folder))),
            )
            for folder in self._hosts()
        )

    def down(self) -> bool:
        """End the nodes (brokers first), then the sshds, then remove the folder. Returns False if there was nothing."""
        if not self.folder.exists():
            return False
        with self._alone():
            self._remove()
        return True

    # making

    def _make(self, shape: Shape) -> None:
        user, java = self._machine.user(), self._machine.java_home()
        hosts = [
            LabHost(number, self.folder / "hosts" / f"node{number}", port, user)
            for number, port in enumerate(self._ports(shape.hosts), 1)
        ]
        self.folder.mkdir(mode=0o700, parents=True)
        self._keep(shape, kind=Kind.LOCAL.value)
        public = self._machine.make_key(self.folder / "id_ed25519", f"kafab lab {self.name}")
        known = []
        for host in hosts:
            host.root.mkdir(parents=True)
            keys = host.home / ".ssh" / "authorized_keys"
            keys.parent.mkdir(mode=0o700, parents=True)
            keys.touch(mode=0o600)
            keys.write_text(public + "\n")
            key = self._machine.make_key(host.folder / "host_key", host.name)
            known.append(f"[{ADDRESS}]:{host.port} {' '.join(key.split()[:2])}\n")
            (host.folder / "sshd_config").write_text(sshd_config(host))
            self._start_sshd(host.folder)
        (self.folder / "known_hosts").write_text("".join(known))
        write(self.inventory, inventory(hosts, shape, java))
        count = shape.hosts
        ports = f"{hosts[0].port}-{hosts[-1].port + PORTS_PER_HOST - 1}"
        self._emit(Note(self.name, f"{plural(count, 'host')} up, ports {ports}, in {self.folder}"))

    def _mend(self) -> None:
        processes = self._machine.processes()
        dead = [folder for folder in self._hosts() if not _sshd(folder, processes)]
        for folder in dead:
            self._start_sshd(folder)
            self._emit(Note(folder.name, "sshd was not running: started again"))
        if not dead:
            self._emit(Note(self.name, f"is up already, in {self.folder}"))

    def _start_sshd(self, folder: Path) -> None:
        process = self._machine.start_sshd(folder / "sshd_config", folder / "sshd.log", folder / "sshd.pid")
        (folder / "sshd.process").write_text(f"{process.pid} {process.start}\n")

    def _ports(self, hosts: int) -> Iterator[int]:
        """Yield each host's first port. A lab begins where its folder's digest says, so that two rarely meet."""
        needed = hosts * PORTS_PER_HOST
        first = int.from_bytes(hashlib.sha256(str(self.folder).encode()).digest()[:4], "big")
        for step in range(SLOTS):
            base = FIRST_PORT + (first + step) % SLOTS * SLOT
            block = range(base, base + needed)
            if block.stop <= FIRST_PORT + SLOTS * SLOT and self._machine.free(block):
                return iter(block[::PORTS_PER_HOST])
        raise Failed(
            f"no {needed} ports in a row are free between {FIRST_PORT} and {FIRST_PORT + SLOTS * SLOT - 1}",
            hint="`ss -ltnp` shows who listens; ask for fewer --hosts",
        )

    # refusing

    def _refuse_bad_folder(self) -> None:
        longest = self.folder / "hosts" / f"node{MAX_HOSTS}" / "root" / "data" / "zookeeper"
        try:
            texts.remote_path(str(longest))
        except ValueError as error:
            raise UsageError(
                f"a lab cannot live in {self.folder}: {error}",
                hint="set KAFAB_HOME to a folder with a short, plain name, like /tmp/kafab",
            ) from error

    # ending

    def _remove(self) -> None:
        if not self.folder.exists():
            return
        self.inventory.unlink(missing_ok=True)
        folders = self._hosts()
        quorum = ("zookeeper", "controller")
        self._end("brokers", lambda now: _nodes(folders, now, lambda name: not name.startswith(quorum)))
        self._end("ZooKeeper", lambda now: _nodes(folders, now, lambda name: name.startswith(quorum)))
        # A start that was killed before it wrote the run record; the folder in its class path tells whose it is.
        self._end("unrecorded nodes", lambda now: [each for each in now if self._is_ours(each)])
        self._end(_PROMETHEUS, lambda now: _watchers(self.folder / _PROMETHEUS, now))
        sshds = self._machine.processes()
        listeners = [found for folder in folders if (found := _sshd(folder, sshds))]
        ours = {each.pid: each.start for each in _with_descendants(listeners, sshds)}
        self._end("sshd", lambda now: [each for each in now if ours.get(each.pid) == each.start])
        shutil.rmtree(self.folder)
        self._emit(Note(self.name, "is down; nothing of it is left"))

    def _is_ours(self, process: Process) -> bool:
        program, _, rest = process.command.partition(" ")
        here = f"{self.folder}/hosts/"
        # `sh …/launch archive`, and the shell that calls one after another, tidy up behind a Java of their own.
        return here in rest and (program.endswith("java") or (program == "sh" and "/launch" in rest))

    def _end(self, what: str, find: Callable[[Sequence[Process]], Sequence[Process]]) -> None:
        """Ask these processes to end and wait until they have; after 30 s, in a lab, they are killed."""
        found = find(self._machine.processes())
        for process in found:
            self._machine.signal(process, "TERM")
            self._machine.signal(process, "CONT")  # one that was frozen could not obey
        if self._gone(found, f"{what} to end", PATIENCE):
            return
        for process in self._still(found):
            self._emit(Note(self.name, f"pid {process.pid} did not end within 30 s: killed"))
            self._machine.signal(process, "KILL")
        if not self._gone(found, f"{what} to be killed", _KILLED):
            pids = ", ".join(str(process.pid) for process in self._still(found))
            raise Failed(f"pid {pids} of {what} did not end", hint="look at it, then run lab.down again")

    def _still(self, processes: Iterable[Process]) -> list[Process]:
        now = {(process.pid, process.start) for process in self._machine.processes()}
        return [process for process in processes if (process.pid, process.start) in now]

    def _gone(self, processes: Sequence[Process], what: str, limit: timedelta) -> bool:
        begun = self._clock.now()
        while self._still(processes):
            elapsed = timedelta(seconds=self._clock.now() - begun)
            if elapsed >= limit:
                return False
            self._emit(Waiting(self.name, what, elapsed, limit))
            self._clock.sleep(0.05)
        return True

    # reading

    def _hosts(self) -> list[Path]:
        found = (self.folder / "hosts").glob("node*")
        return sorted(found, key=lambda folder: int(folder.name.removeprefix("node")))


def _port(folder: Path) -> int:
    config = (folder / "sshd_config").read_text()
    return next(int(line.split()[1]) for line in config.splitlines() if line.startswith("Port "))


def _sshd(folder: Path, processes: Sequence[Process]) -> Process | None:
    """Return a host's sshd by its record, or, if lab.up was killed before writing one, by pid file and command line."""
    record, pid_file = _numbers(folder / "sshd.process"), _numbers(folder / "sshd.pid")
    for process in processes:
        if [process.pid, process.start] == record:
            return process
        if [process.pid] == pid_file and str(folder / "sshd_config") in process.command:
            return process
    return None


def _started(folder: Path, processes: Sequence[Process]) -> Process | None:
    """Return the Prometheus of a folder by its record."""
    record = _numbers(folder / "process")
    return next((process for process in processes if [process.pid, process.start] == record), None)


def _watchers(folder: Path, processes: Sequence[Process]) -> list[Process]:
    """Return what reads the configuration in that folder, also where lab.up was killed before it wrote a record."""
    return [process for process in processes if f"--config.file={folder}/" in process.command]


def _records(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / "root" / "run").glob("*/process"))


def _recorded(folder: Path, processes: Sequence[Process]) -> list[tuple[str, Process]]:
    """Return (instance, process) for each run record whose process still is the recorded one."""
    alive = {(process.pid, process.start): process for process in processes}
    found = [(record.parent.name, _numbers(record)[:2]) for record in _records(folder)]
    return [(name, alive[pid, start]) for name, (pid, start) in found if (pid, start) in alive]


def _nodes(
    folders: Iterable[Path], processes: Sequence[Process], wanted: Callable[[str], bool]
) -> list[Process]:
    return [process for folder in folders for name, process in _recorded(folder, processes) if wanted(name)]


def _with_descendants(roots: Sequence[Process], processes: Sequence[Process]) -> list[Process]:
    found, pids = list(roots), {process.pid for process in roots}
    while more := [each for each in processes if each.parent in pids and each.pid not in pids]:
        found += more
        pids |= {each.pid for each in more}
    return found


def _numbers(file: Path) -> list[int]:
    """Return the numbers that a file begins with; none where it is missing or damaged."""
    try:
        words = file.read_text(errors="replace").split()
    except OSError:
        return []
    numbers = []
    for word in words:
        if not word.isdecimal():
            break
        numbers.append(int(word))
    return numbers
