"""Messages of the jobs queue."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.catalog.items import Facts
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import Address, EntityKey, SourceKey
from bitbucket_port.resync.jobs import (
    LONGEST_LISTING_HOPS,
    MOST_HOPS,
    ChildrenJob,
    HealJob,
    Job,
    JobFollowers,
    ListJob,
    PhaseJob,
    PortJob,
    SweepJob,
    UnclaimedJob,
    parse,
)
from bitbucket_port.resync.store import Candidate

CONTAINER = SourceKey("repository", "{ws}", "{repo}")
BEFORE = Facts(Address("PAY", "{repo}"), full_name="acme/old", project="PAY", main_branch="main")
AFTER = Facts(Address("PAY", "{repo}"), full_name="acme/new", project="PAY")


@given(st.text(min_size=1), st.sampled_from(["follow", "remove"]), st.one_of(st.none(), st.integers()))
def test_a_job_survives_the_queue(name: str, action: str, version: int | None) -> None:
    job = ChildrenJob(action, CONTAINER, BEFORE, Facts(full_name=name, gone=True), 1.5, version, 3)  # type: ignore[arg-type]
    assert ChildrenJob.from_message(job.to_message()) == job


def test_a_job_of_a_newer_release_waits_for_it() -> None:
    body = json.loads(ChildrenJob("follow", CONTAINER, BEFORE, AFTER, 1.0).to_message())
    with pytest.raises(TransientError, match="newer release"):
        ChildrenJob.from_message(json.dumps({**body, "v": 2}))


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", "{}", '{"v": 1, "job": "other", "action": "follow"}'])
def test_what_is_no_job_is_refused_for_good(text: str) -> None:
    with pytest.raises(PermanentError, match="job"):
        ChildrenJob.from_message(text)


def test_a_job_does_not_go_on_for_ever() -> None:
    job = ChildrenJob("remove", CONTAINER, AFTER, AFTER, 1.0)
    for _ in range(MOST_HOPS):
        job = job.continued()
    with pytest.raises(PermanentError, match="did not end"):
        job.continued()


def test_a_move_is_followed_only_where_bitbucket_may_be_asked() -> None:
    sent: list[str] = []
    JobFollowers(sent.append, reads=False, clock=lambda: 9.0).follow(CONTAINER, BEFORE, AFTER)
    assert sent == []
    JobFollowers(sent.append, reads=True, clock=lambda: 9.0).follow(CONTAINER, BEFORE, AFTER)
    assert ChildrenJob.from_message(sent[0]) == ChildrenJob("follow", CONTAINER, BEFORE, AFTER, 9.0)


def test_a_removal_needs_no_answer_of_bitbucket() -> None:
    sent: list[str] = []
    JobFollowers(sent.append, reads=False, clock=lambda: 9.0).remove(CONTAINER, AFTER, version=7)
    assert ChildrenJob.from_message(sent[0]) == ChildrenJob("remove", CONTAINER, AFTER, AFTER, 9.0, 7)


PULL_REQUEST = SourceKey("pull-request", "{ws}/{repo}", "7")
JOBS: list[Job] = [
    ChildrenJob("remove", CONTAINER, BEFORE, AFTER, 2.5, 9, 1, "run-1"),
    ChildrenJob("follow", CONTAINER, BEFORE, AFTER, 2.5, left=(EntityKey("bitbucketRepository", "acme/old#1"),)),
    PhaseJob("run-1", "sweep-children"),
    ListJob("run-1", "project"),
    ListJob("run-1", "pull-request", CONTAINER, Address("PAY", "{repo}"), 2, "https://host/next?page=2", 3, 8.5),
    PortJob("run-1", "bitbucketRepository"),
    HealJob("run-1", "bitbucketRepository", 4, (CONTAINER, PULL_REQUEST), 1),
    SweepJob("run-1", 1, "000001", (Candidate(PULL_REQUEST, Address(None, "{repo}", 7), "vanished"),)),
    UnclaimedJob("run-1", "bitbucketUser", 0, ("a", "b#c")),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_every_job_of_a_run_survives_the_queue(job: Job) -> None:
    assert parse(job.to_message()) == job
    assert json.loads(job.to_message())["v"] == 1


def test_all_jobs_of_a_run_have_names_of_their_own() -> None:
    assert len({job.id for job in JOBS}) == len(JOBS)


def test_a_listing_keeps_its_name_from_turn_to_turn_and_has_an_end() -> None:
    job = ListJob("run-1", "repository", began=5.0)
    later = job.continued("cursor")
    assert (later.name, later.began, later.cursor) == (job.name, 5.0, "cursor")
    assert later.id != job.id
    with pytest.raises(PermanentError, match="did not end"):
        ListJob("run-1", "repository", hop=LONGEST_LISTING_HOPS).continued("cursor")


def test_a_phase_of_a_newer_release_waits_for_it() -> None:
    body = json.loads(PhaseJob("run-1", "look").to_message())
    with pytest.raises(TransientError, match="another release"):
        parse(json.dumps({**body, "phase": "polish"}))
