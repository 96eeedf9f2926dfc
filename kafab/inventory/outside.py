"""A host that is named on a command line: one of the cluster's, or any other that SSH reaches. Pure."""

from dataclasses import replace

from kafab.errors import UsageError
from kafab.inventory import texts
from kafab.model import Cluster, Host


def host(cluster: Cluster, text: str) -> Host:
    """Return the cluster's host of that name, or the one that ``[user@]host[:port]`` names, logged in to as the cluster's are.

    Raises UsageError for what is neither.
    """
    own = next((each for each in cluster.hosts if each.name == text), None)
    if own:
        return own
    try:
        user, address, port = texts.hop(text)
    except ValueError as error:
        raise UsageError(f"found {text!r} where HOST is expected; {error}") from error
    ssh = replace(cluster.ssh, user=user or cluster.ssh.user, port=port or cluster.ssh.port)
    return Host(address, address, ssh)
