"""Looking at an integration that is there already: its mapping, its catalog, and what is wrong in it."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.mapping.shipped import load
from tests.cli.conftest import Site

OCEAN = "port-ocean/bitbucket-{}/0.4.20/my-ocean/exporter"


@pytest.fixture
def filled(site: Site) -> Site:
    """A catalog that another tool wrote under the name ``my-ocean``, right at first."""
    site.run(INTEGRATION_IDENTIFIER="my-ocean")
    for blueprint, identifier in site.port.catalog():
        site.port.credit(blueprint, identifier, OCEAN.format(site.product))
    document = load(site.product, "default")
    site.port.put_integration("my-ocean", app_type=f"bitbucket-{site.product}", config=document)
    return site


def look(site: Site) -> int:
    return site.run("--mapping-of", "my-ocean")


def test_a_catalog_that_is_right_needs_nothing(filled: Site) -> None:
    assert filled.writes(lambda: look(filled)) == []
    assert (filled.total("created"), filled.total("updated")) == (0, 0)
    assert filled.total("unchanged") == len(filled.port.catalog())


def test_what_is_wrong_is_named_and_left_as_it_is(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    repositories, pulls = (sorted(filled.entities(kind)) for kind in ("repository", "pull-request"))
    source = OCEAN.format(filled.product)
    filled.port.put_entity(filled.blueprint("repository"), repositories[0], title="By hand")
    filled.port.remove_entity(filled.blueprint("pull-request"), pulls[0])
    filled.port.put_entity(filled.blueprint("repository"), "left-behind", title="Old", datasource=source)
    before = filled.port.catalog()
    capsys.readouterr()
    assert filled.writes(lambda: look(filled)) == []
    assert filled.port.catalog() == before
    told = capsys.readouterr().out
    assert f'~ {filled.blueprint("repository")} {repositories[0]}: title: "By hand" → ' in told
    assert f"+ {filled.blueprint('pull-request')} {pulls[0]}" in told
    assert f"? {filled.blueprint('repository')} left-behind: nothing in Bitbucket makes it" in told
    assert "Nothing was written" in told


def test_it_is_never_written_even_when_deletion_is_asked_for(filled: Site) -> None:
    source = OCEAN.format(filled.product)
    filled.port.put_entity(filled.blueprint("repository"), "left-behind", datasource=source)
    assert filled.writes(lambda: filled.run("--mapping-of", "my-ocean", "--delete")) == []


def test_faults_of_the_mapping_itself_are_named(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    document: Any = load(filled.product, "default")
    document["resources"][0]["port"]["entity"]["mappings"]["properties"]["url"] = ".links | ("
    filled.port.put_integration("my-ocean", app_type=f"bitbucket-{filled.product}", config=document)
    look(filled)
    assert "the mapping of my-ocean: resources[0] (project): properties.url" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"), [("nobody", "no integration 'nobody'"), ("empty", "no mapping"), ("other", "is of type 'gitlab'")]
)
def test_an_integration_that_cannot_be_looked_at_is_named(
    site: Site, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    site.port.put_integration("empty", app_type=f"bitbucket-{site.product}")
    site.port.put_integration("other", app_type="gitlab", config={"resources": []})
    assert site.run("--mapping-of", name) == 2
    assert said in capsys.readouterr().err
