"""What the admin adapter decides by itself, without a broker."""

from datetime import timedelta

import pytest

from kafab.adapters import clients
from kafab.adapters.admin import ClientsAdmin
from kafab.command import Unknown
from kafab.metadata import Metadata
from kafab.model import Endpoint

LISTED = [Endpoint("10.0.0.1", 9092), Endpoint("10.0.0.2", 9092), Endpoint("10.0.0.3", 9092)]
LIMIT = timedelta(seconds=1)


def test_reader_starts_at_the_brokers_that_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen broker of the list takes no part: it would accept the reader's connection and hold it up."""
    admin = ClientsAdmin(LISTED)
    asked: list[str] = []

    def read(bootstrap: str, *_rest: object, **_limits: object) -> dict[int, tuple[bytes, ...]]:
        asked.append(bootstrap)
        return {}

    seen = Metadata("id", 2, {2: LISTED[1], 3: LISTED[2]})
    monkeypatch.setattr(admin, "metadata", lambda: seen)
    monkeypatch.setattr(clients, "read", read)
    admin.consume("orders", {0: 1}, timeout=LIMIT)
    assert asked == ["10.0.0.2:9092,10.0.0.3:9092"]


def test_nothing_is_read_where_no_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nobody answers is Unknown, and not an empty topic."""
    admin = ClientsAdmin(LISTED)
    monkeypatch.setattr(admin, "metadata", lambda: Unknown("nobody answers"))
    assert admin.consume("orders", {0: 1}, timeout=LIMIT) == Unknown("nobody answers")
