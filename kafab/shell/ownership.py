"""Where a script that runs as root may read and write: what its shell (`rooted.sh`, `as_account.sh` and their kin) keeps.

Invariant: root reads and writes only where root alone can write. In a folder of another account a script works with the
rights of that account and follows no link, and of what it says there only the lines that were asked for are believed.
Under the `process` supervisor everything is one login user's, and nothing of this is asked.
"""

from kafab.command import Cmd


def as_account(user: str | None, script: str) -> str:
    """Return shell that runs this script with an account's rights, by way of `as_account.sh`; None runs it as it is."""
    return f"{Cmd('as_account', user, script).sh} < /dev/null" if user else script
