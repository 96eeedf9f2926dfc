"""What stands in the place of a socket under Paramiko."""

from kafab.adapters.sshwire import Watched


class Gone:
    """A gateway's channel whose transport has ended: Paramiko's own close() raises then."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """Fail as `paramiko.Channel.close` does."""
        self.closed = True
        raise EOFError


def test_close_behind_a_lost_gateway_is_quiet() -> None:
    """Paramiko's thread closes what it stood on, and must not end in a traceback on the operator's screen."""
    channel = Gone()
    Watched(channel).close()
    assert channel.closed
