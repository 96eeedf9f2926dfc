"""Secrets in what was gathered: hidden by the key that they stand behind, by their form, and by their value.

Three ways, each for what the others miss. By key: whatever is set for a key that holds secrets, in a properties file, JSON,
YAML, XML, a JAAS entry, a command line or a log. By form: private keys in PEM, tokens, the user of a URL. By value: what a
configuration file or a command line of these hosts sets for such a key is removed wherever else it stands. No secret of the
inventory is read for that. What is hidden too much costs a look at the host, what is hidden too little cannot be taken back.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote

from kafab.words import shown

HIDDEN = "***"
T = TypeVar("T")

_WORDS = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "jaas",
    "api.key",
    "api_key",
    "apikey",
    "api-key",
    "access.key",
    "access_key",
    "accesskey",
    "access-key",
    "private.key",
    "private_key",
    "privatekey",
    "private-key",
    "keystore.key",
    "storedkey",
    "stored_key",
    "serverkey",
    "server_key",
    "authorization",
    "user_",
    "storepass",
    "keypass",
    "_pass",
    ".pass",
    "user.info",
    "account.key",
    "account_key",
    "accountkey",
    "superdigest",
)
"""One of these is in each key that holds a secret, which is looked for from the key's beginning: a host may have sent a long one; ``user_NAME`` is that of PLAIN's users in a JAAS entry."""
_KEY = (
    rf"(?<![\w.$/-])(?=[\w.$/-]*(?:{'|'.join(map(re.escape, _WORDS))}))"
    r"[\w.$/-]+(?:\[[\w.$/-]{0,40}\][\w.$/-]*){0,3}"
)
"""With few brackets: a key may begin behind each, and must not go on to the end of the line from every one."""
_QUOTED = r"\"(?:[^\"\\\n]|\\.)*(?:\"|$)|\\\"(?:(?!\\\").)*(?:\\\"|$)|'[^'\n]*(?:'|$)"
_HARMLESS = frozenset({"null", "[hidden]", '""', "''", HIDDEN, "[", "{"})

_NO_KEY = "-----PRIVATE KEY *** -----"
_END_OF_KEY = re.compile(r"^.*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_OF_A_KEY = re.compile(r"[ \t]*[A-Za-z0-9+/=]{4,}[ \t]*(?:\\n)?\\?[ \t\r]*")
"""A line of base64, which may go on in the next one as a property does."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FORMS = (
    # A private key: whole, or cut off at its end; see `_without_ends_of_keys` for one that is cut off at its beginning.
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
            r".*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
        _NO_KEY,
    ),
    (re.compile(r"(?i)\b(bearer|basic)[ \t]+[\w+/=.~-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{6,}\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)[^\s'\"]*@"), rf"\1{HIDDEN}@"),
    # systemd shows what it gives to a process; nothing of that is needed to tell what is wrong.
    (re.compile(r"(?m)^([ \t]*Environment=)(?:.*\\\n(?:[ \t]*[#;].*\n)*)*.+$"), rf"\1{HIDDEN}"),
    # What curl takes for a user and its password.
    (re.compile(r"(?m)((?:^|[ \t])(?:-u|--user)[ \t=]*['\"]?[\w.@-]+:)[^\s'\"]+"), rf"\1{HIDDEN}"),
)
_INVALID = re.compile(rf"(?i)(invalid value )(.*?)( for configuration (?:{_KEY}))")
_ELEMENT = re.compile(rf"(?i)(<(?:{_KEY})(?:\s[^<>]*)?>)([^<]+)")
_NAMED = re.compile(rf"(?i)((?:{_KEY})\W{{1,12}}(?:name\W{{1,4}})?value\W{{1,6}})([^\"'<>\n]+)")
"""A name and its value beside each other, as JSON, XML and YAML list settings."""
_FLAG = re.compile(
    rf"(?im)((?:^|[\s'\"])-{{1,2}}(?=[\w.-]*(?:pass|{'|'.join(map(re.escape, _WORDS))}))[\w.-]+)(\n|[ \t]+)"
    rf"({_QUOTED}|(?<=\n).+|\S+)"
)
_INSIDE = re.compile(rf"(?i)(?P<quote>[\"'])(-{{0,2}}(?:{_KEY})[ \t]*[=:][ \t]*)((?:(?!(?P=quote)).)+)")
_PAIR = re.compile(rf"(?im)((?:{_KEY})\\?[\"']?\s*(?:=>|[=:])[ \t]*)({_QUOTED}|\S+)")
_LINE = re.compile(
    rf"(?im)^([ \t]*(?:[#!;]+[ \t]*|-D|export[ \t]+)?(?:{_KEY})[ \t]*[=: \t][ \t]*)((?:.*\\\n)*.+)$"
)
_ENTRY = re.compile(
    r"(?im)(\bjaas[\w.]*[ \t]*[=:][ \t]*|LoginModule\s+(?:required|requisite|sufficient|optional)\b)([^;]{0,5000};|.*$)"
)
_HINTS = (*dict.fromkeys(("pass", *_WORDS, "loginmodule")),)
_GOES_ON = 40
"""Lines behind one with a key in which its value may go on."""
_OF_A_REQUEST = re.compile(r"apiKey=[A-Z_]+,?")
"""The name of a request, as Kafka logs it."""

_LEARNED_FROM = 6
"""Letters that a value has at least which is removed wherever it stands."""
_IN_QUOTES = re.compile(r"=\s*\\?[\"']([^\"'\\]+)")


