"""Strategies of users, ACLs, quotas and topics, of few names, so that they meet."""

from hypothesis import strategies as st

from kafab.access.values import (
    MECHANISMS,
    Account,
    Acl,
    Entity,
    Found,
    Have,
    Limit,
    Operator,
    Pattern,
    Permission,
    Recorded,
    Topic,
    Want,
    Wish,
)
from kafab.references import Reference

ROOT = Operator("User:root", is_super=True)
PASSWORD = Reference.parse("${env:PASSWORD}")
USERS = ("ann", "bob", 'a "b", c=d $e')
acls = st.builds(
    Acl,
    st.just("Topic"),
    st.sampled_from(("orders", "ord", "*", "bills")),
    st.sampled_from(Pattern),
    st.sampled_from(("User:ann", "User:bob", "User:*")),
    st.sampled_from(("*", "10.0.0.1")),
    st.sampled_from(("All", "Read", "Write", "Describe")),
    st.sampled_from(Permission),
)
logins = st.builds(Account, st.sampled_from(USERS), st.sampled_from(MECHANISMS))
entities = st.one_of(
    st.dictionaries(
        st.sampled_from(("user", "client-id")), st.sampled_from(("ann", "bob", None)), min_size=1
    ),
    st.dictionaries(st.just("ip"), st.sampled_from(("10.0.0.1", None)), min_size=1),
).map(Entity.of)
limits = entities.flatmap(
    lambda entity: st.builds(
        Limit,
        st.just(entity),
        st.sampled_from(
            ("connection_creation_rate",)
            if entity.kinds == ("ip",)
            else ("producer_byte_rate", "consumer_byte_rate")
        ),
    )
)
properties = st.dictionaries(
    st.sampled_from(("retention.ms", "cleanup.policy")), st.sampled_from(("1", "2", "compact"))
)
names = st.sampled_from(("orders", "bills", "old"))
topics = st.builds(
    Topic,
    names,
    st.sampled_from((None, 1, 3, 6)),
    st.sampled_from((None, 1, 3)),
    properties,
)
wishes = st.builds(Wish, st.just(PASSWORD), st.sampled_from((None, 4096, 8192)))
wants = st.builds(
    Want,
    st.dictionaries(logins, wishes, max_size=4),
    st.frozensets(acls, max_size=8),
    st.dictionaries(limits, st.sampled_from((1.0, 1000.0)), max_size=4),
    st.lists(topics, max_size=3).map(lambda found: {topic.name: topic for topic in found}),
)
founds = st.builds(Found, st.sampled_from((1, 3)), st.sampled_from((1, 3)), properties)
haves = st.builds(
    Have,
    st.dictionaries(logins, st.sampled_from((4096, 8192)), max_size=4),
    st.frozensets(acls, max_size=8),
    st.dictionaries(limits, st.sampled_from((1.0, 1000.0)), max_size=4),
    st.dictionaries(names, founds, max_size=3),
    st.dictionaries(logins, st.booleans(), max_size=4),
)
records = st.builds(
    Recorded,
    st.frozensets(logins, max_size=4),
    st.frozensets(acls, max_size=8),
    st.frozensets(limits, max_size=4),
    st.frozensets(names, max_size=3),
)
