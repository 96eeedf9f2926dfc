"""Dynamic values of single brokers that say what the file says by now, and are taken away."""

from collections.abc import Collection, Mapping

from kafab.cluster.metadata import Setting, Source
from kafab.cluster.seen import Ask
from kafab.cluster.values import same
from kafab.errors import Failed
from kafab.events import Note
from kafab.model import Cluster, Node
from kafab.ops.see import see
from kafab.ops.world import World
from kafab.unknown import Unknown
from kafab.words import few


def forget_overrides(
    cluster: Cluster, nodes: Collection[Node], world: World
) -> Mapping[str, tuple[str, ...]]:
    """Take away each dynamic value of one of these brokers that its file has as well; return node name -> properties.

    The file that counts is the one that the broker was started from, as the broker tells it: without the dynamic value it
    runs with the same one. Values for all brokers stay, and so do secrets, which Kafka does not tell. Each broker's are noted. Nothing depends on
    it, so what a broker does not answer or refuses is noted, too. The caller holds the lock.
    """
    brokers = [node for node in nodes if node in cluster.brokers]
    answers = see(cluster, world, Ask(running=brokers)).running
    removed = {}
    for node in brokers:
        answer = answers[node.id]
        if isinstance(answer, Unknown):
            world.emit(Note(node.name, f"its dynamic values are left: {answer.reason}"))
            continue
        names = tuple(name for name, one in sorted(answer.items()) if _needless(one))
        if names and _taken_away(node, names, world):
            removed[node.name] = names
            told = f"dynamic values that its file has as well are removed: {few(names)}"
            world.emit(Note(node.name, told))
    return removed


def _needless(setting: Setting) -> bool:
    """Tell whether the broker would run with the same value without its own dynamic one."""
    if setting.is_sensitive or setting.source is not Source.BROKER or len(setting.places) < 2:
        return False
    own, next_one = setting.places[:2]
    return (
        next_one.source is Source.FILE
        and next_one.name == setting.name
        and None not in (own.value, next_one.value)
        and same(own.value or "", next_one.value or "")
    )


def _taken_away(node: Node, names: Collection[str], world: World) -> bool:
    try:
        unknown = world.settings.alter_broker_configs(node.id, node.endpoint, dict.fromkeys(names))
    except Failed as error:
        unknown = Unknown(error.message)
    if unknown is not None:
        world.emit(Note(node.name, f"dynamic values that its file has as well are left: {unknown.reason}"))
    return unknown is None
