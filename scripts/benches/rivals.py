"""pyinfra and Ansible, made to do what `fab deploy` does: one wanted state, three tools.

They are installed into an environment of their own below the cache folder, in the versions of bench-requirements.txt.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kafab.config.units import UNITS
from kafab.folders import cache_folder
from kafab.hosts.facts import HostFacts, NodeFacts
from kafab.model import Cluster, Host
from kafab.plans.plan import diff
from kafab.plans.state import desire
from kafab.plans.steps import FlipLink, InstallRelease, MakeAccount, MakeDirectory, UseUnit, WriteFile
from kafab.releases.names import Artifact
from scripts.benches.labs import ssh
from scripts.benches.measuring import DEADLINE, ROOT

REQUIREMENTS = ROOT / "scripts" / "bench-requirements.txt"
FILES = ROOT / "scripts" / "bench-files"
PATIENCE = 3 * DEADLINE  # seconds for one run of a rival
ANSIBLE = """
[defaults]
forks = 24
[connection]
pipelining = true
"""
"""What its users do for speed. With its defaults it would wait for itself, and copy each module before it runs it."""


class Rivals:
    """Both tools with their inventories of one cluster, in a folder that is theirs."""

    def __init__(self, folder: Path, cluster: Cluster, artifact: Artifact) -> None:
        self._folder = folder
        self._programs = _installed()
        wanted = _wanted(folder, cluster, artifact)
        hosts = [(host.name, {**_pyinfra_login(host), **wanted[host.name]}) for host in cluster.hosts]
        (folder / "pyinfra_inventory.py").write_text(f"hosts = {hosts!r}\n", "utf-8")
        inventory = {
            "all": {
                "hosts": {host.name: {**_ansible_login(host), **wanted[host.name]} for host in cluster.hosts}
            }
        }
        (folder / "ansible.cfg").write_text(ANSIBLE, "utf-8")
        (folder / "ansible_inventory.yaml").write_text(json.dumps(inventory), "utf-8")

    def pyinfra(self) -> float:
        """Run pyinfra and return the seconds of the whole process; a failure ends the bench."""
        words = ["--yes", "--sudo", "pyinfra_inventory.py", str(FILES / "pyinfra_deploy.py")]
        return self._run("pyinfra", words)

    def ansible(self) -> float:
        """Run Ansible and return the seconds of the whole process; a failure ends the bench."""
        return self._run("ansible-playbook", ["-i", "ansible_inventory.yaml", str(FILES / "playbook.yaml")])

    def _run(self, program: str, words: Sequence[str]) -> float:
        # Nobody's own configuration, and nothing written outside the folder.
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYINFRA_"))
        }
        environ |= {
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(self._folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self._folder / "ansible"),
        }
        started = time.monotonic()
        done = subprocess.run(
            [self._programs / program, *words],
            cwd=self._folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        seconds = time.monotonic() - started
        (self._folder / f"{program}.log").write_text(done.stdout + done.stderr, "utf-8")
        if done.returncode:
            sys.exit(
                f"{program} {shlex.join(words)}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
            )
        return seconds

    def close(self) -> None:
        """End the connections that Ansible leaves open for its next run."""
        for control in (self._folder / "ansible" / "cp").glob("*"):
            subprocess.run(
                ["ssh", "-F", "none", "-o", f"ControlPath={control}", "-O", "exit", "any"],
                capture_output=True,
                check=False,
                timeout=DEADLINE,
            )


def _installed() -> Path:
    """Return the folder of the rivals' programs; they are installed once for each content of the requirements."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder(os.environ) / "bench" / digest
    whole = folder / "whole"
    if not whole.exists():
        print(f"installing {REQUIREMENTS.name} into {folder} ...", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "install"]
        subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
        whole.touch()
    return folder / "bin"


def _pyinfra_login(host: Host) -> dict[str, object]:
    return {
        "ssh_hostname": host.address,
        "ssh_user": host.ssh.user,
        "ssh_port": host.ssh.port or 22,
        "ssh_key": str(host.ssh.identity),
        "ssh_known_hosts_file": str(host.ssh.known_hosts),
        "ssh_strict_host_key_checking": "yes",
        "ssh_config_file": os.devnull,
    }


def _ansible_login(host: Host) -> dict[str, object]:
    return {
        "ansible_host": host.address,
        "ansible_ssh_common_args": shlex.join(ssh(host)),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def _wanted(folder: Path, cluster: Cluster, artifact: Artifact) -> dict[str, dict[str, Any]]:
    """Return host -> what a first deploy puts there, taken from kafab's own plan for empty hosts."""
    nothing = {
        host.name: HostFacts({node.instance: NodeFacts() for node in cluster.on(host)})
        for host in cluster.hosts
    }
    kinds = ("folders", "files", "units", "drop_ins", "links", "services")
    hosts: dict[str, dict[str, Any]] = {host: {kind: [] for kind in kinds} for host in nothing}
    for number, step in enumerate(diff(desire(cluster, cluster.nodes, artifact), nothing).steps):
        wanted = hosts[step.host]
        if isinstance(step, InstallRelease):
            wanted["release"] = {
                "archive": str(artifact.file),
                "sha256": artifact.sha256,
                "folder": str(step.root / artifact.folder),
            }
        elif isinstance(step, MakeAccount):
            wanted["account"] = step.name
        elif isinstance(step, MakeDirectory):
            wanted["folders"].append({"path": str(step.path), "mode": step.mode, **_owned(step.owner)})
        elif isinstance(step, WriteFile):
            source = folder / f"{number}"
            source.write_text(step.file.text, "utf-8")
            at = {UNITS: "units", UNITS / step.file.path.parent.name: "drop_ins"}
            wanted[at.get(step.file.path.parent, "files")].append(
                {
                    "source": str(source),
                    "path": str(step.file.path),
                    "mode": step.file.mode,
                    **_owned(step.file.owner),
                }
            )
        elif isinstance(step, FlipLink):
            wanted["links"].append(str(step.path))
        elif isinstance(step, UseUnit):
            wanted["services"].append(step.unit)
    return hosts


def _owned(owner: str | None) -> dict[str, str]:
    user, _, group = (owner or "root:root").partition(":")
    return {"owner": user, "group": group}
