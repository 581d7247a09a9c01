"""Every event key of the two products finds its queue, however it is spelt."""

from __future__ import annotations

import pytest

from bitbucket_port.objects import Product
from bitbucket_port.webhooks.event_keys import CLOUD_KEYS, SERVER_KEYS, family_of, normalise


@pytest.mark.parametrize(
    ("product", "event_key", "family"),
    [
        ("cloud", "project:updated", "project"),
        ("cloud", "repo:push", "push"),
        ("cloud", "repository:push", "push"),
        ("cloud", "repo:created", "repository"),
        ("cloud", "repository:updated", "repository"),
        ("cloud", "repo:fork", "repository"),
        ("cloud", "pullrequest:push", "pull-request"),
        ("cloud", "pullrequest:comment_reopened", "pull-request"),
        ("server", "project:modified", "project"),
        ("server", "proj:modified", "project"),
        ("server", "repo:refs_changed", "push"),
        ("server", "repo:modified", "repository"),
        ("server", "repo:forked", "repository"),
        ("server", "pr:reviewer:needs_work", "pull-request"),
        ("server", " pr:opened ", "pull-request"),
    ],
)
def test_an_event_key_has_its_family(product: Product, event_key: str, family: str) -> None:
    assert family_of(product, event_key) == family


@pytest.mark.parametrize(
    ("product", "event_key"),
    [
        ("cloud", "pr:opened"),
        ("server", "pullrequest:created"),
        ("server", "mirror:repo_synchronized"),
        ("cloud", "issue:created"),
        ("cloud", "repo:commit_status_created"),
        ("cloud", "REPO:PUSH"),
        ("cloud", "repo"),
        ("cloud", ""),
        ("server", "diagnostics:ping"),
    ],
)
def test_other_keys_have_none(product: Product, event_key: str) -> None:
    assert family_of(product, event_key) is None


def test_every_known_key_is_spelt_as_normalised_and_has_a_family() -> None:
    for product, keys in (("cloud", CLOUD_KEYS), ("server", SERVER_KEYS)):
        for key in keys:
            assert normalise(key) == key
            assert family_of(product, key) is not None  # type: ignore[arg-type]
