"""All remarks on the properties of one broker or controller, each property on its own and all of them together."""

from collections.abc import Iterable, Iterator, Mapping

from kafab.config.catalogue import identity, listeners, names, orders, security, startup
from kafab.config.catalogue.broker import Broker
from kafab.config.catalogue.definitions import Catalogue
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import complaint, items, references


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
    if any(provider not in providers for provider in named):
        yield Remark(
            name,
            f"found {text[:40]!r}; expected no reference: Kafka resolves only ${{PROVIDER:…}} of config.providers",
        )
    elif definition is not None and not named:
        wrong_value = complaint(definition, text, catalogue.line)
        if wrong_value is not None:
            yield Remark(name, wrong_value)
