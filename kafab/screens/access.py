"""Users, ACLs, quotas and topics as code: what differs, as lines and as a document."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from kafab.access.planning import AccessPlan
from kafab.access.steps import Step
from kafab.access.values import Have
from kafab.model import Cluster
from kafab.words import few, plural, shown

_STYLES = {"+": "green", "~": "yellow", "-": "red"}
_ACTIONS = {"+": "add", "~": "change", "-": "remove"}
NO_SASL_IS_NO_FAULT = "no listener of the brokers has SASL"


def text(cluster: Cluster, plan: AccessPlan, file: Path) -> str:
    """Return a line a step, then what is left as it is, and why."""
    return "\n".join(_lines(cluster, plan, file))


def _lines(cluster: Cluster, plan: AccessPlan, file: Path) -> Iterator[str]:
    yield from _steps(plan.steps)
    counts = plan.counts
    if plan.steps:
        told = f"{counts['add']} to add, {counts['change']} to change, {counts['remove']} to remove"
        yield f"{cluster.name}: {told}"
    if plan.kept:
        yield f"{plural(len(plan.kept), 'thing')} not in {file.name}, left as they are without --prune:"
        yield from _steps(plan.kept)
    if plan.refused:
        yield f"{plural(len(plan.refused), 'difference')} that access.apply does not settle:"
        for each in plan.refused:
            yield f"  ! {shown(str(each))}"
            yield f"      {shown(each.instead)}"
    if not plan.differs:
        yield f"{cluster.name}: as {file.name} says, nothing to do"


def _steps(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        yield f"  {step.sign} {shown(str(step))}"


def warnings(plan: AccessPlan) -> Iterator[str]:
    """Yield what an operator should know beside the plan."""
    if plan.unchecked:
        names = few(str(login) for login in plan.unchecked)
        yield (
            f"the passwords of {plural(len(plan.unchecked), 'credential')} were not tried ({names}): "
            f"{plan.unchecked_because}; --set-passwords sets them"
        )
    if plan.strange:
        yield (
            f"{plural(plan.strange, 'user, ACL, quota or topic', 'users, ACLs, quotas and topics')} that the file does not name "
            "and no apply has set: left alone; `fab access.export` shows them"
        )


def document(
    cluster: Cluster, plan: AccessPlan, file: Path, *, schema: str, **more: object
) -> dict[str, object]:
    """Return the plan as a document of that schema."""
    return {
        "schema": schema,
        "cluster": cluster.name,
        "file": str(file),
        **more,
        "steps": [_step(step) for step in plan.steps],
        "kept": [_step(step) for step in plan.kept],
        "refused": [{"what": each.what, "why": each.why, "instead": each.instead} for each in plan.refused],
        "unchecked_passwords": [
            {"user": login.user, "mechanism": login.mechanism} for login in plan.unchecked
        ],
        "unchecked_because": plan.unchecked_because or None,
        "strange": plan.strange,
    }


def _step(step: Step) -> dict[str, object]:
    kind, _, what = str(step).partition(" ")
    return {"action": _ACTIONS[step.sign], "kind": kind, "what": what}


def exported(cluster: Cluster, have: Have, yaml: str) -> dict[str, object]:
    """Return an export as ``kafab.access-export/1``."""
    return {
        "schema": "kafab.access-export/1",
        "cluster": cluster.name,
        "users": len(have.users),
        "acls": None if have.acls is None else len(have.acls),
        "quotas": len(have.quotas),
        "yaml": yaml,
    }
