"""From a node to the files it starts from: mapping + template -> RenderedFile.

Configuration is computed as a mapping in `properties`; templates only lay it out, so a value from an inventory is
never a template itself. A node's files and their manifest are all a host needs to start the node without kafab.
"""

import base64
import functools
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kafab.command import Secret
from kafab.config.masking import holds_secret
from kafab.config.properties import format_properties, node_properties
from kafab.config.resolving import Resolved, resolved
from kafab.config.security import (
    PEM,
    PKCS12,
    TOOL_PROPERTIES,
    needs_certificate,
    of_tools,
    store_names,
)
from kafab.model import Cluster, Node, Role, Supervisor
from kafab.releases.names import FIRST_LOG4J2
from kafab.shell.layout import DIGEST_KEY, LAUNCH, MANIFEST, METRICS, RECORD, SERVER_PROPERTIES, ZOO_CFG
from kafab.shell.library import library

if TYPE_CHECKING:
    import jinja2

MAIN_CLASS = {
    Role.ZOOKEEPER: "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    Role.CONTROLLER: "kafka.Kafka",
    Role.BROKER: "kafka.Kafka",
}
MAIN_FILE = {
    Role.ZOOKEEPER: ZOO_CFG,
    Role.CONTROLLER: SERVER_PROPERTIES,
    Role.BROKER: SERVER_PROPERTIES,
}
_LOGGING = {
    (Role.ZOOKEEPER, False): "log4j-zookeeper.properties.j2",
    (Role.CONTROLLER, False): "log4j-broker.properties.j2",
    (Role.BROKER, False): "log4j-broker.properties.j2",
    (Role.CONTROLLER, True): "log4j2.yaml.j2",
    (Role.BROKER, True): "log4j2.yaml.j2",
}


@dataclass(frozen=True)
class RenderedFile:
    """A file as it must stand on a host: ``mode`` is an octal string as chmod takes it, text ends in a newline."""

    path: PurePosixPath
    text: str = field(repr=False)
    mode: str = "644"
    owner: str | None = None
    """``user:group``; None leaves it to whoever writes the file."""
    secret: bool = False
    """It holds a secret, or the digest of a file that does: nothing is shown by which its content could be guessed."""
    digest: str = ""
    """The digest of a text that is not known here: a look at a host takes the key store that is there."""
    encoded: bool = False
    """The text is base64 of what the file holds: a key store in PKCS12."""

    @cached_property
    def sha256(self) -> str:
        """Hex digest of what the file holds: the text in UTF-8, or what it encodes."""
        return self.digest or (_decoded_sha256(self.text) if self.encoded else sha256(self.text))

    @property
    def whole_secret(self) -> bool:
        """All of it is hidden, not the values of some keys in it: a private key, and what nobody can read."""
        return self.path.name == PEM[0] or self.encoded


