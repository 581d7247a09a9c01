"""Functions run as in Lambda: what they are given, what they can see, how they start, overlap and are held back."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest

from local.functions import ExecutionEnvironment, FunctionError, RequestTooLargeError, ThrottledError
from tests.local_stack.function_desk import Desk, Running, eventually

ECHO = """
    import os
    def handler(event, context):
        return event if event != "pid" else os.getpid()
"""
WAIT = """
    import pathlib, time
    def handler(event, context):
        pathlib.Path(event).touch()
        while pathlib.Path(event).exists():
            time.sleep(0.01)
"""


@pytest.mark.parametrize("event", [{"a": ["ä", 1.5, None, True]}, None, "text", [], 2**53, {"größe": "\ud7ff\u2028"}])
def test_an_event_goes_in_and_the_result_comes_out(desk: Desk, event: object) -> None:
    assert desk.function(ECHO).invoke(event) == event


# --- what the code is given ------------------------------------------------------------------------------------------


def test_the_environment_is_the_functions_own_and_lambdas_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_WHOEVER_STARTED_US", "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    function = desk.function("import os\ndef handler(event, context): return dict(os.environ)", MINE="x", EMPTY="")
    given = function.invoke(None)
    (environment,) = desk.started
    assert {name for name in given if not name.startswith(("AWS_", "LAMBDA_"))} - {"LC_CTYPE"} == {
        *("MINE", "EMPTY", "_HANDLER", "_X_AMZN_TRACE_ID", "LANG", "PATH", "PYTHONPATH", "TZ")
    }  # LC_CTYPE: Python's own, where there is no such language.
    assert (given["MINE"], given["EMPTY"], given["_HANDLER"], given["TZ"]) == ("x", "", "app.handler", ":UTC")
    assert given["AWS_ACCESS_KEY_ID"] == environment.key
    assert given["AWS_LAMBDA_FUNCTION_NAME"] == "Tried"
    assert given["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert given["AWS_REGION"] == given["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert Path(given["LAMBDA_TASK_ROOT"]).name == "Tried"


def test_a_variable_that_was_changed_counts_from_the_next_cold_start(desk: Desk) -> None:
    function = desk.function("import os\ndef handler(event, context): return os.environ['COLOUR']", COLOUR="red")
    assert function.invoke(None) == "red"
    function.environment["COLOUR"] = "blue"
    assert function.invoke(None) == "red"
    function.cool()
    assert function.invoke(None) == "blue"


def test_only_its_folder_its_layers_and_the_runtime_can_be_imported(desk: Desk, tmp_path: Path) -> None:
    for layer, text in (("one", "first"), ("two", "second")):
        (tmp_path / layer / "python").mkdir(parents=True)
        (tmp_path / layer / "python" / "shared.py").write_text(f"WHO = '{text}'\n")
    function = desk.function(
        """
        import importlib.util, sys
        import shared
        def handler(event, context):
            return [sys.path, shared.WHO, [name for name in event if importlib.util.find_spec(name)]]
        """,
        layers=[tmp_path / "one", tmp_path / "two"],
    )
    names = ["app", "shared", "awslambdaric", "json", "pytest", "yaml", "boto3", "local", "bitbucket_port", "bootstrap"]
    path, shared, found = function.invoke(names)
    assert found == ["app", "shared", "awslambdaric", "json"]
    assert shared == "second", "a later layer covers an earlier one"
    assert path[0] == str(tmp_path / "Tried")
    assert not {sysconfig.get_path("purelib"), str(Path(__file__).parents[2])} & set(path)


def test_the_handler_knows_its_request_its_function_and_the_time_it_has_left(desk: Desk) -> None:
    function = desk.function(
        """
        def handler(event, context):
            return {
                "id": context.aws_request_id, "left": context.get_remaining_time_in_millis(),
                "name": context.function_name, "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb, "version": context.function_version,
            }
        """,
        timeout=300,
    )
    first, second = function.invoke(None), function.invoke(None)
    assert first["id"] != second["id"]
    assert 200_000 < first["left"] <= 300_000
    assert (first["name"], first["memory"], first["version"]) == ("Tried", "256", "$LATEST")
    assert first["arn"] == "arn:aws:lambda:eu-west-1:123456789012:function:Tried"


def test_the_code_lives_in_simulated_time(desk: Desk) -> None:
    function = desk.function(
        """
        import logging, time
        from time import monotonic, sleep, time as now
        def handler(event, context):
            began = monotonic()
            sleep(3600)
            record = logging.makeLogRecord({})
            return [now(), monotonic() - began, time.time_ns() / 1e9]
        """,
        timeout=30_000,
    )
    desk.clock.advance(43_200)
    before = desk.clock.now()
    function.warm()
    running = Running(function)
    eventually(desk.clock.sleepers)
    desk.clock.advance(3600)
    now, slept, nanoseconds = running.finished().result
    assert now >= before + 3600
    assert slept >= 3600
    assert now <= nanoseconds <= desk.clock.now()


# --- beginning and end -----------------------------------------------------------------------------------------------


def test_whoever_wants_to_know_is_told_before_the_code_runs_and_when_it_is_gone(desk: Desk, tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []
    ran = tmp_path / "ran"

    def on_start(environment: ExecutionEnvironment) -> None:
        seen.append((environment.key, ran.exists() or not psutil.pid_exists(environment.pid)))

    def on_end(environment: ExecutionEnvironment) -> None:
        seen.append((environment.key, psutil.pid_exists(environment.pid)))

    code = f"open({str(ran)!r}, 'w').close()\ndef handler(event, context): pass"
    function = desk.function(code, on_start=on_start, on_end=on_end)
    function.warm()
    (environment,) = function.environments()
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", environment.key)
    assert environment.function == "Tried"
    assert ran.exists()
    function.stop()
    assert seen == [(environment.key, False), (environment.key, False)]
    assert function.environments() == []


def test_when_nobody_can_be_told_nothing_is_left_behind(desk: Desk) -> None:
    told: list[int] = []

    def refuse(environment: ExecutionEnvironment) -> None:
        told.append(environment.pid)
        raise RuntimeError("not now")

    with pytest.raises(RuntimeError, match="not now"):
        desk.function(ECHO, on_start=refuse).invoke(None)
    assert not psutil.pid_exists(told[0])
    assert desk.concurrency.running == 0


def test_an_environment_is_used_again_until_it_cools_down(desk: Desk) -> None:
    function = desk.function(ECHO)
    first = function.invoke("pid")
    assert function.invoke("pid") == first
    function.cool()
    assert function.invoke("pid") != first
    assert (function.invocations, function.cold_starts) == (3, 2)
    assert [one.pid for one in desk.ended] == [first]


def test_a_warm_function_is_ready_before_its_first_invocation(desk: Desk) -> None:
    function = desk.function(ECHO)
    function.warm()
    assert function.invoke("pid") == desk.started[0].pid
    assert function.cold_starts == 1


def test_an_interrupt_of_whoever_started_it_does_not_reach_it(desk: Desk) -> None:
    pid = desk.function(ECHO).invoke("pid")
    assert os.getpgid(pid) == pid != os.getpgrp()


def test_stopping_ends_what_is_running_at_once(desk: Desk, tmp_path: Path) -> None:
    function = desk.function(WAIT)
    running = Running(function, str(tmp_path / "running"))
    eventually((tmp_path / "running").exists)
    (environment,) = function.environments()
    function.stop()
    assert isinstance(running.finished().error, FunctionError)
    assert not psutil.pid_exists(environment.pid)
    with pytest.raises(FunctionError, match="is stopped"):
        function.invoke(None)


# --- side by side ----------------------------------------------------------------------------------------------------


def test_invocations_at_the_same_time_have_an_environment_each(desk: Desk, tmp_path: Path) -> None:
    function = desk.function(WAIT)
    marks = [tmp_path / f"mark-{number}" for number in range(4)]
    running = [Running(function, str(mark)) for mark in marks]
    eventually(lambda: all(mark.exists() for mark in marks))
    assert len({one.pid for one in function.environments()}) == 4
    assert desk.concurrency.running == 4
    for mark in marks:
        mark.unlink()
    assert [one.finished().error for one in running] == [None] * 4
    assert desk.concurrency.running == 0


def test_beyond_what_it_reserved_a_function_is_throttled_at_once_and_others_are_not(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    narrow, other = desk.function(WAIT, "Narrow", reserved=1), desk.function(ECHO, "Other")
    running = Running(narrow, str(mark))
    eventually(mark.exists)
    with pytest.raises(ThrottledError):
        narrow.invoke(str(mark))
    assert other.invoke(1) == 1
    mark.unlink()
    assert running.finished().error is None
    assert narrow.invocations == 1


def test_a_function_that_reserved_nothing_at_all_never_runs(desk: Desk) -> None:
    with pytest.raises(ThrottledError):
        desk.function(ECHO, reserved=0).invoke(None)
    assert desk.started == []


def test_what_the_account_may_run_at_once_is_shared_by_its_functions(desk: Desk, tmp_path: Path) -> None:
    desk.concurrency.limit = 1
    one, other = desk.function(WAIT, "One"), desk.function(ECHO, "Other")
    mark = tmp_path / "mark"
    running = Running(one, str(mark))
    eventually(mark.exists)
    with pytest.raises(ThrottledError):
        other.invoke(None)
    mark.unlink()
    running.finished()
    assert other.invoke(1) == 1


def test_nobody_reserves_more_than_there_is(desk: Desk) -> None:
    desk.concurrency.limit = 10
    desk.function(ECHO, "One", reserved=6)
    with pytest.raises(ValueError, match="cannot reserve 5 of 4"):
        desk.function(ECHO, "Other", reserved=5)


# --- sizes and log ---------------------------------------------------------------------------------------------------


def test_an_event_above_six_megabytes_is_not_taken(desk: Desk) -> None:
    function = desk.function("def handler(event, context): return len(event)")
    assert function.invoke("x" * 6_000_000) == 6_000_000
    with pytest.raises(RequestTooLargeError):
        function.invoke("x" * (6 * 1024 * 1024))


def test_a_result_above_six_megabytes_is_an_error_and_the_next_one_is_not(desk: Desk) -> None:
    function = desk.function("def handler(event, context): return 'x' * event")
    with pytest.raises(FunctionError, match=r"Function\.ResponseSizeTooLarge"):
        function.invoke(6_300_000)
    assert function.invoke(6_000_000) == "x" * 6_000_000


def test_the_log_has_what_the_code_prints_between_the_platforms_lines(desk: Desk) -> None:
    function = desk.function(
        """
        import sys
        def handler(event, context):
            print('{"level": "INFO"}')
            print("zwölf", file=sys.stderr)
        """
    )
    function.invoke(None)
    function.invoke(None)
    start, one, two, end, report, *second = desk.log().splitlines()
    request_id = start.split()[2]
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert (one, two) == ('{"level": "INFO"}', "zwölf")
    assert end == f"END RequestId: {request_id}"
    assert re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB"
        r"\tInit Duration: [\d.]+ ms",
        report,
    )
    assert len(second) == 5
    assert "Init Duration" not in second[-1]


def test_it_runs_on_the_interpreter_that_the_layers_were_built_for(desk: Desk) -> None:
    function = desk.function("import sys\ndef handler(event, context): return list(sys.version_info[:3])")
    assert function.invoke(None) == list(sys.version_info[:3])
