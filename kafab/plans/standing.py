"""How a node's files and its process stand against what is wanted: one word a node. Pure."""

from kafab.config.render import RenderedFile
from kafab.hosts.facts import FileFact, NodeFacts
from kafab.plans.generations import went_back
from kafab.plans.state import Desired, DesiredNode

PENDING = "restart pending"
DEPLOY_PENDING = "deploy pending"
EDITED = "edited by hand"
PUT_BACK = "put back"
"""What ran before was put back in the place of what the inventory asks for."""
DIFFERING = (DEPLOY_PENDING, EDITED, PUT_BACK)
"""The states in which a node's host has something else than the inventory asks for."""


def differs(file: RenderedFile, found: FileFact | None) -> bool:
    """True where a file is missing, or another text, mode or owner."""
    if found is None or found.sha256 != file.sha256 or found.mode != file.mode:
        return True
    return file.owner is not None and found.owner != file.owner


def by_hand(facts: NodeFacts, name: str) -> bool:
    """True where a file is not what kafab last wrote there, by the manifest on the host."""
    return name in facts.deployed and name in facts.files and facts.files[name].sha256 != facts.deployed[name]


def edited(facts: NodeFacts) -> tuple[str, ...]:
    """Return the names of a node's files that are not what kafab last wrote there."""
    return tuple(name for name in sorted(facts.files) if by_hand(facts, name))


def restart_pending(desired: Desired, wanted: DesiredNode, facts: NodeFacts) -> bool:
    """True where the running process was started from another configuration or release than the inventory asks for."""
    process = facts.process
    if process is None or not process.alive:
        return False
    other_release = desired.artifact is not None and process.release != desired.artifact.folder
    return other_release or process.configuration != wanted.configuration(facts.key)


def configuration_state(desired: Desired, wanted: DesiredNode, facts: NodeFacts) -> str:
    """Return ``as deployed``, `PENDING`, or one of those that are `DIFFERING`; empty where nothing is deployed."""
    if not facts.files:
        return ""
    current_release = desired.artifact is None or facts.release == desired.artifact.folder
    other = [file.path.name for file in wanted.files if differs(file, facts.files.get(file.path.name))]
    # A file that is as wanted was not edited, whatever an interrupted deploy left in the manifest.
    if any(by_hand(facts, name) for name in other):
        return EDITED
    changed = bool(other) or any(differs(file, facts.units.get(file.path)) for file in wanted.units)
    if changed or not current_release:
        return PUT_BACK if went_back(facts) else DEPLOY_PENDING
    return PENDING if restart_pending(desired, wanted, facts) else "as deployed"
