"""One clock for all processes: it runs at a scale, and is put forward for everybody at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from local.clock import Clock


def test_it_tells_the_time_of_day(tmp_path: Path) -> None:
    assert abs(Clock(tmp_path / "clock").now() - time.time()) < 60


def test_putting_it_forward_is_seen_by_whoever_shares_it(tmp_path: Path) -> None:
    first, second = Clock(tmp_path / "clock"), Clock(tmp_path / "clock")
    first.advance(43_200)
    assert second.now() - time.time() > 43_000
    assert second.now() >= first.now() - 1


def test_it_runs_at_its_scale_in_every_process_and_goes_on_from_where_it_was(tmp_path: Path) -> None:
    first, second = Clock(tmp_path / "clock", scale=50), Clock(tmp_path / "clock")
    assert second.scale == 50
    assert first.real(100) == 2
    before = second.now()
    first.run_at(1)
    assert second.scale == 1
    assert before <= second.now()


def test_it_never_goes_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        Clock(tmp_path / "clock").advance(-1)


def test_a_sleeper_wakes_when_it_is_put_forward(tmp_path: Path) -> None:
    clock, woke = Clock(tmp_path / "clock"), threading.Event()

    def sleep() -> None:
        clock.sleep(3600)
        woke.set()

    threading.Thread(target=sleep, daemon=True).start()
    assert not woke.wait(0.1)
    clock.advance(3600)
    assert woke.wait(10)


def test_a_process_under_its_rule_lives_in_simulated_time(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    clock.advance(86_400)
    code = (
        "import sys; from pathlib import Path; from local.clock import Clock, rule_this_process;"
        "rule_this_process(Clock(Path(sys.argv[1]))); import time; print(time.time(), time.monotonic()); time.sleep(0)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, str(clock.path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert all(float(told) - time.time() > 86_000 for told in output)


def test_it_tells_which_processes_sleep_until_when_and_forgets_those_that_woke_or_died(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    code = (
        "import sys; from pathlib import Path; from local.clock import Clock;"
        "Clock(Path(sys.argv[1])).sleep(3600); print('awake', flush=True); input()"
    )
    began = clock.now()
    command = [sys.executable, "-c", code, str(clock.path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = processes
    try:
        while set(clock.sleepers()) != {first.pid, second.pid}:
            time.sleep(0.01)
        assert all(began + 3600 <= wakes <= clock.now() + 3600 for wakes in clock.sleepers().values())
        second.kill()
        clock.advance(3600)
        assert first.stdout is not None
        assert first.stdout.readline() == "awake\n"
        assert clock.sleepers() == {}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
