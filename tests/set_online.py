"""A property that is set on a running broker, as a user types it, on a lab of any shape."""

import yaml

from tests.labs import LocalLab

NAME = "background.threads"


def check_that_a_property_is_set_online(lab: LocalLab) -> None:
    """The second broker runs with a changed value, its process is the same, and nothing is pending; then it is as before."""
    node, kept = "node2/broker", lab.inventory.read_text()
    document = yaml.safe_load(kept)
    document["hosts"]["node2"]["broker"]["properties"] = {NAME: 11}
    before = lab.pid(node)
    try:
        lab.inventory.write_text(yaml.safe_dump(document, sort_keys=False))
        done = lab.fab.must("config.apply", "--json").document
        assert done["set"] == {node: {NAME: "11"}}
        assert shown(lab, node, NAME) == ("11", "11", "broker")
        (line,) = lab.fab.must("status", "--limit", node, "--json").document["nodes"]
        assert (line["configuration"], line["set_online"], lab.pid(node)) == ("set online", [NAME], before)
        assert lab.fab.must("restart", "--pending", "--json").document["nodes"] == []
    finally:
        lab.inventory.write_text(kept)
        lab.fab.must("deploy")
        words = ("--entity-type", "brokers", "--entity-name", "2", "--alter", "--delete-config", NAME)
        lab.fab.must("tool", node, "--", "kafka-configs.sh", *words)
    assert shown(lab, node, NAME) == (None, "10", "default")


def shown(lab: LocalLab, node: str, key: str) -> tuple[str | None, str | None, str | None]:
    """Return a property's value in the file, the one in force, and where that comes from."""
    (line,) = lab.fab.must("config.show", node, "--key", key, "--json").document["properties"]
    return line["file"], line["running"], line["source"]