_COULD_BE_A_KEY = re.compile(rf"(?i)^[\w.$/\[\]-]+$|{'|'.join(map(re.escape, _HINTS))}")


class Redactor:
    """Hides secrets in texts. Values are learned first, from all texts that set them, and then hidden in every one."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._known: tuple[re.Pattern[str], re.Pattern[str]] | None = None

    def learn(self, text: str) -> None:
        """Take the values of keys that hold secrets for secrets, wherever they stand. ``text`` is of a configuration or a command line."""
        for found in (each for one in (_LINE, _INSIDE, _PAIR, _FLAG, _NAMED) for each in one.finditer(text)):
            *_, key, value = found.groups()
            pieces = _IN_QUOTES.findall(value) if "jaas" in key.lower() else [value]
            for piece in pieces:
                for line in piece.splitlines():
                    self._learn(line.strip().removesuffix("\\").strip().strip("\"';,"))
        self._known = None

    def _learn(self, value: str) -> None:
        if value.startswith("-----"):
            return  # the first or the last line of a key, by which keys are found
        meant = re.sub(r"\\(.)", r"\1", value)
        for one in {value, meant}:
            if len(one) >= _LEARNED_FROM and one.lower() not in _HARMLESS and not one.isdecimal():
                self._values |= {one, json.dumps(one)[1:-1], quote(one, safe="")}

    def text(self, text: str) -> str:
        """Return a text without secrets, and with letters that do not print escaped, but for line breaks."""
        # A value with a blank or a comma is looked for first: behind a key less than all of it may be taken for the value. One
        # that could be a key, or has one in it, comes last: hidden first, it would take with it what others are found by.
        apart, every = self._patterns()
        text = apart.sub(HIDDEN, _COLOUR.sub("", text))
        return _printable(every.sub(HIDDEN, by_key(by_form(text))))

    def value(self, value: T) -> T:
        """Return a value with the texts inside of it as `text` returns them: dataclasses, mappings, lists, tuples."""
        found: Any = self._inside(value)
        kept: T = found
        return kept

    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        if self._known is None:
            every = sorted(self._values, key=lambda one: (-len(one), one))
            apart = [one for one in every if not _COULD_BE_A_KEY.search(one)]
            self._known = _any(apart), _any(every)
        return self._known

    def _inside(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._inside(key): _under(key, self._inside(each)) for key, each in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(self._inside(each) for each in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(
                value, **{one.name: self._inside(getattr(value, one.name)) for one in fields(value)}
            )
        return value


def _under(key: object, value: Any) -> Any:
    """Return what stands under a key of a mapping."""
    secret = isinstance(key, str) and isinstance(value, str) and re.fullmatch(_KEY, key, re.IGNORECASE)
    return HIDDEN if secret and value else value


def _any(values: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, values)) or r"(?!)")


def by_form(text: str) -> str:
    """Hide private keys, tokens, the users of URLs and environments."""
    for pattern, hidden in _FORMS:
        text = pattern.sub(hidden, text)
    return _without_ends_of_keys(text) if "-----END " in text else text


def _without_ends_of_keys(text: str) -> str:
    """Hide private keys whose beginning is cut off: the lines before their end. No expression does that in linear time."""
    lines = list[str]()
    for line in text.split("\n"):
        if _END_OF_KEY.match(line):
            while lines and _OF_A_KEY.fullmatch(lines[-1]):
                lines.pop()
            line = _END_OF_KEY.sub(_NO_KEY, line)  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines)


def by_key(text: str) -> str:
    """Hide what is set for keys that hold secrets, in any of the forms of a text."""
    lines, done, shown_ = text.split("\n"), 0, list[str]()
    for first, end in _regions(lines):
        shown_ += lines[done:first]
        shown_.append(_by_key("\n".join(lines[first:end])))
        done = end
    return "\n".join([*shown_, *lines[done:]])


def _regions(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the lines that may have a key that holds a secret, with those that its value may go on in: most have none."""
    first, end = 0, 0
    for number, line in enumerate(lines):
        lower = line.lower()
        # Beyond ASCII an expression takes more letters for equal than `lower` does.
        if line.isascii() and not any(word in lower for word in _HINTS):
            continue
        if number >= end and end:
            yield first, end
        if number >= end:
            first = number
        end = min(number + _GOES_ON, len(lines))
    if end:
        yield first, end


def _by_key(text: str) -> str:
    text = _INVALID.sub(rf"\g<1>{HIDDEN}\g<3>", text)
    text = _LINE.sub(lambda found: f"{found[1]}{_kept(found[2])}", text)
    text = _ENTRY.sub(lambda found: f"{found[1]}{_kept(found[2])}", text)
    text = _INSIDE.sub(lambda found: f"{found[1]}{found[2]}{_kept(found[3])}", text)
    text = _NAMED.sub(lambda found: f"{found[1]}{_kept(found[2])}", text)
    text = _ELEMENT.sub(rf"\g<1>{HIDDEN}", text)
    text = _FLAG.sub(rf"\g<1>\g<2>{HIDDEN}", text)
    return _PAIR.sub(_pair, text)


def _pair(found: re.Match[str]) -> str:
    return found[0] if _OF_A_REQUEST.fullmatch(found[0]) else f"{found[1]}{_kept(found[2])}"


def _kept(value: str) -> str:
    """Return what is shown in the place of a value: one that says that there is none stays."""
    return value if not value.strip() or value.strip() in _HARMLESS else HIDDEN


def _printable(text: str) -> str:
    lines = text.replace("\t", "    ").split("\n")
    return "\n".join(line if line.isprintable() else shown(line) for line in lines)
