"""Prometheus' agent for JMX on this machine: the user's own jar, or kafab's version of it, kept beside the releases."""

import hashlib
from pathlib import Path

from kafab.errors import Failed
from kafab.events import Emit
from kafab.model import AGENT, AgentFile
from kafab.releases.names import AGENT_COORDINATES, AGENT_VERSION, Agent


def own(wanted: AgentFile, file: Path) -> Agent:
    """Return the jar that the user has. Raises Failed where it is not there, or another one."""
    try:
        found = digest(file)
    except OSError as fault:
        raise Failed(
            f"the agent {file} cannot be read: {fault.strerror}",
            hint="mend observe.jmx.agent in the inventory",
        ) from fault
    if found != wanted.sha256:
        raise Failed(
            f"the agent {file} has the sha256 {found[:16]}…; observe.jmx.sha256 is {wanted.sha256[:16]}…",
            hint="mend observe.jmx.sha256 if this jar is the right one",
        )
    return Agent(file, wanted.sha256, file.stat().st_size)


def kept(wanted: AgentFile, folder: Path) -> Agent | None:
    """Return the jar that the store has; no digest is computed."""
    file = folder / wanted.sha256 / f"{AGENT}.jar"
    try:
        return Agent(file, wanted.sha256, file.stat().st_size)
    except OSError:
        return None


def fetched(wanted: AgentFile, folder: Path, staging: Path, emit: Emit) -> Agent:
    """Let Maven bring the jar into the store, in one rename. Raises Failed, also for a jar with another digest."""
    from kafab.adapters.store.maven import MavenClient  # a deploy with nothing to do does not pay for it

    by_hand = f"give observe.jmx the path of a jar (agent:) and its digest (sha256:); kafab's own is {AGENT_COORDINATES}"
    try:
        jar = MavenClient().copy(AGENT_COORDINATES, staging, emit)
    except Failed as fault:
        raise Failed(f"no {AGENT} {AGENT_VERSION}: {fault.message}", hint=by_hand) from fault
    if (found := digest(jar)) != wanted.sha256:
        raise Failed(
            f"{AGENT_COORDINATES} came with the sha256 {found}; expected {wanted.sha256}", hint=by_hand
        )
    entry = staging / "agent"
    entry.mkdir()
    jar.rename(entry / f"{AGENT}.jar")
    place = folder / wanted.sha256
    if not place.exists():
        entry.rename(place)
    kept_jar = place / f"{AGENT}.jar"
    return Agent(kept_jar, wanted.sha256, kept_jar.stat().st_size)


def digest(file: Path) -> str:
    """Return a file's sha256 in hex. Raises OSError."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
