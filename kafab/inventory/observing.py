"""`observe:` of an inventory: which nodes have Prometheus' agent for JMX, at which port, and which jar that is."""

from pathlib import Path

from kafab.cautions import Caution
from kafab.inventory.listeners import Layers
from kafab.inventory.rules import Draft
from kafab.inventory.schema import METRICS_KEYS
from kafab.inventory.sections import Section
from kafab.listeners import is_loopback, is_wildcard
from kafab.model import AgentFile, Role
from kafab.problems import Problems
from kafab.releases.names import AGENT_SHA256


def jmx(top: Section) -> Section | None:
    """Return the section of the agent; None where nobody asks for it."""
    observe: Section | None = top.get("observe")
    found: Section | None = observe.get("jmx") if observe else None
    return found


def agent(section: Section | None, folder: Path) -> AgentFile | None:
    """Return the jar that the section means; a path is relative to the inventory's ``folder``."""
    if section is None:
        return None
    if section.get("agent") and section.get("sha256"):
        return AgentFile(section.get("sha256"), folder / section.get("agent"))
    return AgentFile(AGENT_SHA256)


def port(section: Section | None, own: Section, role: Role) -> int | None:
    """Return the port of a node's agent; None where it has none."""
    if section is None:
        return None
    found: int = own.get("metrics_port") or section.get(METRICS_KEYS[role])
    return found


def bind(section: Section | None, layers: Layers) -> str | None:
    """Return the address that a node's agent listens on, None for every interface: where its listeners would, if none is given."""
    chosen = layers.address(section.get("bind")) if section else None
    found = chosen or layers.bind or (layers.advertised if is_loopback(layers.advertised) else None)
    return None if found is None or is_wildcard(found) else found


def check(draft: Draft, top: Section, problems: Problems) -> None:
    """Report a jar without its digest, and a port of an agent that no node has."""
    section = jmx(top)
    for placed in draft.nodes:
        if section is None and placed.section.given("metrics_port"):
            text = "found metrics_port without observe.jmx; it has no effect"
            problems.warning(placed.section.at("metrics_port"), text, Caution.WITHOUT_EFFECT)
    if section is None or section.given("agent") == section.given("sha256"):
        return
    if section.given("agent"):
        text = "found a jar without its sha256; expected both: the digest says that each host runs this jar"
        problems.error(section.at("agent"), text)
    else:
        text = "found a sha256 without agent; expected the jar's path beside it, or neither for kafab's own version"
        problems.error(section.at("sha256"), text)
