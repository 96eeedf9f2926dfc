"""Which node a server.properties is of, where its data is, and who keeps the cluster's metadata.

kafab writes all of this itself; the rules are for files that people wrote by hand. They are those of KafkaConfig.validateValues
and QuorumConfig.parseVoterConnections.
"""

import re
from collections.abc import Generator, Iterator

from kafab.cautions import Caution
from kafab.config.catalogue.broker import Broker
from kafab.config.catalogue.remarks import Remark
from kafab.config.catalogue.values import items

_VOTERS, _SERVERS, _ROLES = "controller.quorum.voters", "controller.quorum.bootstrap.servers", "process.roles"
# Utils.HOST_PORT_PATTERN
_ENDPOINT = r"\[?([0-9a-zA-Z\-%._:]*)\]?:(\d+)"


def remarks(broker: Broker) -> Iterator[Remark]:
    """Yield what is wrong with the id, the folders, the voters or the ensemble."""
    yield from _ids(broker)
    yield from _folders(broker)
    if broker.kraft:
        yield from _voters(broker)
        yield from _joining(broker)
    else:
        yield from _ensemble(broker)


def _ids(broker: Broker) -> Iterator[Remark]:
    given = [name for name in ("node.id", "broker.id") if name in broker.properties]
    values = [broker.properties[name].strip() for name in given]
    if len(given) > 1 and values[0] != values[1]:
        yield Remark(given[1], f"found {values[1]} beside node.id {values[0]}; expected one id")
    name = "node.id" if broker.kraft else "broker.id"
    generated = not broker.kraft and broker.true("broker.id.generation.enable")
    if not given and not generated:
        yield Remark(name, "found no id; expected a whole number from 0")
    for name, value in zip(given, values, strict=True):
        if re.fullmatch(r"-\d+", value, re.ASCII) and not (generated and value == "-1"):
            yield Remark(name, f"found {value}; expected a whole number from 0")
        most = broker.number("reserved.broker.max.id") if generated else None
        if most is not None and value.isdigit() and int(value) > most:
            text = f"found {value}; expected at most reserved.broker.max.id, {most:.0f}: ids above it are generated"
            yield Remark(name, text)


def _folders(broker: Broker) -> Iterator[Remark]:
    for name in ("log.dirs", "log.dir"):
        given = broker.properties.get(name)
        if given is None or (name == "log.dir" and "log.dirs" in broker.properties):
            continue
        folders = items(given)
        if not folders:
            yield Remark(name, "found no folder; expected one at least")
        for folder in sorted({folder for folder in folders if folders.count(folder) > 1}):
            yield Remark(name, f"found {folder} twice; expected each folder once")


def _voters(broker: Broker) -> Iterator[Remark]:
    voters, servers = items(broker.text(_VOTERS)), items(broker.text(_SERVERS))
    for server in servers:
        if not re.fullmatch(_ENDPOINT, server, re.ASCII):
            yield Remark(_SERVERS, f"found {server[:40]!r}; expected host:port")
    if not voters and not servers:
        text = f"found neither {_VOTERS} nor {_SERVERS}; expected one of them in KRaft mode"
        yield Remark(broker.blamed(_VOTERS, _SERVERS), text)
    elif voters and servers:
        text = f"found it beside {_SERVERS}, which is for a quorum that keeps its voters itself; expected one of them"
        yield Remark(_VOTERS, text, Caution.WITHOUT_EFFECT)
    ids = yield from _endpoints(voters)
    own = broker.properties.get("node.id", broker.properties.get("broker.id", "")).strip()
    roles = items(broker.text(_ROLES))
    if voters and own and "controller" in roles and own not in ids:
        yield Remark(_VOTERS, f"found no voter {own}; expected this controller among {', '.join(ids)}")
    if voters and own and roles == ["broker"] and own in ids:
        yield Remark(
            _VOTERS, f"found {own} among the voters, which is a broker alone; expected the controllers' ids"
        )


def _endpoints(voters: list[str]) -> Generator[Remark, None, dict[str, str]]:
    """Return the voters' ids, each with its endpoint."""
    ids: dict[str, str] = {}
    for voter in voters:
        number, at, endpoint = voter.partition("@")
        if (
            not at
            or not re.fullmatch(r"[+-]?\d+", number, re.ASCII)
            or not re.fullmatch(_ENDPOINT, endpoint, re.ASCII)
        ):
            yield Remark(_VOTERS, f"found {voter[:40]!r}; expected ID@host:port")
        elif number in ids:
            yield Remark(_VOTERS, f"found the id {number} twice; expected each voter once")
        elif endpoint in ids.values():
            yield Remark(_VOTERS, f"found {endpoint} for two voters; expected an endpoint for each")
        ids[number] = endpoint
    return ids


def _joining(broker: Broker) -> Iterator[Remark]:
    name = "controller.quorum.auto.join.enable"
    if broker.true(name) and "controller" not in items(broker.text(_ROLES)):
        yield Remark(name, "found true for a broker; expected it with controllers only")


def _ensemble(broker: Broker) -> Iterator[Remark]:
    name = "zookeeper.connect"
    given = broker.properties.get(name, "").strip()
    if not given:
        old = name in broker.catalogue.known
        text = (
            f"found neither {_ROLES} nor {name}; expected one of them"
            if old
            else "found no role; expected one"
        )
        yield Remark(name if old else _ROLES, text)
        return
    *before, last = given.split(",")
    for server in before:
        if "/" in server:
            text = f"found the path /{server.partition('/')[2]} behind a server that is not the last: ZooKeeper ends the list there"
            yield Remark(name, f"{text}; expected it behind {last}")
    for server in (*before, last):
        at = server.strip().partition("/")[0]
        if not re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[0-9a-zA-Z\-._]+)(:\d+)?", at, re.ASCII):
            yield Remark(name, f"found {server.strip()[:40]!r}; expected host:port")
