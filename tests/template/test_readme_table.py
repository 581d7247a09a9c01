"""The README's table of settings says what the template says."""

from __future__ import annotations

from scripts.sam_template import read
from scripts.settings_table import README, between_markers, table, variables


def test_the_readme_lists_every_parameter_as_the_template_has_it() -> None:
    # `python -m scripts.settings_table --write` makes it so.
    assert between_markers(README.read_text(encoding="utf-8")) == table(read())


def test_every_setting_of_the_package_is_in_the_table_under_the_name_it_reads() -> None:
    of = variables(read())

    assert of["BitbucketProduct"] == "BITBUCKET_PRODUCT"
    assert of["BitbucketToken"] == "BITBUCKET_TOKEN"
    assert of["IntegrationIdentifier"] == "INTEGRATION_IDENTIFIER"
    assert "CredentialsSecretArn" not in of


def test_parameters_without_a_default_are_shown_as_required() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in table(read()).splitlines()[2:]}

    required = {name for name, row in rows.items() if "| required |" in row}

    assert required == {"BitbucketToken", "PortClientId", "PortClientSecret"}
