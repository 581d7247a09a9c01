"""What a Cloud token lacks, in the words of its own kind."""

from __future__ import annotations

import pytest

from bitbucket_port.objects import Kind
from bitbucket_port.setup.scopes import scopes_finding

ALL: tuple[Kind, ...] = ("project", "repository", "pull-request", "user")
API_TOKEN = (
    "read:workspace:bitbucket, read:project:bitbucket, read:repository:bitbucket, read:pullrequest:bitbucket, "
    "read:webhook:bitbucket, write:webhook:bitbucket, delete:webhook:bitbucket"
)


@pytest.mark.parametrize(
    "header",
    [
        "account, project, pullrequest, repository, webhook",
        "account project pullrequest webhook",
        "account:write, project:admin, pullrequest:write, webhook",
        API_TOKEN,
    ],
)
def test_a_token_that_has_everything_is_fine_in_either_spelling(header: str) -> None:
    assert scopes_finding(header, ALL, webhooks=True).outcome == "ok"


def test_without_the_header_nothing_is_claimed() -> None:
    assert scopes_finding(None, ALL, webhooks=True).outcome == "skipped"


def test_a_token_without_webhooks_may_read_all_the_same_and_the_way_by_hand_is_named() -> None:
    finding = scopes_finding("account, project, pullrequest", ALL, webhooks=True)
    assert finding.outcome == "warning"
    assert finding.text.startswith("the token lacks webhook: no webhook can be made")
    assert "by hand" in finding.fix
    assert scopes_finding("account, project, pullrequest", ALL, webhooks=False).outcome == "ok"


def test_what_is_missing_is_named_as_this_kind_of_token_calls_it() -> None:
    finding = scopes_finding(
        "read:project:bitbucket, read:repository:bitbucket", ("project", "pull-request"), webhooks=False
    )
    assert finding.text == "the token lacks read:pullrequest:bitbucket: pull requests cannot be read."
    older = scopes_finding("project", ("project", "pull-request", "user"), webhooks=False)
    assert "the token lacks pullrequest, account:" in older.text


def test_webhooks_that_cannot_be_removed_are_told_before_they_stay_behind() -> None:
    finding = scopes_finding(API_TOKEN.replace(", delete:webhook:bitbucket", ""), ALL, webhooks=True)
    assert finding.text == "the token lacks delete:webhook:bitbucket: webhooks stay behind when the stack is deleted."


def test_a_token_without_any_scope_lacks_all() -> None:
    assert "project, repository, pullrequest, account, webhook" in scopes_finding("", ALL, webhooks=True).text
