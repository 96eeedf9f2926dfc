"""What the mode of a cluster asks of its inventory: ZooKeeper or KRaft, never both, and as its version allows."""

from kafab.cautions import Caution
from kafab.config.defaults import FIRST_KRAFT, FIRST_WITHOUT_ZOOKEEPER
from kafab.inventory.rules import Draft
from kafab.inventory.sections import Section
from kafab.model import Role, Version
from kafab.problems import Problems

_OF_THE_PROCESS = (
    "data",
    "data_mounted",
    "heap",
    "jvm",
    "jmx_port",
    "jmx_bind",
    "metrics_port",
    "properties",
)


def check(draft: Draft, top: Section, problems: Problems) -> None:
    """Report nodes that the version cannot have, a mixture of modes, and keys that have no effect."""
    ensemble = [placed.section.at("zookeeper") for placed in draft.hosts if placed.section.given("zookeeper")]
    if draft.kraft and ensemble:
        controllers = (placed.section for placed in draft.hosts if placed.section.given("controller"))
        problems.error(
            next(controllers).at("controller"),
            "found zookeeper: and controller: in one cluster; expected one of them (both together are a migration)",
        )
    _version(draft, problems)
    _combined(draft, problems)
    for key in ("controller", "kraft") if not draft.kraft else ("zookeeper",):
        if top.given(key) and draft.complete:
            role = "zookeeper" if key == "zookeeper" else "controller"
            text = f"found {key}: without a {role} in hosts:; it has no effect"
            problems.warning(top.at(key), text, Caution.WITHOUT_EFFECT)


def _version(draft: Draft, problems: Problems) -> None:
    version: Version | None = draft.shared[Role.BROKER].get("version")
    if version is None:
        return
    for placed in draft.hosts:
        section = placed.section
        if version >= FIRST_WITHOUT_ZOOKEEPER and section.given("zookeeper"):
            problems.error(
                section.at("zookeeper"),
                f"found zookeeper with Kafka {version}, which has none any more (KRaft, KIP-500); expected controller:",
            )
        if version < FIRST_KRAFT and section.given("controller"):
            problems.error(
                section.at("controller"),
                f"found controller with Kafka {version}; expected {FIRST_KRAFT} or newer for KRaft mode, or zookeeper:",
            )


def _combined(draft: Draft, problems: Problems) -> None:
    """Of a combined process everything but the controller's listener is said once, with the broker."""
    for placed in draft.nodes:
        if placed.controller is None:
            continue
        for key in _OF_THE_PROCESS:
            if placed.controller.given(key):
                problems.error(
                    placed.controller.at(key),
                    f"found {key} for a controller that is one process with broker {placed.node.id}; "
                    f"expected it under broker:, or another id for a controller of its own",
                )
