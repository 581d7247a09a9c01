"""Messages of the jobs queue."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.catalog.items import Facts
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.resync.jobs import MOST_HOPS, ChildrenJob, JobFollowers

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
