"""The laws of a plan of access: it ends, it takes nothing that is not its own, and nobody loses or gains access on the way."""

from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kafab.access.authorizing import allowed
from kafab.access.planning import AccessPlan, after, plan
from kafab.access.steps import (
    AddAcl,
    DeleteTopic,
    RemoveAcl,
    RemoveLimit,
    RemoveLogin,
    ResetProperty,
)
from kafab.access.values import Acl, Have, Recorded, Want
from tests.access_values import ROOT, haves, names, records, wants

QUESTIONS = list(
    product(
        ("User:ann", "User:bob", "User:eve"),
        ("orders", "bills", "old"),
        ("Read", "Write", "Describe"),
        ("10.0.0.1", "10.0.0.2"),
    )
)


def planned(want: Want, have: Have, recorded: Recorded) -> AccessPlan:
    """Return the plan that removes all it may."""
    return plan(want, have, recorded, ROOT, prune=True, typed=("orders", "bills", "old"))


def access(acls: frozenset[Acl]) -> set[tuple[str, str, str, str]]:
    """Return what these ACLs allow, of a few questions."""
    return {
        (who, topic, operation, host)
        for who, topic, operation, host in QUESTIONS
        if allowed(acls, who, ("Topic", topic), operation, host=host)
    }


@settings(max_examples=15)
@given(wants, haves, records)
def test_plan_of_what_was_applied_is_empty(want: Want, have: Have, recorded: Recorded) -> None:
    """Once all steps are done, the same file has no step left, and the same refusals but for those of topics."""
    first = planned(want, have, recorded)
    again = planned(want, after(have, first.steps), recorded | Recorded.of(want))
    assert (again.steps, again.kept) == ((), ())


@settings(max_examples=15)
@given(wants, haves, records)
def test_interrupted_apply_goes_on_with_the_rest(want: Want, have: Have, recorded: Recorded) -> None:
    """From any point of an apply the plan is the steps that are left."""
    whole = planned(want, have, recorded)
    half = len(whole.steps) // 2
    rest = planned(want, after(have, whole.steps[:half]), recorded | Recorded.of(want))
    assert rest.steps == whole.steps[half:]


@settings(max_examples=15)
@given(wants, haves, records)
def test_only_what_is_named_or_recorded_is_removed(want: Want, have: Have, recorded: Recorded) -> None:
    """A removal is of what a former apply has set, or of a user, an entity or a topic that the file names."""
    users = {login.user for login in want.users}
    entities = {limit.entity for limit in want.quotas}
    for step in planned(want, have, recorded).steps:
        if isinstance(step, RemoveAcl):
            assert step.acl in recorded.acls
        elif isinstance(step, RemoveLogin):
            assert step.login in recorded.users or step.login.user in users
        elif isinstance(step, RemoveLimit):
            assert step.limit in recorded.quotas or step.limit.entity in entities
        elif isinstance(step, DeleteTopic):
            assert step.name in recorded.topics
        elif isinstance(step, ResetProperty):
            assert step.name in want.topics


@settings(max_examples=15)
@given(wants, haves, records, st.frozensets(names))
def test_without_prune_nothing_is_removed(
    want: Want, have: Have, recorded: Recorded, typed: frozenset[str]
) -> None:
    """Without it every removal is kept and counted; with it a topic whose name is not typed is refused."""
    careful = plan(want, have, recorded, ROOT)
    assert [step for step in careful.steps if step.sign == "-"] == []
    pruned = plan(want, have, recorded, ROOT, prune=True, typed=typed)
    removed = [step for step in pruned.steps if step.sign == "-"]
    assert {step.name for step in removed if isinstance(step, DeleteTopic)} <= typed
    refused = len(pruned.refused) - len(careful.refused)
    assert len(removed) + refused == len(careful.kept)


@settings(max_examples=15)
@given(wants, haves, records)
def test_nobody_loses_or_gains_access_on_the_way(want: Want, have: Have, recorded: Recorded) -> None:
    """After each step: who may before and after may, and who may neither before nor after may not."""
    steps = [step for step in planned(want, have, recorded).steps if isinstance(step, (AddAcl, RemoveAcl))]
    assume(steps)
    acls = set(have.acls or ())
    states = [access(frozenset(acls))]
    for step in steps:
        acls = acls | {step.acl} if isinstance(step, AddAcl) else acls - {step.acl}
        states.append(access(frozenset(acls)))
    lower, upper = states[0] & states[-1], states[0] | states[-1]
    assert all(lower <= state <= upper for state in states)


@settings(max_examples=15)
@given(wants, haves, records)
def test_order_of_the_stages(want: Want, have: Have, recorded: Recorded) -> None:
    """Topics, users, ACLs that are added, quotas, ACLs that are removed, users that are removed."""
    stages = [step.stage for step in planned(want, have, recorded).steps]
    assert stages == sorted(stages)
