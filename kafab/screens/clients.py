"""The properties of a client, as a file's text or as a document."""

from kafab.model import Cluster
from kafab.ops.secure.clients import Properties
from kafab.screens.console import Console


def show_properties(console: Console, cluster: Cluster, found: Properties) -> None:
    """Write the text itself, so that it can be redirected; or where it went."""
    document = {
        "schema": "kafab.client-properties/1",
        "cluster": cluster.name,
        "listener": found.listener,
        "names": list(found.names),
        "file": str(found.file) if found.file else None,
        "text": found.text or None,
    }
    console.data(document, found.text.rstrip("\n") if found.file is None else f"written to {found.file}")
