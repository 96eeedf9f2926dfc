"""The text of a login as Kafka reads it in `sasl.jaas.config`.

Kafka (org.apache.kafka.common.security.JaasConfig) reads words with java.io.StreamTokenizer: a quoted one may have any letter,
with a backslash before a quote and a backslash.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAMED = {"\n": "\\n", "\r": "\\r"}
_LETTERS = {escape[1]: letter for letter, escape in _NAMED.items()}

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_OPTION = re.compile(rf" ({_WORD.pattern}|{_QUOTED})=({_QUOTED})", re.ASCII)
_LOGIN = re.compile(rf"([\w.$]+) required((?:{_OPTION.pattern})*);", re.ASCII)


class Statement(NamedTuple):
    """A login module that is required, with its options."""

    module: str
    options: dict[str, str]


def login(module: str, options: Mapping[str, str]) -> str:
    """Return one required login module with its options, as the value of ``sasl.jaas.config``.

    A value is kept exactly, whatever is in it; so are names of options, like the ``user_NAME`` of PLAIN.
    """
    words = [f"{_name(name)}={_quoted(value)}" for name, value in options.items()]
    return " ".join([module, "required", *words]) + ";"


def read(text: str) -> Statement | None:
    """Return what `login` has written; None for any other text."""
    found = _LOGIN.fullmatch(text)
    if found is None:
        return None
    options = {_plain(name): _plain(value) for name, value in _OPTION.findall(found[2])}
    return Statement(found[1], options)


def _name(text: str) -> str:
    return text if _WORD.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = re.sub(r'[\\"\n\r]', lambda found: _NAMED.get(found[0], "\\" + found[0]), text)
    return f'"{escaped}"'


def _plain(word: str) -> str:
    if not word.startswith('"'):
        return word
    return re.sub(r"\\(.)", lambda found: _LETTERS.get(found[1], found[1]), word[1:-1])
