"""Functions that raise, hang, die or do not even start: what is told, what is logged, what comes next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from local import functions
from local.functions import FunctionError, TimedOutError
from tests.local_stack.function_desk import Desk, Running, eventually

MOODS = """
    import os, pathlib, signal, sys, time
    def handler(event, context):
        if event == "raise":
            raise ValueError("the-secret-in-an-error")
        if event == "exit":
            sys.exit(3)
        if event == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "hang":
            pathlib.Path(__file__).with_name("hangs").touch()
            while True:
                time.sleep(1)
        if event == "child":
            child = os.fork()
            if child == 0:
                while True:
                    time.sleep(1)
            pathlib.Path(__file__).with_name("hangs").write_text(str(child))
            while True:
                time.sleep(1)
        return os.getpid()
"""


@pytest.fixture
def hangs(tmp_path: Path) -> Path:
    return tmp_path / "Tried" / "hangs"


def test_what_a_handler_raises_is_told_by_type_and_logged_with_its_trace(desk: Desk) -> None:
    function = desk.function(MOODS)
    pid = function.invoke(None)
    with pytest.raises(FunctionError) as caught:
        function.invoke("raise")
    assert str(caught.value) == "the handler raised ValueError"
    assert "[ERROR] ValueError: the-secret-in-an-error" in desk.log()
    assert "app.py" in desk.log()
    assert "Status: error" in desk.log()
    assert function.invoke(None) == pid, "the environment lives on"


def test_beyond_its_time_the_environment_is_killed_and_the_next_invocation_starts_cold(desk: Desk, hangs: Path) -> None:
    function = desk.function(MOODS, timeout=30)
    running = Running(function, "hang")
    eventually(hangs.exists)
    (environment,) = function.environments()
    desk.clock.advance(29)
    assert psutil.pid_exists(environment.pid)
    desk.clock.advance(2)
    error = running.finished().error
    assert isinstance(error, TimedOutError)
    assert str(error) == "the function was stopped after 30 s"
    assert not psutil.pid_exists(environment.pid)
    assert desk.ended == [environment]
    assert "Task timed out after 30.00 seconds" in desk.log()
    assert "Status: timeout" in desk.log()
    assert function.invoke(None) != environment.pid
    assert function.cold_starts == 2


def test_time_that_passes_faster_runs_out_faster(desk: Desk) -> None:
    desk.clock.run_at(1000)
    with pytest.raises(TimedOutError, match="after 300 s"):
        desk.function(MOODS, timeout=300).invoke("hang")


def test_what_the_handler_started_dies_with_it(desk: Desk, hangs: Path) -> None:
    running = Running(desk.function(MOODS), "child")
    child = int(eventually(lambda: hangs.exists() and hangs.read_text()))
    desk.clock.advance(60)
    assert isinstance(running.finished().error, TimedOutError)
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(("mood", "reason"), [("exit", "exit status 3"), ("killed", "signal: killed")])
def test_a_process_that_dies_is_an_error_at_once_and_the_next_starts_cold(desk: Desk, mood: str, reason: str) -> None:
    function = desk.function(MOODS, timeout=900)
    with pytest.raises(FunctionError, match=f"Runtime exited with error: {reason}"):
        function.invoke(mood)
    assert f"Error: Runtime exited with error: {reason}" in desk.log()
    assert function.invoke(None) == desk.started[1].pid


def test_one_that_is_killed_from_outside_is_an_error_at_once(desk: Desk, hangs: Path) -> None:
    function = desk.function(MOODS, timeout=900)
    running = Running(function, "hang")
    eventually(hangs.exists)
    os.kill(function.environments()[0].pid, signal.SIGKILL)
    assert "signal: killed" in str(running.finished().error)
    assert function.environments() == []


def test_one_that_is_killed_while_it_has_nothing_to_do_is_missed_by_nobody(desk: Desk) -> None:
    function = desk.function(MOODS)
    first = function.invoke(None)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: desk.ended)
    assert function.invoke(None) != first


# --- not starting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told", "logged"),
    [
        ("import not_in_any_layer", "Runtime.ImportModuleError", "No module named 'not_in_any_layer'"),
        ("raise RuntimeError('a setting is missing')", "RuntimeError", "a setting is missing"),
        ("def handler(event, context: pass", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("def other(event, context): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("import sys; sys.exit(7)", "exit status 7", ""),
    ],
)
def test_code_that_cannot_start_is_an_error_and_its_reason_is_in_the_log(
    desk: Desk, code: str, told: str, logged: str
) -> None:
    function = desk.function(code)
    with pytest.raises(FunctionError, match=f"did not start: .*{told}"):
        function.invoke(None)
    assert logged in desk.log()
    assert function.environments() == []
    assert desk.concurrency.running == 0


def test_what_does_not_get_ready_in_time_is_killed_tried_once_more_and_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "INIT_SECONDS", 0.3)
    desk.clock.run_at(1000)
    function = desk.function("import threading\nthreading.Event().wait()", timeout=1)
    with pytest.raises(FunctionError, match="was not ready"):
        function.invoke(None)
    assert desk.log().count("Phase: init\tStatus: timeout") == 2
    assert len(desk.ended) == 2


# --- the end of the machine ------------------------------------------------------------------------------------------

MACHINE = """
import sys, threading, time
from pathlib import Path
from tests.local_stack.function_desk import Desk, Running, eventually

folder = Path(sys.argv[1])
desk = Desk(folder)
idle = desk.function("import os\\ndef handler(event, context): return os.getpid()", "Idle")
busy = desk.function(
    "import os, pathlib, threading\\n"
    "def handler(event, context):\\n"
    "    pathlib.Path(event).touch()\\n"
    "    threading.Event().wait()",
    "Busy",
)
idle.invoke(None)
Running(busy, str(folder / "mark"))
eventually((folder / "mark").exists)
print(*(one.pid for one in [*idle.environments(), *busy.environments()]), flush=True)
threading.Event().wait()
"""


def test_when_the_machine_is_killed_all_its_functions_go(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(MACHINE), str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as machine:
        assert machine.stdout is not None
        pids = [int(pid) for pid in machine.stdout.readline().split()]
        assert len(pids) == 2
        assert all(psutil.pid_exists(pid) for pid in pids)
        machine.kill()
    eventually(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    # Nobody may be there to take note of an orphan's end, which then stays on the list as a zombie.
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
