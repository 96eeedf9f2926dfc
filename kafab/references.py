"""References to secrets: what an inventory has in place of a value.

``${env:NAME}``, ``${file:PATH}``, ``${cmd:COMMAND}`` and ``${prompt:TEXT}`` say where a value is to be had on this
machine; `ports.Secrets` reads it when it is used. A reference is the whole of a value, never a part of one.

Kafka's own config providers are written alike, ``${provider:[path:]key}`` (KIP-297). A path here has no colon, so
``${file:/path:key}`` is always one of Kafka's.
"""

import re
from dataclasses import dataclass
from enum import Enum

MAX_ARGUMENT = 1000
"""Characters of a command; names, paths and questions are shorter."""


class Kind(Enum):
    """Where a value is to be had."""

    ENV = "env"
    """A variable of kafab's own environment."""
    FILE = "file"
    """A file on this machine; a relative path counts from the inventory's folder."""
    CMD = "cmd"
    """What a command prints, which `sh` runs in the inventory's folder."""
    PROMPT = "prompt"
    """What the operator types at a question, which is not shown."""


EXPECTED = ", ".join(
    f"${{{kind.value}:{what}}}" for kind, what in zip(Kind, ("NAME", "PATH", "COMMAND", "TEXT"), strict=True)
)
_KINDS = "|".join(kind.value for kind in Kind)
_BEGIN = re.compile(rf"\$\{{({_KINDS}):")


@dataclass(frozen=True)
class Reference:
    """Where a secret is to be had; as text it is what the inventory has. It is no secret itself."""

    kind: Kind
    argument: str

    def __str__(self) -> str:
        return f"${{{self.kind.value}:{self.argument}}}"

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Return the reference that is the whole of a text.

        Raises ValueError with what was expected, as the kinds of an inventory do; the text, which may be a secret where it
        is no reference, is not in the message.
        """
        begin = _BEGIN.match(text)
        if begin is None or not text.endswith("}"):
            raise ValueError(f"expected a reference to a secret: one of {EXPECTED}")
        kind, argument = Kind(begin[1]), text[begin.end() : -1]
        if not argument.strip() or not argument.isprintable() or len(argument) > MAX_ARGUMENT:
            raise ValueError(
                f"expected {_what(kind)} behind ${{{kind.value}: in one line of at most {MAX_ARGUMENT} characters"
            )
        if _BEGIN.search(argument):
            raise ValueError("expected one reference, and nothing beside it: it is the whole of a value")
        if kind is Kind.ENV and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", argument, re.ASCII):
            raise ValueError("expected a variable's name behind ${env: - letters, digits and _ only")
        if kind is Kind.FILE and ":" in argument:
            raise ValueError(
                "expected a path without a colon behind ${file: - with one it is a reference of Kafka's "
                "FileConfigProvider, ${file:/path:key}, which config.providers has to name"
            )
        return cls(kind, argument)


def is_reference(text: str) -> bool:
    """Tell whether a text begins as a reference does; whether it is a good one, `Reference.parse` says."""
    return _BEGIN.match(text) is not None


def holds_reference(text: str) -> bool:
    """Tell whether a reference begins anywhere in a text."""
    return _BEGIN.search(text) is not None


def _what(kind: Kind) -> str:
    return {
        Kind.ENV: "a variable's name",
        Kind.FILE: "a path",
        Kind.CMD: "a command",
        Kind.PROMPT: "a question",
    }[kind]
