"""Secrets in the text of a file: hidden from people, and nothing shown by which their values could be guessed offline.

A value is shown as a fingerprint under a key that is made for each run and never leaves it. It tells that two values
differ within one run's output, and nothing to whoever keeps that output.
"""

import hashlib
import hmac
import re
import secrets

_KEY = secrets.token_bytes(32)
_SHOWN = 6
"""Hex digits of a fingerprint: enough to tell two values of one diff apart."""

# A key as java.util.Properties reads it ends at the first "=", ":" or blank, and its value goes on behind a backslash at
# the end of a line. A secret in a comment is one all the same. A key is searched once: a host may have sent a long one.
_SECRET = re.compile(
    r"(?im)^([ \t]*(?=[^\s=:]*?(?:(?<=keystore\.)key|password|passphrase|secret|jaas|token|credential|api\.key))[^\s=:]+[ \t]*[=: \t])"
    r"((?:.*\\\r?\n)*.*)$"
)

_WORDS = ("keystore.key", "password", "passphrase", "secret", "jaas", "token", "credential", "api.key")
"""One of these is in each key that the expression finds: most files have none, and looking for a word is fifteen times as fast."""


def holds_secret(text: str) -> bool:
    """Tell whether the text of a file has a key that holds a secret."""
    return _may_hold_one(text) and _SECRET.search(text) is not None


def _may_hold_one(text: str) -> bool:
    # Beyond ASCII the expression takes more letters for equal than `lower` does, such as a dotless i.
    lower = text.lower()
    return any(word in lower for word in _WORDS) or not text.isascii()


def masked(text: str) -> str:
    """Hide the values of keys that hold secrets; that one changed stays visible through its fingerprint."""
    return _SECRET.sub(lambda found: f"{found[1]}*** ({fingerprint(found[2])})", text)


def without_secrets(text: str) -> str:
    """Leave the values of keys that hold secrets out: equal texts give equal ones in every run, and tell nothing of a value."""
    return _SECRET.sub(r"\1***", text)


def fingerprint(text: str) -> str:
    """Return a few hex digits that are the same for the same text within this run only."""
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()[:_SHOWN]
