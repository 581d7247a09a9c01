"""The README's table of settings says what the template says."""

from __future__ import annotations

from local.__main__ import PARAMETER_OF
from scripts.sam_template import read
from scripts.settings_table import README, between_markers, table


def test_the_readme_lists_every_parameter_as_the_template_has_it() -> None:
    # `python -m scripts.settings_table --write` makes it so.
    assert between_markers(README.read_text(encoding="utf-8")) == table(read())


def test_every_variable_that_the_local_runner_takes_stands_beside_its_parameter() -> None:
    rows = {line.split("|")[1].strip(" `"): line.split("|")[2].strip(" `") for line in table(read()).splitlines()[2:]}

    assert {variable: parameter for parameter, variable in rows.items() if variable != "–"} == PARAMETER_OF
    assert rows["CredentialsSecretArn"] == "–"


def test_parameters_without_a_default_are_shown_as_required() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in table(read()).splitlines()[2:]}

    required = {name for name, row in rows.items() if "| required |" in row}

    assert required == {"BitbucketToken", "PortClientId", "PortClientSecret"}
