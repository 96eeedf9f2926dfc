"""A secure lab's brokers made to log in to each other by PLAIN over TLS."""

from pathlib import Path

import yaml

from tests.ports import free_ports

USER = "bro ker"
FILE = "broker-password"


def give_broker_login(inventory: Path, password: str) -> None:
    """Rewrite a lab's inventory before its first deploy: INTERNAL is the brokers' alone, and kafab gets a listener of its own."""
    document = yaml.safe_load(inventory.read_text())
    document["kafka"]["listeners"] |= {
        "INTERNAL": {"port": 9091, "use": "brokers", "protocol": "SASL_SSL"},
        "OPERATOR": {"port": 9094, "use": "operator", "protocol": "SSL"},
    }
    document["security"]["between_brokers"] = {
        "mechanism": "PLAIN",
        "user": USER,
        "password": f"${{file:{FILE}}}",
    }
    hosts = document["hosts"].values()
    for host, port in zip(hosts, free_ports(len(hosts)), strict=True):
        host["broker"]["listeners"]["OPERATOR"] = {"port": port}
    inventory.write_text(yaml.safe_dump(document, sort_keys=False))
    write_password(inventory, password)


def write_password(inventory: Path, password: str) -> None:
    """Write the file that the inventory refers to."""
    file = inventory.parent / FILE
    file.touch(mode=0o600)
    file.write_text(password + "\n")
