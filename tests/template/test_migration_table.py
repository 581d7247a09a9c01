"""The table that says what becomes of Ocean's settings names every one of them, and only settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bitbucket_port.cli import ocean

ROOT = Path(__file__).resolve().parents[2]
PARAMETER = re.compile(r"`([A-Z][A-Za-z0-9]+)`")
DOCUMENTS = ("docs/migrate-from-ocean.md", "docs/bitbucket-cloud.md", "docs/bitbucket-data-center.md")
NO_PARAMETERS = {"POLLING", "ONCE", "WEBHOOK", "KAFKA", "WebhookUrl", "WebhookSecretCommand"}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, of which only what surrounds them is read."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


@pytest.fixture(scope="module")
def parameters() -> set[str]:
    document = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)
    return {*document["Parameters"], *document["Outputs"]}


def rows(chapter: str) -> list[tuple[str, str]]:
    text = (ROOT / "docs/migrate-from-ocean.md").read_text(encoding="utf-8")
    part = text.split(f"\n## {chapter}\n", 1)[1].split("\n## ", 1)[0]
    found = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `")]
    return [(first, second) for first, second in found]


def test_the_table_has_a_row_for_each_of_oceans_settings_the_command_understands() -> None:
    named = {
        re.sub("[^a-z0-9]", "", name.rpartition(".")[2].lower())
        for first, _ in rows("Settings")
        for name in re.findall("`([^`]+)`", first)
    }
    understood = {path[-1] for path in ocean.NAMES} | {name for pair in ocean.CREDENTIALS for name in pair if name}
    assert understood <= named


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_only_parameters_that_the_template_has(document: str, parameters: set[str]) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    camel = {name for name in PARAMETER.findall(text) if re.search("[a-z]", name) and re.search("[A-Z].*[A-Z]", name)}
    assert len(camel) >= 5
    assert camel - parameters == set()
