"""One thread computes, some wait for answers, and nobody keeps the others from either."""

from __future__ import annotations

import threading
import time

import pytest

from bitbucket_port.cli.turns import Turns

SOON = 10.0


def test_while_one_has_a_request_under_way_another_computes() -> None:
    turns = Turns(1)
    computed = threading.Event()

    def compute() -> None:
        with turns.computing:
            computed.set()

    with turns.computing:
        other = threading.Thread(target=compute)
        other.start()
        assert not computed.wait(0.05)
        with turns:
            assert computed.wait(SOON)
        assert turns.computing.locked()
    other.join(SOON)


def test_while_one_sleeps_another_computes() -> None:
    computed = threading.Event()

    def sleep(seconds: float) -> None:
        assert seconds == 60
        assert computed.wait(SOON)

    turns = Turns(1, sleep=sleep)

    def compute() -> None:
        with turns.computing:
            computed.set()

    with turns.computing:
        other = threading.Thread(target=compute)
        other.start()
        turns.sleep(60)
        assert turns.computing.locked()
    other.join(SOON)


def test_a_request_that_fails_gives_its_place_back() -> None:
    turns = Turns(1)
    with turns.computing:
        for _ in range(3):
            with pytest.raises(OSError, match="cut"), turns:
                raise OSError("cut")
            assert turns.computing.locked()


def test_only_so_many_requests_are_under_way() -> None:
    turns = Turns(2)
    under_way: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with turns.computing, turns:
                under_way.append(1)
                most.append(len(under_way))
                time.sleep(0.001)
                under_way.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert len(most) == 30
    assert max(most) <= 2
