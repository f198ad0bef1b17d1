"""Signals: the first is noted, a second Ctrl-C leaves at once, and the handlers before come back."""

import os
import signal
import threading

import pytest

from alexnet.errors import StoppedError
from alexnet.training.stop import Stop

NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


@pytest.mark.parametrize("name", NAMES)
def test_the_first_signal_is_noted_and_nothing_is_left(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with Stop() as stop:
        os.kill(os.getpid(), number)
        heard = stop.asked
    assert heard == name
    assert signal.getsignal(number) is before


def send(*names: str) -> None:
    for name in names:
        os.kill(os.getpid(), getattr(signal, name))


def test_a_second_ctrl_c_leaves_at_once_whatever_came_first() -> None:
    with Stop():
        send("SIGTERM", "SIGTERM")  # a scheduler that repeats itself is no reason
        with pytest.raises(KeyboardInterrupt):
            send("SIGINT")


def test_where_nothing_is_left_to_save_the_first_one_leaves() -> None:
    with Stop() as stop:
        stop.instead = " after training"
        with pytest.raises(StoppedError, match="stopped by SIGTERM after training") as caught:
            send("SIGTERM")
    assert caught.value.exit_code == 75


def test_a_signal_that_the_loop_has_not_seen_any_more_leaves_before_what_cannot_be_saved() -> None:
    with Stop() as stop:
        send("SIGTERM")
        with pytest.raises(StoppedError, match="stopped by SIGTERM after training"):
            stop.instead = " after training"


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop() as stop:
            send("SIGHUP")
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert stop.asked is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_that_is_not_the_main_one_trains_without_listening() -> None:
    seen: list[str | None] = []

    def work() -> None:
        with Stop() as stop:
            seen.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
