"""The texts an inventory may hold - names, addresses, paths, sizes, flags - each as a function from text to value.

Each raises ValueError saying what was expected. What reaches a host comes from a safe set of characters: nothing in
a name or path could mean something to a shell, to Java or to a template, whoever forgets to quote it.
"""

import ipaddress
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from kafab.config.defaults import FIRST_WITHOUT_ZOOKEEPER, NEWEST_MAJOR, OLDEST
from kafab.config.jvm import without_effect
from kafab.model import Version
from kafab.references import Reference, is_reference

HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
"""RFC 1123, section 2.1: letters, digits and hyphens, not at the ends, 63 characters a label."""
VERSION = r"\d{1,3}\.\d{1,3}\.\d{1,3}"
HEAP = r"[1-9]\d{0,5}[mMgG]"
# No comma, which separates log.dirs, and no colon, which separates class paths.
PATH = r"(/[A-Za-z0-9_.@+=][A-Za-z0-9_.@+=-]*)+/?"
CHROOT = r"((/[A-Za-z0-9_.-]+)+)?"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
RACK = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}"
USER = r"[A-Za-z_][A-Za-z0-9_.@+-]{0,63}\$?"
JVM_FLAG = r"-[A-Za-z][A-Za-z0-9_.,:=+/@%*~-]*"

MAX_REASON = 200

# Kafka takes a name in any case and makes capitals of it (ListenerName.normalised); only capitals are the same everywhere.
LISTENER = r"[A-Z][A-Z0-9_-]{0,62}"

# Kafka takes any text; tools take one for an option that begins with a hyphen.
CLUSTER_ID = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}"

# Java splits super.users at semicolons, and a principal in it at its first colon.
SHA256 = r"[0-9a-fA-F]{64}"
PRINCIPAL = r"[A-Za-z][A-Za-z0-9]*:[^;\x00-\x1f]{1,500}"
DISTINGUISHED_NAME = r"[A-Za-z0-9.]+=[^;\x00-\x1f]{1,500}"

PLAIN_TEXT_FOUND = "found a secret in plain text; expected a reference to it: ${env:NAME}, ${file:PATH}, ${cmd:COMMAND} or ${prompt:TEXT}"
FLAGS_ARE_PUBLIC = "found a secret in plain text, and a JVM's flags can be read by everybody on its host; expected it left out"


_SECRETS = (
    *("secret", "jaas.config", "master.key", "secret.key", "keystore.key", "credential"),
    # Kafka has none of these, its plug-ins do.
    *("token", "api.key", "passphrase"),
)


class PlainSecret(ValueError):
    """Text that holds a secret, and so must not be repeated in a message."""


_SYSTEM_FOLDERS = frozenset(
    f"/{name}"
    for name in (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root"),
        *("run", "sbin", "srv", "sys", "tmp", "usr", "var"),
    )
)


def version(text: str) -> Version:
    """Return a Kafka version that kafab deploys, 2.4.1 to 4.x."""
    try:
        found = Version.parse(text)
    except ValueError:
        raise ValueError("expected three numbers with dots, like 3.9.2") from None
    no_such = found < FIRST_WITHOUT_ZOOKEEPER and (found.major, found.minor) > (3, 9)
    if found < OLDEST or found.major > NEWEST_MAJOR or no_such:
        raise ValueError(f"expected 2.4.1 to 3.9.x or 4.x, not {found}")
    return found


def cluster_id(text: str) -> str:
    """Return the id of a KRaft cluster: to Kafka a text, as a rule 22 letters that stand for a UUID."""
    return _matching(
        CLUSTER_ID,
        text,
        "expected letters, digits and _.- only, like the 22 that `kafka-storage random-uuid` prints",
    )


def heap(text: str) -> str:
    """Return a heap size as Java's -Xmx takes it, ``512m``, at least 32 MB and at most 1 TB."""
    if not re.fullmatch(HEAP, text, re.ASCII):
        raise ValueError("expected a size with its unit, like 512m or 4g")
    megabytes = int(text[:-1]) * (1024 if text[-1] in "gG" else 1)
    if not 32 <= megabytes <= 1024 * 1024:
        raise ValueError("expected a heap from 32m to 1024g")
    return text.lower()


def host_name(text: str) -> str:
    """Return a host name by RFC 1123 or an IPv4 address."""
    _without_more(text)
    if _is_ipv6(text.strip("[]")):
        raise ValueError(
            "expected a name; give the host any name and write the address as address: [2001:db8::1]"
        )
    return _name_or_ipv4(text)


