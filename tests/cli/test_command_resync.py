"""What the command does to a catalog, for both products."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from local.standins.http import Answer, Exchange
from tests.cli.conftest import IDENTIFIER, Site

OURS = "port-ocean/bitbucket-{}/0.1.0/" + IDENTIFIER + "/exporter"


def catalog(site: Site) -> dict[Any, Any]:
    return site.port.catalog()


def stray(site: Site, *, datasource: str | None = None) -> str:
    """An entity that an earlier run wrote, of a repository nobody has any more."""
    name = "northwind/gone" if site.product == "cloud" else "FRUIT/gone"
    source = OURS.format(site.product) if datasource is None else datasource
    site.port.put_entity(site.blueprint("repository"), name, title="Gone", datasource=source)
    return name


def test_a_first_run_fills_the_catalog_and_is_complete(site: Site) -> None:
    assert site.run() == 0
    assert len(site.entities("project")) == 2
    assert len(site.entities("repository")) == 5
    assert len(site.entities("pull-request")) == 8
    assert {one["title"] for one in site.entities("pull-request").values()} >= {"apple 0 ☃", "pear 3 ☃"}
    # A project may be there already when it is written: Port makes what a repository relates to.
    assert site.total("created") + site.total("updated") == len(catalog(site))
    assert site.report["kinds"]["repository"]["created"] == 5
    assert site.report["status"] == "complete"


def test_a_second_run_changes_nothing_and_asks_port_once_for_each_blueprint(site: Site) -> None:
    site.run()
    before = catalog(site)
    searches = site.searches(lambda: site.writes(site.run))
    assert searches == 4
    assert site.writes(site.run) == []
    assert catalog(site) == before
    assert (site.total("created"), site.total("updated")) == (0, 0)
    assert site.total("unchanged") == len(before)


def test_port_is_shown_a_few_objects_of_each_kind_unless_it_is_a_dry_run(site: Site) -> None:
    site.port.put_integration(IDENTIFIER)
    site.run("--dry-run", SEND_RAW_DATA_EXAMPLES="true")
    assert site.port.examples == []

    site.run(SEND_RAW_DATA_EXAMPLES="true")

    shown: dict[str, int] = {}
    for one in site.port.examples:
        shown[one.kind] = shown.get(one.kind, 0) + len(one.objects)
    assert shown == {"project": 2, "repository": 5, "pull-request": 5, "user": 2}
    assert site.bitbucket.token not in str(site.port.examples)


def test_a_dry_run_writes_nothing_and_says_what_would_be_written(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.writes(lambda: site.run("--dry-run")) == []
    assert catalog(site) == {}
    assert site.port.calls()
    counts = {kind: counted["created"] for kind, counted in site.report["kinds"].items() if kind != "user"}
    assert counts == {"project": 2, "repository": 5, "pull-request": 8}
    told = capsys.readouterr().out
    assert f"+ {site.blueprint('project')} " in told
    assert "Nothing was written" in told
    site.run()
    name = next(iter(site.entities("repository")))
    site.port.put_entity(site.blueprint("repository"), name, title="Another title")
    assert site.writes(lambda: site.run("--dry-run")) == []
    told = capsys.readouterr().out
    assert f'~ {site.blueprint("repository")} {name}: title: "Another title" → ' in told
    assert site.total("updated") == 1


def test_what_was_edited_or_deleted_in_port_by_hand_is_right_after_one_run(site: Site) -> None:
    site.run()
    right = catalog(site)
    names = sorted(site.entities("repository"))
    site.port.put_entity(site.blueprint("repository"), names[0], title="By hand")
    pulls = sorted(site.entities("pull-request"))
    site.port.remove_entity(site.blueprint("pull-request"), pulls[0])
    assert site.run() == 0
    assert catalog(site) == right
    assert (site.total("created"), site.total("updated")) == (1, 1)


def test_what_people_added_in_port_stays(site: Site) -> None:
    site.run()
    name = min(site.entities("repository"))
    site.port.put_entity(site.blueprint("repository"), name, team=["Cider"])
    site.run()
    assert site.entities("repository")[name]["team"] == ["Cider"]


def test_without_delete_what_nothing_makes_is_only_counted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run()
    name = stray(site)
    assert site.run() == 0
    assert name in site.entities("repository")
    assert site.report["deletable"] == 1
    told = capsys.readouterr().out
    assert "1 entities in Port are made by nothing" in told
    assert f"{name}: nothing in Bitbucket makes it" in told


def test_with_delete_goes_what_two_listings_miss(site: Site) -> None:
    site.run()
    name = stray(site)
    before = catalog(site)
    assert site.run("--delete") == 0
    assert name not in site.entities("repository")
    assert catalog(site) == {key: entity for key, entity in before.items() if key[1] != name}
    assert site.report["blueprints"][site.blueprint("repository")]["swept"] == 1
    assert sum(site.clock.skipped) >= 60


def test_with_delete_somebody_elses_entity_stays(site: Site) -> None:
    site.run()
    name = stray(site, datasource="somebody-else")
    site.run("--delete")
    assert name in site.entities("repository")


def test_a_dry_run_with_delete_deletes_nothing(site: Site) -> None:
    site.run()
    name = stray(site)
    assert site.writes(lambda: site.run("--delete", "--dry-run")) == []
    assert name in site.entities("repository")


def test_more_than_the_threshold_is_never_deleted(site: Site) -> None:
    site.run()
    names = [f"northwind/gone-{number}" for number in range(5)]
    for name in names:
        site.port.put_entity(site.blueprint("repository"), name, datasource=OURS.format(site.product))
    assert site.run("--delete") == 1
    assert set(names) <= set(site.entities("repository"))
    assert site.report["blueprints"][site.blueprint("repository")]["blocked"] == 5


def test_only_the_kinds_asked_for_are_written(site: Site) -> None:
    assert site.run("--kind", "project") == 0
    assert {key[0] for key in catalog(site)} == {site.blueprint("project")}


def test_kinds_that_were_not_listed_lose_nothing(site: Site) -> None:
    site.run()
    name = stray(site)
    site.run("--kind", "project", "--delete")
    assert name in site.entities("repository")


def test_a_wrong_token_fails_and_deletes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run()
    before = catalog(site)
    assert site.run("--delete", BITBUCKET_TOKEN="wrong-token") == 2
    assert catalog(site) == before
    captured = capsys.readouterr()
    assert "401" in captured.out + captured.err
    assert "wrong-token" not in captured.out + captured.err


def test_a_wrong_client_secret_fails(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.run(PORT_CLIENT_SECRET="wrong-secret") == 2
    captured = capsys.readouterr()
    assert "client id and secret" in captured.out + captured.err
    assert "wrong-secret" not in captured.out + captured.err


def test_a_workspace_that_is_not_there_fails_and_deletes_nothing(site: Site) -> None:
    site.run()
    before = catalog(site)
    if site.product == "cloud":
        status = site.run("--delete", BITBUCKET_WORKSPACE="nowhere")
    else:
        status = site.run("--delete", BITBUCKET_URL=f"{site.bitbucket.url}/nowhere")
    assert status == 2
    assert catalog(site) == before


def test_a_repository_that_may_not_be_seen_makes_the_run_partial(site: Site) -> None:
    site.run()
    before = catalog(site)
    lists = "pullrequests" if site.product == "cloud" else "pull-requests"
    site.bitbucket.fail_next(1, 403, lambda request: request.path.endswith(lists))
    assert site.run() == 1
    assert catalog(site) == before
    assert site.total("protected")


def test_a_time_limit_ends_the_run_as_partial(site: Site) -> None:
    assert site.run("--time-limit", "0.000001") == 1
    assert "the time limit was reached" in site.report["notes"][0]


@pytest.mark.parametrize("allowed", [1, 2])
def test_never_more_requests_are_under_way_than_allowed(site: Site, allowed: int) -> None:
    under_way: set[int] = set()
    most: list[int] = []
    lock = threading.Lock()

    def tap(exchange: Exchange) -> Answer:
        with lock:
            under_way.add(id(exchange))
            most.append(len(under_way))
        time.sleep(0.002)
        answer = exchange.carry_out()
        with lock:
            under_way.remove(id(exchange))
        return answer

    site.bitbucket.tap = site.port.tap = tap
    assert site.run("--concurrency", str(allowed)) == 0
    assert max(most) <= allowed
