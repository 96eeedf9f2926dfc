"""Rows about access as code: the plan of 1,000 users, 5,000 ACLs and 1,000 quotas, with their passwords and without."""

import statistics
from pathlib import Path

from scripts.benches.labs import lab
from scripts.benches.measuring import Row

USERS, ACLS, QUOTAS = 1000, 5000, 1000
ITERATIONS = 4096
LOGINS = 10.0
"""Seconds with a login of each user over TLS: 5 ms of CPU each here and 3 ms in the broker, on the same two cores."""


def plan(runs: int) -> list[Row]:
    """Measure `access.plan` of a cluster that is as its file says: all is read and compared, and each user logged in as."""
    with lab(1, "4.3.1", "--secure") as here:
        here.fab("deploy", "start")
        folder = here.cluster.source.parent if here.cluster.source else Path()
        (folder / "password").write_text("the same of all\n")
        (folder / "password").chmod(0o600)
        files = {tried: folder / f"access-{tried}.yaml" for tried in (False, True)}
        for tried, file in files.items():
            file.write_text(_file(passwords=tried))
        try:
            here.fab("access.apply", "--file", str(files[True]))
            found = {
                tried: statistics.median(here.fab("access.plan", "--file", str(file)) for _ in range(runs))
                for tried, file in files.items()
            }
        finally:
            here.fab("stop", "--yes")
    what = f"access.plan, {USERS:,} users, {ACLS:,} ACLs, {QUOTAS:,} quotas"
    return [
        Row(what, found[False], None, "5 s", found[False] <= 5),
        Row(f"{what}, all logins", found[True], None, f"{LOGINS:g} s", found[True] <= LOGINS),
    ]


def _file(*, passwords: bool) -> str:
    """Return the file; an entry each, as an export writes it."""
    password = "password: '${file:password}', " if passwords else ""
    users = (f"  user-{number}: {{{password}iterations: {ITERATIONS}}}" for number in range(USERS))
    acls = (
        f"  - {{principal: User:user-{number % USERS}, topic: topic-{number // 2}, allow: [{('Read', 'Write')[number % 2]}]}}"
        for number in range(ACLS)
    )
    quotas = (f"  - {{user: user-{number}, producer_byte_rate: {1000 + number}}}" for number in range(QUOTAS))
    return "\n".join(["users:", *users, "acls:", *acls, "quotas:", *quotas, ""])
