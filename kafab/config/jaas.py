"""JAAS configurations: the text of a login as Kafka reads it in `sasl.jaas.config`, and as a JVM reads it in a file.

Kafka (org.apache.kafka.common.security.JaasConfig) and the JVM (com.sun.security.auth.login.ConfigFile, which ZooKeeper
uses) both read words with java.io.StreamTokenizer: a quoted one may have any letter, with a backslash before a quote and a
backslash. The JVM replaces ``${name}`` in a value by a system property afterwards, and nothing keeps it from that.
"""

import re
from collections.abc import Mapping

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAMED = {"\n": "\\n", "\r": "\\r"}
_ENTRY = re.compile(r'("(?:[^"\\]|\\.)*"|\w+)=("(?:[^"\\]|\\.)*")', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CHARACTERS = {"n": "\n", "r": "\r"}


def login(module: str, options: Mapping[str, str]) -> str:
    """Return one required login module with its options, as the value of ``sasl.jaas.config``.

    A value is kept exactly, whatever is in it; so are names of options, like the ``user_NAME`` of PLAIN.
    """
    words = [f"{_name(name)}={_quoted(value)}" for name, value in options.items()]
    return " ".join([module, "required", *words]) + ";"


def section(name: str, module: str, options: Mapping[str, str]) -> str:
    """Return a section of a JAAS file, ``Server {…};``. Raises ValueError where the JVM would replace a part of a value."""
    expanded = [key for key, value in options.items() if "${" in f"{key} {value}"]
    if expanded:
        raise ValueError("expected no ${ in it: a JVM replaces that by one of its own properties")
    return f"{name} {{\n  {login(module, options)}\n}};\n"


def options(text: str) -> dict[str, str]:
    """Return the options of the first login module in a text that `login` or `section` has made; empty for any other text."""
    _, found, rest = text.partition(" required ")
    return {_plain(key): _plain(value) for key, value in _ENTRY.findall(rest)} if found else {}


def _name(text: str) -> str:
    return text if _WORD.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = re.sub(r'[\\"\n\r]', lambda found: _NAMED.get(found[0], "\\" + found[0]), text)
    return f'"{escaped}"'


def _plain(word: str) -> str:
    if not word.startswith('"'):
        return word
    return _ESCAPED.sub(lambda found: _CHARACTERS.get(found[1], found[1]), word[1:-1])
