"""Inventory in, plan out: each file in tests/cases/plan is one case."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from kafab.command import Result
from kafab.errors import Unreachable, Unsafe
from kafab.hosts.observation import parse
from kafab.inventory import load
from kafab.model import Cluster, Version
from kafab.plans.plan import Plan, diff
from kafab.plans.state import Desired, Observed, desire
from kafab.plans.steps import WriteFile
from kafab.releases.names import Artifact, ReleaseName
from kafab.testing.hosts import FakeHost, State, fresh_answer
from kafab.unknown import Unknown

CASES = sorted((Path(__file__).parents[1] / "cases" / "plan").glob("*.yaml"))
EXAMPLES = sorted((Path(__file__).parents[2] / "inventory" / "examples").glob("*.yaml"))
ARTIFACT = Artifact(
    ReleaseName(Version(3, 9, 2), "2.13"), Path("a.tar"), "ab" * 32, 1_000_000, "added by hand"
)


def wanted(folder: Path, text: str) -> Desired:
    """Load an inventory's text and return what it desires."""
    path = folder / "prod.yaml"
    path.write_text(text)
    cluster, _ = load(path)
    return desire(cluster, cluster.nodes, ARTIFACT)


def observed(asked: Desired, case: dict[str, Any], folder: Path) -> Observed:
    """Return what the hosts of a case say."""

    def answer(host: str) -> Result:
        if "before" not in case:
            return fresh_answer()
        fake = FakeHost(
            wanted(folder, case["before"]),
            state=State.RUNNING if case.get("running", True) else State.STOPPED,
            edits={PurePosixPath(path): text for path, text in case.get("edits", {}).items()},
            identities={PurePosixPath(path): text for path, text in case.get("identities", {}).items()},
        )
        return fake.answer(host, asked)

    cluster: Cluster = asked.cluster
    return {host.name: parse(host, cluster.on(host), answer(host.name)) for host in cluster.hosts}


def planned(path: Path, folder: Path) -> tuple[dict[str, Any], Plan]:
    """Return a case and the plan made of it."""
    case = yaml.safe_load(path.read_text())
    asked = wanted(folder, case["now"])
    return case, diff(asked, observed(asked, case, folder))


def with_key(key: str) -> list[Any]:
    """Return the cases that have this key."""
    return [pytest.param(path, id=path.stem) for path in CASES if key in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("path", with_key("steps"))
def test_steps(path: Path, tmp_path: Path) -> None:
    """The plan's steps are those of the case, in its order."""
    case, plan = planned(path, tmp_path)
    assert [f"{step.subject}: {step}" for step in plan.steps] == case["steps"]


@pytest.mark.parametrize("path", with_key("steps"))
def test_restart_pending(path: Path, tmp_path: Path) -> None:
    """Restart is pending exactly where a running process was started from something else."""
    case, plan = planned(path, tmp_path)
    assert list(plan.restart_pending) == case.get("restart_pending", [])


@pytest.mark.parametrize("path", with_key("diff"))
def test_diff(path: Path, tmp_path: Path) -> None:
    """The change is shown line by line, and what must not be shown is not."""
    case, plan = planned(path, tmp_path)
    shown = "".join(step.diff for step in plan.steps if isinstance(step, WriteFile))
    assert (case["diff"] in shown, case.get("absent", "\0") in shown) == (True, False)


@pytest.mark.parametrize("path", with_key("refused"))
def test_refused(path: Path, tmp_path: Path) -> None:
    """What endangers data is refused with what was found where."""
    with pytest.raises(Unsafe) as caught:
        planned(path, tmp_path)
    assert yaml.safe_load(path.read_text())["refused"] in caught.value.message


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_example_plans(example: Path, tmp_path: Path) -> None:
    """On fresh hosts every node of an example gets its configuration, and those of KRaft mode their storage."""
    cluster, _ = load(example)
    asked = desire(cluster, cluster.nodes, ARTIFACT)
    plan = diff(asked, observed(asked, {}, tmp_path))
    names = {node.name for node in cluster.nodes}
    configured = {step.subject for step in plan.steps if isinstance(step, WriteFile)}
    formatted = {step.subject for step in plan.formats}
    assert (configured, formatted) == (names, names if cluster.kraft else set())


def test_equal_plans_have_equal_digests(tmp_path: Path) -> None:
    """The digest names the plan."""
    first, second = (planned(CASES[0].parent / "first-deploy.yaml", tmp_path)[1] for _ in range(2))
    other = planned(CASES[0].parent / "heap.yaml", tmp_path)[1]
    assert (first.digest == second.digest, first.digest == other.digest) == (True, False)


def test_unknown_host_refuses_the_plan(tmp_path: Path) -> None:
    """A host that did not answer is neither empty nor as deployed: there is no plan, and every such host is named."""
    asked = wanted(
        tmp_path, "kafka: {version: 3.9.2}\nhosts: {n1: {zookeeper: 1, broker: 1}, n2: {broker: 2}}\n"
    )
    with pytest.raises(Unreachable) as caught:
        diff(asked, {"n1": Unknown("timed out"), "n2": Unknown("no route")})
    assert caught.value.reasons == {"n1": "timed out", "n2": "no route"}
