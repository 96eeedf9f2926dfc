"""The text of a login as Kafka reads it in `sasl.jaas.config`.

Kafka (org.apache.kafka.common.security.JaasConfig) reads words with java.io.StreamTokenizer: a quoted one may have any letter,
with a backslash before a quote and a backslash.
"""

import re
from collections.abc import Mapping

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAMED = {"\n": "\\n", "\r": "\\r"}


def login(module: str, options: Mapping[str, str]) -> str:
    """Return one required login module with its options, as the value of ``sasl.jaas.config``.

    A value is kept exactly, whatever is in it; so are names of options, like the ``user_NAME`` of PLAIN.
    """
    words = [f"{_name(name)}={_quoted(value)}" for name, value in options.items()]
    return " ".join([module, "required", *words]) + ";"


def _name(text: str) -> str:
    return text if _WORD.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = re.sub(r'[\\"\n\r]', lambda found: _NAMED.get(found[0], "\\" + found[0]), text)
    return f'"{escaped}"'
