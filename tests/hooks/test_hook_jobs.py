"""The jobs: bounded, repeated, interrupted, late, and two at once."""

from __future__ import annotations

import json

import pytest

from bitbucket_port.errors import BusyError, CredentialsRefusedError, PermanentError, TransientError
from bitbucket_port.hooks.carrying_out import AT_ONCE
from bitbucket_port.hooks.store import MemoryHookStore, Record
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.objects import Address
from bitbucket_port.resync.jobs import parse, parse_any
from bitbucket_port.resync.stack_jobs import MOST_TURNS, STACK_JOBS_VERSION, HookJob
from tests.hooks.conftest import PROJECTS
from tests.hooks.scene import Scene

SUBJECT = Subject("repository", "17", Address("PAY", "ledger"), "PAY/ledger", "project#4")


def test_a_job_comes_back_from_its_message() -> None:
    for job in (
        HookJob(12.5),
        HookJob(12.5, force=True, subjects=(SUBJECT, Subject("workspace", "-", Address(), "acme")), hop=3),
        HookJob(1.0, subjects=(SUBJECT,), remove=True),
    ):
        assert parse_any(job.to_message()) == job
        with pytest.raises(PermanentError):
            parse(job.to_message())


def test_a_newer_job_waits_and_a_broken_one_is_none() -> None:
    body = json.loads(HookJob(1.0, subjects=(SUBJECT,)).to_message())
    with pytest.raises(TransientError):
        parse_any(json.dumps({**body, "v": STACK_JOBS_VERSION + 1}))
    for broken in ({**body, "subjects": [{**SUBJECT.to_json(), "level": "galaxy"}]}, {**body, "subjects": None}):
        with pytest.raises(PermanentError):
            parse_any(json.dumps(broken))


def test_a_job_does_not_go_on_forever() -> None:
    job = HookJob(1.0, subjects=(SUBJECT,), hop=MOST_TURNS)
    with pytest.raises(PermanentError):
        job.continued((SUBJECT,))


def test_a_record_comes_back_as_it_was_kept() -> None:
    record = Record(SUBJECT, "right", 5.0, {}, "v", "w", "t", "f", ("url",), "sick")
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_many_repositories_become_many_jobs_of_a_bounded_size(server: Scene) -> None:
    server.repositories = True
    for number in range(2 * AT_ONCE):
        server.world.create_repository("P00", f"more-{number}")
    server.webhooks().plan(force=True)
    server.webhooks().look_after(HookJob(server.now, force=True))
    jobs = [parse_any(message) for message in server.messages[1:]]
    sizes = [len(job.subjects) for job in jobs if isinstance(job, HookJob)]
    assert max(sizes) <= AT_ONCE
    assert sum(sizes) == 2 * AT_ONCE + len(PROJECTS)
    assert server.writes() == 0
    server.work()
    assert len(server.ours()) == 2 * AT_ONCE + len(PROJECTS)


def test_when_time_runs_out_another_turn_goes_on(server: Scene) -> None:
    turns = iter(range(10_000))
    server.time_left = lambda: next(turns) % 4 != 3
    server.plan(force=True)
    assert sorted(hook.subject.key for hook in server.ours()) == PROJECTS
    assert server.writes() == len(PROJECTS)


def test_interrupted_anywhere_and_repeated_it_ends_the_same(server: Scene) -> None:
    """Killed before or after any single request; the function's message comes back when its claim is over."""
    for resource in server.mapping["resources"]:
        resource["selector"]["projects"] = PROJECTS[:3]
    at, died = 0, True
    while died:
        for hook in server.ours():
            server.bitbucket.remove_hook(hook)
        server.store = MemoryHookStore()
        left = at = at + 1

        def killing() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        server.on_request = killing
        server.webhooks().plan(force=True)
        message = server.messages[-1]
        try:
            server.work()
        except KeyboardInterrupt:
            server.messages.append(message)
        else:
            died = False
        server.on_request = lambda: None
        server.now += 400
        server.work()
        assert sorted(hook.subject.key for hook in server.ours()) == PROJECTS[:3]
    assert at > 2 * 8  # The version, the projects, and two requests for each of three.


def test_two_at_once_never_work_on_the_same_project(server: Scene) -> None:
    server.plan(force=True)
    subject = next(iter(server.store.records().values())).subject
    server.bitbucket.disable_hook(server.ours()[0])
    assert server.store.claim(subject, "another", now=server.now, until=server.now + 100)
    job = HookJob(server.now + 1, force=True, subjects=(subject,))
    with pytest.raises(BusyError):
        server.webhooks().look_after(job, receives=99)
    assert not server.ours()[0].active
    server.now += 101
    server.webhooks().look_after(job, receives=100)
    assert server.ours()[0].active


def test_a_job_that_comes_twice_does_its_work_once(server: Scene) -> None:
    server.webhooks().plan(force=True)
    message = server.messages[-1]
    server.work()
    writes = server.writes()
    server.messages.append(message)
    server.work()
    assert server.writes() == writes


def test_refused_credentials_stop_everything_at_the_first_answer(server: Scene) -> None:
    server.plan(force=True)
    job = HookJob(server.now + 1, force=True, subjects=tuple(one.subject for one in server.store.records().values()))
    server.bitbucket.fail_next(99, 401)
    server.bitbucket.forget_requests()
    with pytest.raises(CredentialsRefusedError):
        server.webhooks().look_after(job, receives=99)
    assert len(server.bitbucket.requests) <= 3


def test_a_limit_stops_the_job_and_what_was_done_stays_done(server: Scene) -> None:
    server.bitbucket.fail_next(1, 429, "/projects/P05/webhooks", headers={"Retry-After": "600"})
    server.webhooks().plan(force=True)
    server.webhooks().look_after(HookJob(server.now, force=True))
    job = parse_any(server.messages[-1])
    assert isinstance(job, HookJob)
    with pytest.raises(TransientError) as limit:
        server.webhooks().look_after(job)
    assert limit.value.is_limit
    done = server.writes()
    assert done == 5
    server.webhooks().look_after(job, receives=2)
    assert server.writes() == len(PROJECTS)