def sha256(text: str) -> str:
    """Return the hex digest of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Stores:
    """What a node shows and whom it trusts: both in PEM, or both in base64 of PKCS12."""

    key: Secret
    """The private key, the certificate, and the CAs between it and a trusted one."""
    trusted: str


UNKNOWN_STORES = Stores(Secret(""), "")
"""What stands for the stores of a node of which none are known: neither here, nor on its host."""


def _decoded_sha256(text: str) -> str:
    return hashlib.sha256(base64.b64decode(text)).hexdigest()


def node_files(
    cluster: Cluster,
    node: Node,
    values: Resolved | None = None,
    stores: Stores | Mapping[str, str] = UNKNOWN_STORES,
) -> tuple[RenderedFile, ...]:
    """Return the files of a node's configuration folder, the manifest last. Raises what `resolving.resolved` raises.

    ``stores`` are those of a node that `needs_certificate`, or the digests by name of those that its host has.
    """
    main = MAIN_FILE[node.role]
    log4j2 = cluster.version >= FIRST_LOG4J2
    logging = "log4j2.yaml" if log4j2 else "log4j.properties"
    properties = main_file(node, resolved(node_properties(cluster, node), values or {}))
    # Under systemd root keeps the record, so that the service cannot forge it.
    record = (RECORD,) if node.host.supervisor is Supervisor.SYSTEMD else ()
    tools = of_tools(cluster, node)
    agent = cluster.agent if node.metrics_port else None
    launch_values: dict[str, object] = {
        "lab": cluster.lab,
        "main_class": MAIN_CLASS[node.role],
        "main_file": main,
        "agent": node.host.paths.releases / agent.jar if agent else None,
        "metrics": METRICS,
        "logging": f"log4j2.configurationFile=$config/{logging}"
        if log4j2
        else f"log4j.configuration=file:$config/{logging}",
        "names": sorted(
            (
                *(main, LAUNCH, logging, *record),
                *(store_names(cluster.version) if needs_certificate(cluster, node) else ()),
                *((TOOL_PROPERTIES,) if tools else ()),
                *((METRICS,) if agent else ()),
                *([DIGEST_KEY] if holds_secret(properties) else []),
            )
        ),
    }
    texts = {
        main: properties,
        logging: fill(_LOGGING[node.role, log4j2], node=node),
        LAUNCH: fill("launch.j2", node=node, **launch_values),
    }
    libraries = {name: library(name) for name in ("rooted", "lies")}
    digests = {} if isinstance(stores, Stores) else dict(stores)
    held = store_names(cluster.version) if needs_certificate(cluster, node) else ()
    if held:
        known = stores if isinstance(stores, Stores) else UNKNOWN_STORES
        texts |= dict(zip(held, (known.key.value, known.trusted), strict=True))
    encoded = held == PKCS12
    if agent:
        texts[METRICS] = fill(
            f"metrics-{'zookeeper' if node.role is Role.ZOOKEEPER else 'kafka'}.yaml.j2", node=node
        )
    if tools:
        texts[TOOL_PROPERTIES] = format_properties(tools)
    for name in record:
        texts[name] = fill("record.j2", node=node, names=launch_values["names"], **libraries)
    sums = {
        name: digests.get(name) or (_decoded_sha256 if encoded and name in held else sha256)(text)
        for name, text in texts.items()
    }
    texts[MANIFEST] = manifest(sums)
    # Under a service account only root writes configuration, and only that account reads it.
    owner = f"root:{node.host.user}" if node.host.user else None
    secret = {name for name, text in texts.items() if holds_secret(text)} - {*held}
    secret |= {MANIFEST} if secret else set()
    # Nobody guesses a private key by the digest of its file, which therefore need not be hidden.
    secret |= {*held[:1]}
    modes = dict.fromkeys(secret, "640" if owner else "600") | {LAUNCH: "750" if owner else "755"}
    return tuple(
        RenderedFile(
            node.config / name,
            text,
            modes.get(name, "640" if owner else "644"),
            owner,
            secret=name in secret,
            digest=digests.get(name, ""),
            encoded=encoded and name in held,
        )
        for name, text in texts.items()
    )


def main_file(node: Node, properties: Mapping[str, str]) -> str:
    """Return the text of a node's main file with these properties."""
    return fill(f"{MAIN_FILE[node.role]}.j2", node=node, lines=format_properties(properties))


def manifest(digests: Mapping[str, str]) -> str:
    """Return what ``sha256sum`` prints of these files, sorted by name; its own sha256 is the configuration's digest.

    With a key (`digest_key`) that is one of the files. The launch script computes the same digest with ``sha256sum FILES | sha256sum`` when it starts the process.
    """
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def configuration_digest(digests: Mapping[str, str], key: str | None = None) -> str:
    """Return the digest a process started from these files records; ``key`` is the sha256 of its host's key, if it has one."""
    return sha256(manifest({**digests, DIGEST_KEY: key} if key else digests))


def digest_key(node: Node, files: Iterable[RenderedFile]) -> RenderedFile | None:
    """Return a new key for the digest that a process records of its configuration, where one of its files holds a secret.

    Everybody on a host can read that record, and much of the files can be known: without a key of the host's own a short
    password could be guessed. Root makes the record, or the login user; nobody else reads the key.
    """
    if not any(file.secret and not file.whole_secret for file in files):
        return None
    text = f"# Made by kafab for the digest of the configuration: never changed.\nsecret={secrets.token_hex(32)}\n"
    return RenderedFile(
        node.config / DIGEST_KEY, text, "600", "root:root" if node.host.user else None, secret=True
    )


def configuration_files(files: Iterable[RenderedFile]) -> dict[str, str]:
    """Return name -> sha256 of the files that count for the configuration's digest: all but the manifest."""
    return {file.path.name: file.sha256 for file in files if file.path.name != MANIFEST}


def fill(template: str, **values: object) -> str:
    """Return a template of templates/ with these values laid out in it."""
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        undefined=jinja2.StrictUndefined,
        auto_reload=False,  # no template changes during a command
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # these are shell and properties files; the `sh` filter quotes
    )
    from kafab.command import Cmd

    environment.filters["sh"] = lambda value: Cmd(str(value)).sh
    return environment


def templates_folder() -> Path:
    """Return the folder of the templates: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"
