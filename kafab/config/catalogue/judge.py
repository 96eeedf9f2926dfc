"""All remarks on the properties of one broker or controller, each property on its own and all of them together."""

from collections.abc import Iterable, Iterator, Mapping

from kafab.config.catalogue import identity, listeners, names, orders, security, startup
from kafab.config.catalogue.broker import Broker
from kafab.config.catalogue.definitions import Catalogue, Definition
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import complaint, items, references
from kafab.config.masking import holds_secret
from kafab.references import Reference, is_reference


def judge(
    properties: Mapping[str, str], catalogue: Catalogue, given: Iterable[str], *, kraft: bool
) -> Iterator[Remark]:
    """Yield what is wrong with one server.properties; ``given`` are the names that a person wrote.

    Remarks may blame properties that nobody wrote, where these do not go with what was written.
    """
    written = list(given)
    for name in written:
        yield from alone(name, properties, catalogue, kraft=kraft)
    yield from listeners.remarks(properties, catalogue.line, kraft=kraft)
    broker = Broker(properties, catalogue, kraft, frozenset(written))
    for rules in (identity.remarks, orders.remarks, security.remarks, startup.remarks):
        yield from rules(broker)


def alone(name: str, properties: Mapping[str, str], catalogue: Catalogue, *, kraft: bool) -> Iterator[Remark]:
    """Yield what is wrong with one property, its name or else its value."""
    wrong_name = names.complaint(catalogue, name, properties, kraft=kraft)
    if wrong_name is not None:
        yield wrong_name
        return
    text = properties[name]
    definition = catalogue.known.get(name) or catalogue.known.get(names.base(name))
    providers = items(properties.get("config.providers", ""))
    named = references(text)
    if is_reference(text) and named[0] not in providers:
        if wrong_reference := _reference_of_ours(name, text, definition):
            yield Remark(name, wrong_reference)
    elif any(provider not in providers for provider in named):
        yield Remark(
            name,
            f"found {text[:40]!r}; expected no reference: Kafka resolves only ${{PROVIDER:…}} of config.providers",
        )
    elif definition is not None and not named:
        wrong_value = complaint(definition, text, catalogue.line)
        if wrong_value is not None:
            yield Remark(name, wrong_value)


def _reference_of_ours(name: str, text: str, definition: Definition | None) -> str | None:
    """Say what is wrong with a reference that kafab is to read: it stands for a secret, whose value is shown nowhere."""
    if not holds_secret(f"{name}=x") or (definition is not None and definition.type != "password"):
        return (
            "found a reference to a secret; expected the value itself, as this is no secret and plans show it"
        )
    try:
        Reference.parse(text)
    except ValueError as error:
        return f"found a reference with a fault; {error}"
    return None
