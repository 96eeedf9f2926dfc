"""What a lab of containers is made of, as values and texts: its addresses, its inventory, what its hosts are asked."""

import hashlib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kafab.command import Outcome, Result
from kafab.errors import Failed
from kafab.lab.files import document, processes
from kafab.lab.shape import Shape
from kafab.unknown import Unknown

USER = "ops"
FIRST_ADDRESS = 11  # node1 is .11: the first addresses are Docker's own
POOLS = tuple(map(IPv4Network, ("10.213.0.0/16", "172.29.0.0/16", "192.168.0.0/16")))
"""Private addresses (RFC 1918); a lab takes a /24 of the first pool that has one free."""

SETTLE = f"""\
state=$(systemctl is-system-running 2>/dev/null || :)
echo "${{state:-starting}}"
case $state in running | degraded) ;; *) exit 0 ;; esac
umask 077
cat >/home/{USER}/.ssh/authorized_keys.new
chown {USER}:{USER} /home/{USER}/.ssh/authorized_keys.new
mv /home/{USER}/.ssh/authorized_keys.new /home/{USER}/.ssh/authorized_keys
cat /etc/ssh/ssh_host_*_key.pub
"""
"""Prints systemd's state and, once the host is up, its public host keys; the login key comes on stdin."""

UNITS = "systemctl list-units --all --plain --no-legend --no-pager 'kafka-*@*.service'"


def image_name(recipe: Path) -> str:
    """Return the name of the host image; it changes with every file of the recipe's folder."""
    files = sorted(path for path in recipe.iterdir() if path.is_file())
    content = b"".join(path.name.encode() + b"\0" + path.read_bytes() + b"\0" for path in files)
    return f"kafab-host:{hashlib.sha256(content).hexdigest()[:12]}"


def free_subnet(taken: Sequence[IPv4Network], label: str) -> IPv4Network:
    """Return a /24 that overlaps nothing taken. The search begins where the label's digest says: two labs rarely meet."""
    first = hashlib.sha256(label.encode()).digest()[0]
    for pool in POOLS:
        subnets = list(pool.subnets(new_prefix=24))
        for subnet in subnets[first:] + subnets[:first]:
            if not any(subnet.overlaps(other) for other in taken):
                return subnet
    raise Failed(
        f"no /24 is free in {', '.join(map(str, POOLS))}",
        hint="`docker network ls` and `ip route` show who has them",
    )


def addresses(subnet: IPv4Network, hosts: int) -> dict[str, IPv4Address]:
    """Return host -> address."""
    first = subnet.network_address + FIRST_ADDRESS
    return {f"node{number + 1}": first + number for number in range(hosts)}


def settled(outcome: Outcome) -> tuple[str, str]:
    """Return systemd's state and the host keys, which are empty while the host is not up."""
    if isinstance(outcome, Unknown):
        return outcome.reason, ""
    state, _, keys = outcome.text.partition("\n")
    if outcome.code:
        return f"{state} {outcome.err.strip()}".strip(), ""
    return state, keys.strip()


def counted(outcome: Outcome | None) -> tuple[int | None, int | None]:
    """Return how many units are active and how many there are; None where the host did not tell."""
    if not isinstance(outcome, Result) or outcome.code:
        return None, None
    # UNIT LOAD ACTIVE SUB DESCRIPTION
    states = [fields[2] for line in outcome.text.splitlines() if len(fields := line.split()) > 2]
    return states.count("active"), len(states)


def inventory(addresses: Mapping[str, IPv4Address], shape: Shape) -> str:
    """Return the lab's inventory, which has the shape of a production one: systemd, default ports and paths."""
    hosts = {
        host: {"address": str(address), **shape.roles(number)}
        for number, (host, address) in enumerate(addresses.items(), 1)
    }
    return document(
        {
            "lab": True,
            **processes(shape),
            "ssh": {"user": USER, "identity": "id_ed25519", "known_hosts": "known_hosts"},
            "hosts": hosts,
        }
    )