def address(text: str) -> str:
    """Return a host name, an IPv4 address, or an IPv6 address (written in brackets, returned without)."""
    _without_more(text)
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else None
    if inner is not None:
        if not _is_ipv6(inner):
            raise ValueError("expected an IPv6 address between the brackets, like [2001:db8::1]")
        return _reachable(str(ipaddress.IPv6Address(inner)))
    if _is_ipv6(text):
        raise ValueError(f"expected an IPv6 address in brackets: write [{text}]")
    return _reachable(_name_or_ipv4(text))


def bind(text: str) -> str:
    """Return an address to listen on: one as of `address`, 0.0.0.0 or [::] for every interface, or the word address."""
    if text in ("0.0.0.0", "[::]"):  # noqa: S104  # what an operator wrote
        return text.strip("[]")
    return address(text)


def listener_name(text: str) -> str:
    """Return the name of a listener, in capitals."""
    return _matching(LISTENER, text, "expected capitals, digits, - and _, like INTERNAL")


def remote_path(text: str) -> PurePosixPath:
    """Return an absolute path on a host, in safe characters, that is no folder of the system's own."""
    _ascii_only(text)
    if not text.startswith("/"):
        raise ValueError("expected an absolute path, like /var/lib/kafka")
    parts = text.strip("/").split("/")
    if "." in parts or ".." in parts:
        raise ValueError("expected a path without . and .. in it")
    if len(several := re.split(r"[ ]*[,;:][ ]*(?=/)", text)) > 1:
        raise ValueError(f"expected each folder by itself, as a list: [{', '.join(several)}]")
    path = PurePosixPath(text)
    if text.strip("/") == "" or str(path) in _SYSTEM_FOLDERS:
        raise ValueError(
            "expected a folder for Kafka alone, like /var/lib/kafka, not one of the system's own"
        )
    if len(text) > 255 or not re.fullmatch(PATH, text):
        raise ValueError(
            "expected folders named with letters, digits and _.@+=- only, none with - in front, at most 255 characters"
        )
    return path


def local_path(text: str) -> Path:
    """Return a path on this machine, ``~`` expanded; what is relative counts from the inventory's folder."""
    if not text or not text.isprintable():
        raise ValueError("expected the path of a file on this machine, like ~/.ssh/id_ed25519")
    path = os.path.expanduser(text)  # noqa: PTH111  # Path.expanduser raises where a home is unknown
    if path.startswith("~"):
        raise ValueError("expected a path; there is no such user here whose home it could be")
    return Path(path)


def chroot(text: str) -> str:
    """Return the cluster's path in ZooKeeper: empty, or ``/kafka``."""
    if not re.fullmatch(CHROOT, text, re.ASCII):
        raise ValueError('expected a path like /kafka without a slash at its end, or "" for the root')
    parts = text.split("/")[1:]
    if any(part in (".", "..") for part in parts) or parts[:1] == ["zookeeper"]:
        raise ValueError("expected a path like /kafka; . and .. and /zookeeper are ZooKeeper's own")
    return text


def rack(text: str) -> str:
    """Return a rack's name, as broker.rack takes it."""
    return _matching(RACK, text, "expected letters, digits and ._:/- only, like eu-west-1a")


def user(text: str) -> str:
    """Return a login name."""
    return _matching(USER, text, "expected a login name: letters, digits and _.@+- only")


def gateway(text: str) -> str:
    """Return the bastions to go through, ``[user@]host[:port]``, in the order of the way, with commas between them."""
    hops = [each.strip(" ") for each in text.split(",")]
    for each in hops:
        hop(each)
    return ",".join(hops)


def hop(text: str) -> tuple[str | None, str, int | None]:
    """Return the user, the address and the port of ``[user@]host[:port]``; None for what is left out."""
    found = re.fullmatch(
        r"(?:(?P<user>.+)@)?(?P<host>\[[^\]]*\]|[^:@]*)(?::(?P<port>[1-9]\d{0,4}))?", text, re.ASCII
    )
    if not found or int(found["port"] or 22) > 65535:
        raise ValueError("expected a host like bastion.example.org or ops@bastion.example.org:2222")
    if found["user"] is not None:
        user(found["user"])
    return found["user"], address(found["host"]), int(found["port"]) if found["port"] else None


def jvm_flag(text: str) -> str:
    """Return one JVM flag; one that has no effect beside kafab's own, or that holds a secret, is refused."""
    if instead := without_effect(text):
        raise ValueError(f"expected it left out, as it has no effect: {instead}")
    if text.startswith("-D") and is_secret(text[2:].partition("=")[0]):
        raise PlainSecret(FLAGS_ARE_PUBLIC)
    return _matching(JVM_FLAG, text, "expected one flag like -XX:+UseG1GC, without spaces, quotes or $")


