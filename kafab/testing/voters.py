"""KRaft controllers in memory: who lives, who leads in which epoch. Part of `kafka.FakeKafka`."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class FakeVoters:
    """The voters of a KRaft quorum, by node id. Tests may change the sets themselves: whoever looks lets them vote first.

    A stopped one refuses connections, a frozen one takes them and is silent, a lagging one votes and answers, but the
    newest records of the metadata log do not reach it.
    """

    ids: tuple[int, ...]
    frozen_with_broker: Callable[[], set[int]]
    """Those whose process is a broker that is frozen."""
    stopped: set[int] = field(default_factory=set)
    frozen: set[int] = field(default_factory=set)
    lagging: set[int] = field(default_factory=set)
    remembered: set[int] = field(default_factory=set)
    """Those that the leader takes for caught up though they stopped or froze: it knows by their silence, seconds later."""
    leader: int | None = None
    last: int | None = None
    """Who led last, also where nobody leads now."""
    epoch: int = 0

    def __post_init__(self) -> None:
        self.vote()

    def stop(self, controller: int) -> None:
        """Take one away; if it led and a majority is left, another one leads in the next epoch."""
        self.stopped.add(controller)
        self.vote()

    def start(self, controller: int) -> None:
        """Let a stopped one take part again."""
        self.stopped.discard(controller)
        self.vote()

    def vote(self) -> int | None:
        """Return who leads by now: of the voters that live another one where the last one does not, nobody without a majority."""
        able = [voter for voter in self.ids if voter not in self.stopped | self.silent]
        if len(able) <= len(self.ids) // 2:
            self.leader = None
        elif self.leader not in able:
            self.leader = self.last = able[0]
            self.epoch += 1
        return self.leader

    @property
    def silent(self) -> set[int]:
        """Those that take connections and answer nothing."""
        return self.frozen | self.frozen_with_broker()
