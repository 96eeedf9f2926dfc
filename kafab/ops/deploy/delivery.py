"""Brings a release to its hosts: once a site from here, the rest from neighbour to neighbour, else from here after all."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

from kafab.command import Outcome, Secret
from kafab.events import Emit, Event, Note, Transfer
from kafab.model import Cluster
from kafab.ops.deploy.distribution import (
    NOT_PULLED,
    STALE_PART,
    Route,
    Seed,
    pull,
    routes,
    seed_at,
    serve,
    stock,
    unpack,
    upload,
    waves,
)
from kafab.plans.steps import InstallRelease, with_offset_zero
from kafab.ports import Fleet, Upload
from kafab.unknown import Unknown
from kafab.words import plural

NAMED = 4
"""So many hosts are named; more are counted."""

_Way: TypeAlias = Callable[[InstallRelease], Upload]
_Refused: TypeAlias = list[tuple[InstallRelease, str]]
"""Hosts that have to be served from here, and why."""


def deliver(
    steps: Sequence[InstallRelease], cluster: Cluster, fleet: Fleet, emit: Emit
) -> dict[str, Outcome]:
    """Install a release on each step's host; return the outcome of each. If a seed fails, the next host of its site replaces it.

    Notes name each host that is done, which hosts were served from here instead and why, and the bytes that left this machine.
    """
    delivery = _Delivery(cluster, fleet, emit)
    outcomes: dict[str, Outcome] = {}
    left: Sequence[InstallRelease] = steps
    while left:
        outcomes |= delivery.round(routes(left, cluster))
        left = [step for step in left if step.host not in outcomes]
    if delivery.sent:
        emit(
            Note(cluster.name, f"{delivery.sent / 1e6:.0f} MB left this machine for {_hosts(steps, named=0)}")
        )
    return outcomes


class _Delivery:
    def __init__(self, cluster: Cluster, fleet: Fleet, emit: Emit) -> None:
        self.sent = 0
        """Bytes that have left this machine."""
        self._cluster = cluster
        self._fleet = fleet
        self._emit = emit

    @cached_property
    def _keys(self) -> "_Keys":
        return _one_time_keys()

    def round(self, ways: Sequence[Route]) -> dict[str, Outcome]:
        """Serve all sites side by side. Hosts whose seed failed are missing from the answer: call again for them."""
        with ExitStack() as held:
            seeds: list[tuple[Route, Seed]] = []
            uploads: dict[InstallRelease, _Way] = {}
            for way in ways:
                seed = self._seed(way.seed, held) if way.others else None
                if isinstance(seed, Seed):
                    seeds.append((way, seed))
                    uploads[way.seed] = partial(stock, seed=seed)
                else:
                    uploads |= dict.fromkeys((way.seed, *way.others), upload)
                    self._tell_refused(
                        [(step, f"{way.seed.host} cannot hand it on: {seed}") for step in way.others]
                    )
            outcomes = self._send(uploads)
            stocked = [(way, seed) for way, seed in seeds if _code(outcomes[seed.host]) == 0]
            pulled, refused = self._hand_on(stocked)
        # The key and the line are gone before the laptop's own, slow way begins.
        self._tell_refused(refused)
        return outcomes | pulled | self._send(dict.fromkeys((step for step, _ in refused), upload))

    def _seed(self, step: InstallRelease, held: ExitStack) -> Seed | str:
        served = held.enter_context(self._fleet.hold(step.host, serve(step, self._keys.public)))
        return seed_at(step, self._cluster, served, self._fleet.host_key(step.host))

    def _send(self, ways: Mapping[InstallRelease, _Way]) -> dict[str, Outcome]:
        """Upload side by side, and again from the start where a host has not what it was thought to have."""
        outcomes = self._sent({step.host: way(step) for step, way in ways.items()})
        again = {
            step.host: way(with_offset_zero(step))
            for step, way in ways.items()
            if _code(outcomes[step.host]) == STALE_PART
        }
        outcomes |= self._sent(again)
        for step, way in ways.items():
            if way is upload and _code(outcomes[step.host]) == 0:
                self._emit(Note(step.host, f"{step.artifact.what} {step.artifact.folder} installed"))
        return outcomes

    def _sent(self, uploads: Mapping[str, Upload]) -> dict[str, Outcome]:
        reached = {host: each.offset for host, each in uploads.items()}

        def counted(event: Event) -> None:
            if isinstance(event, Transfer):
                reached[event.subject] = event.done
            self._emit(event)

        outcomes = self._fleet.send(uploads, counted) if uploads else {}
        self.sent += sum(reached[host] - each.offset for host, each in uploads.items())
        return outcomes

    def _hand_on(self, seeds: Sequence[tuple[Route, Seed]]) -> tuple[dict[str, Outcome], _Refused]:
        """Let each seed unpack its own while its neighbours pull, wave by wave; return outcomes, and who got nothing."""
        scripts = {seed.host: unpack(way.seed, seed) for way, seed in seeds}
        to_come = {seed: list(waves(way.others)) for way, seed in seeds}
        folders = {
            step.host: f"{step.artifact.what} {step.artifact.folder}"
            for way, _ in seeds
            for step in (way.seed, *way.others)
        }
        givers: dict[str, str] = {}
        outcomes: dict[str, Outcome] = {}
        refused: _Refused = []

        def told(host: str, outcome: Outcome) -> None:
            if _code(outcome) == 0:
                giver = f", from {givers[host]}" if host in givers else ""
                self._emit(Note(host, f"{folders[host]} installed{giver}"))

        while scripts or any(to_come.values()):
            pulling = {seed: left.pop(0) for seed, left in to_come.items() if left}
            for seed, wave in pulling.items():
                givers |= {step.host: seed.host for step in wave}
                scripts |= {step.host: pull(step, seed, self._keys.private) for step in wave}
            got = self._fleet.run(scripts, each=told)
            scripts = {}
            for seed, wave in pulling.items():
                without = [
                    (step, _why(seed, got.pop(step.host)))
                    for step in wave
                    if _code(got[step.host]) == NOT_PULLED
                ]
                refused += without
                if len(without) == len(wave):
                    # One reason for all of them is the seed's: the rest need not try.
                    refused += [(step, without[0][1]) for later in to_come[seed] for step in later]
                    to_come[seed] = []
            outcomes |= got
        return outcomes, refused

    def _tell_refused(self, refused: _Refused) -> None:
        for reason in dict.fromkeys(reason for _, reason in refused):
            steps = [step for step, why in refused if why == reason]
            self._emit(Note(self._cluster.name, f"{_hosts(steps)} served from here: {reason}"))


@dataclass(frozen=True)
class _Keys:
    """A key pair for one deploy: the private half in OpenSSH's format, the public one as a line."""

    private: Secret
    public: str


def _one_time_keys() -> _Keys:
    # Importing it costs time that only a deploy from host to host has to spend.
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return _Keys(Secret(private.decode()), public.decode())


def _code(outcome: Outcome) -> int | None:
    return None if isinstance(outcome, Unknown) else outcome.code


def _why(seed: Seed, outcome: Outcome) -> str:
    said = "" if isinstance(outcome, Unknown) else outcome.err.strip()
    return f"no release from {seed.host} ({seed.user}@{seed.address} port {seed.port}): {said}"


def _hosts(steps: Sequence[InstallRelease], named: int = NAMED) -> str:
    if len(steps) <= named:
        return ", ".join(step.host for step in steps)
    return plural(len(steps), "host")
