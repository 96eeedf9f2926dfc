"""Topics of the selected cluster, with the names that kafka-topics uses."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

_NAME = "the topic's name"
_JSON = "print one JSON document on stdout"


@task(name="list", help={"internal": "show Kafka's own topics too", "json": _JSON})
def list_(_context: Context, internal: bool = False, json: bool = False) -> None:
    """Print the names of all topics, one a line."""
    from kafab.ops.topics import topics

    session = CHAIN.session()
    found = topics.names(session, internal=internal)
    document = {"schema": "kafab.topics/1", "cluster": session.cluster.name, "topics": list(found)}
    CHAIN.console(json=json).data(document, "\n".join(found))


@task(help={"name": _NAME, "json": _JSON})
def describe(_context: Context, name: str, json: bool = False) -> None:
    """Show a topic's own properties and, for each partition, its leader, replicas and ISR."""
    from kafab.ops.topics import topics
    from kafab.screens import topics as topic_screens

    topic = topics.find(CHAIN.session(), name)
    CHAIN.console(json=json).data(topic_screens.document(topic), topic_screens.text(topic))


@task(
    positional=["name"],
    iterable=["config"],
    help={
        "name": _NAME,
        "partitions": "how many; without it the brokers' num.partitions decides",
        "replication_factor": "replicas of each partition; without it the brokers' default.replication.factor decides",
        "config": "a topic property as NAME=VALUE; may be given again",
        "json": _JSON,
    },
)
def create(
    _context: Context,
    name: str,
    partitions: str | None = None,
    replication_factor: str | None = None,
    config: list[str] | None = None,
    json: bool = False,
) -> None:
    """Create a topic.

    A topic of that name, more replicas than live brokers and an unknown property are errors, told with the numbers.
    """
    from dataclasses import replace

    from kafab.cluster.metadata import TopicSpec
    from kafab.ops.history import remembered
    from kafab.ops.topics import topics
    from kafab.ops.topics.rules import assignments, count
    from kafab.screens import topics as topic_screens

    spec = TopicSpec(
        name,
        partitions=count(partitions, "--partitions"),
        replication_factor=count(replication_factor, "--replication-factor"),
        configs=assignments(config or []),
    )
    session = CHAIN.session()
    topics.check_new(session, spec)
    with remembered(session.cluster, session, "topics.create"):
        made = topics.create(session, spec)
    console = CHAIN.console(json=json)
    for warning in topics.warnings(made) if made else ():
        console.warn(warning)
    count_made = len(made.partitions) if made else spec.partitions
    document = topic_screens.change("created", name, replace(spec, partitions=count_made))
    console.data(document, f"Created topic {name}.")


@task(
    positional=["name"],
    iterable=["config", "delete_config"],
    help={
        "name": _NAME,
        "partitions": "the new number of partitions; it can only grow",
        "config": "a topic property as NAME=VALUE; may be given again",
        "delete_config": "a topic property to set back to the brokers' value; may be given again",
        "json": _JSON,
    },
)
def alter(
    _context: Context,
    name: str,
    partitions: str | None = None,
    config: list[str] | None = None,
    delete_config: list[str] | None = None,
    json: bool = False,
) -> None:
    """Change a topic's properties or add partitions. What already is as asked is left alone."""
    from kafab.ops.history import remembered
    from kafab.ops.topics import topics
    from kafab.ops.topics.rules import assignments, changes, count
    from kafab.screens import topics as topic_screens

    session, console = CHAIN.session(), CHAIN.console(json=json)
    wanted = changes(assignments(config or []), delete_config or [])
    total = count(partitions, "--partitions")
    change = topics.alteration(session, name, configs=wanted, partitions=total)
    if change is None:
        console.data(topic_screens.change("unchanged", name), f"Topic {name} is as asked, nothing to do.")
        return
    with remembered(session.cluster, session, "topics.alter"):
        topics.alter(session, change)
    console.data(topic_screens.change("altered", name, change), f"Altered topic {name}: {change}.")


@task(positional=["name"], help={"name": _NAME, "yes": "do not ask", "json": _JSON})
def delete(_context: Context, name: str, yes: bool = False, json: bool = False) -> None:
    """Delete a topic and all its records.

    Asks on a terminal and needs --yes without one; a lab never asks.
    """
    from kafab.ops.history import remembered
    from kafab.ops.topics import topics
    from kafab.screens import topics as topic_screens

    session, console = CHAIN.session(), CHAIN.console(json=json)
    topic = topics.deletable(session, name)
    partitions = len(topic.partitions)
    question = (
        f"Delete topic {name} of {session.cluster.name}, with all records of its {partitions} partitions?"
    )
    console.confirm(question, yes=yes, lab=session.cluster.lab)
    with remembered(session.cluster, session, "topics.delete") as run:
        run.figures["partitions"] = partitions
        topics.delete(session, topic)
    console.data(topic_screens.change("deleted", name), f"Deleted topic {name}.")
