"""Ctrl-C that waits for a safe point."""

import os
import signal
import threading

import pytest

from kafab.interruption import deferred


def ctrl_c() -> None:
    """Let Ctrl-C come now."""
    os.kill(os.getpid(), signal.SIGINT)


def test_first_one_waits_for_the_safe_point() -> None:
    """It is told at once, and ends nothing before what was begun is whole."""
    told: list[str] = []
    with deferred(lambda: told.append("waits")) as found:
        ctrl_c()
        told.append("the work goes on")
        with pytest.raises(KeyboardInterrupt):
            found.safe_point()
    assert told == ["waits", "the work goes on"]


def test_second_one_is_at_once() -> None:
    """Whoever asks twice does not want to wait."""
    with deferred(lambda: None):
        ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()


def test_safe_point_is_passed_where_nobody_asked() -> None:
    """And what Ctrl-C did before, it does again afterwards."""
    before = signal.getsignal(signal.SIGINT)
    with deferred(lambda: None) as found:
        found.safe_point()
    assert signal.getsignal(signal.SIGINT) is before


def test_another_threads_ctrl_c_is_left_alone() -> None:
    """Only the main thread may change what a signal does."""
    found: list[bool] = []

    def work() -> None:
        with deferred(lambda: None) as held:
            found.append(held.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