def reason(text: str) -> str:
    """Return why a warning is accepted: a line that somebody reads a year later."""
    if not text.strip() or not text.isprintable() or len(text) > MAX_REASON:
        raise ValueError(
            f"expected a reason: a line of up to {MAX_REASON} characters that says why this is meant"
        )
    return text.strip()


def principal(text: str) -> str:
    """Return a Kafka principal: its type, a colon, its name."""
    if not re.fullmatch(PRINCIPAL, text):
        raise ValueError("expected a type and a name, like User:ann, without a semicolon")
    return text


def distinguished_name(text: str) -> str:
    """Return a certificate's subject as Java writes it (RFC 2253)."""
    if not re.fullmatch(DISTINGUISHED_NAME, text):
        raise ValueError("expected a subject like CN=kafka1,OU=ops,O=Example, without a semicolon")
    return text


def sha256(text: str) -> str:
    """Read a digest of 64 hex digits, in lower case."""
    return _matching(SHA256, text.lower(), "expected 64 hex digits, as sha256sum prints them")


def sasl_user(text: str) -> str:
    """Return the name of a user who logs in by SASL."""
    if not text.strip() or not text.isprintable() or ";" in text:
        raise ValueError("expected a name of one line, without a semicolon")
    return text


def broker_user(text: str) -> str:
    """Return the name as which brokers log in to each other: a super user's."""
    if text != text.strip():
        raise ValueError("expected a name without blanks at its ends, which super.users leaves out")
    if text == "ANONYMOUS":
        raise ValueError("expected another name: this is whoever has not logged in")
    return sasl_user(text)


def secret_reference(text: str) -> str:
    """Return a reference to a secret. Raises PlainSecret: what stands there instead may be the secret itself."""
    try:
        return str(Reference.parse(text))
    except ValueError as error:
        told = f"found a reference with a fault; {error}" if is_reference(text) else PLAIN_TEXT_FOUND
        raise PlainSecret(told) from None


def cluster_name(text: str) -> str:
    """Return the name of a cluster, which is the stem of its file."""
    return _matching(NAME, text, "expected a name of letters, digits and ._- only, like prod")


def is_secret(name: str) -> bool:
    """Tell whether a property's value is a secret, by its name, as Kafka's and ZooKeeper's PASSWORD types have it."""
    lower = name.lower()
    if lower.endswith(_SECRETS):
        return True
    return (
        "password" in lower
        and not lower.endswith("passwordpath")
        and not lower.startswith("password.encoder.")
    )


def _name_or_ipv4(text: str) -> str:
    _ascii_only(text)
    if re.fullmatch(r"[\d.]+", text):
        return _ipv4(text)
    if len(text) > 253 or not re.fullmatch(HOST_NAME, text):
        raise ValueError("expected letters, digits, dots and inner hyphens, as host names have (RFC 1123)")
    return text


def _without_more(text: str) -> None:
    """Name what stands around an address where it was pasted with more than an address."""
    if "://" in text:
        raise ValueError("expected the name or the address alone, without the part up to ://")
    if "@" in text:
        raise ValueError("expected the name or the address alone; ssh: user: has the login name")
    if re.fullmatch(r"([^:\[\]]+|\[[^\]]*\]):\d*", text):
        raise ValueError("expected the name or the address alone; the port has a key of its own")
    if "%" in text and _is_ipv6(text.strip("[]").partition("%")[0]):
        raise ValueError(
            "expected an address without a zone: what stands behind % is an interface of one machine and says nothing "
            "on another; use an address that is no link-local one (fe80::)"
        )


def _reachable(text: str) -> str:
    if ":" in text and ipaddress.IPv6Address(text).is_link_local:
        raise ValueError(
            "expected an address that does not depend on the interface; a link-local one (fe80::) does, "
            "and Kafka's clients and peers cannot use it"
        )
    if text in ("0.0.0.0", "::") or (_is_ipv6(text) and ipaddress.IPv6Address(text).is_unspecified):  # noqa: S104  # refused, not bound
        raise ValueError("expected an address that others can connect to; this one means every interface")
    return text


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError("expected a name with a letter in it or an IPv4 address like 10.0.0.11") from None


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _ascii_only(text: str) -> None:
    """Name a letter that only looks like one of a host name's or path's."""
    if found := next((letter for letter in text if not letter.isascii()), None):
        name = unicodedata.name(found, "no name")
        raise ValueError(f"expected ASCII only; it has U+{ord(found):04X} ({name}) in it")


def _matching(pattern: str, text: str, expected: str) -> str:
    _ascii_only(text)
    if not re.fullmatch(pattern, text):
        raise ValueError(expected)
    return text
