"""What builds and deploys the stack: lint, samconfig, pinned requirements, compiled mappings."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from bench import imports
from scripts.compile_mappings import compile_mappings
from scripts.lint_template import findings, findings_in_translation
from scripts.sam_template import TEMPLATE, Template

REPOSITORY = TEMPLATE.parent
PINNED = [
    REPOSITORY / "requirements/dev.txt",
    REPOSITORY / "requirements/runtime.txt",
    REPOSITORY / "requirements/sam.txt",
    REPOSITORY / "layers/dependencies/requirements.txt",
    REPOSITORY / "layers/bitbucket_port/build-requirements.txt",
]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_neither_the_template_nor_its_translation_gives_cfn_lint_anything_to_say(template: Template) -> None:
    assert [*findings(TEMPLATE), *findings_in_translation(template)] == []


def test_linting_the_translation_finds_a_circle_that_shorthand_hides(template: Template) -> None:
    circular = copy.deepcopy(template)
    circular["Globals"]["Function"]["Environment"]["Variables"]["BASE_URL"] = {
        "Fn::GetAtt": ["WebhookApi", "ApiEndpoint"]
    }

    assert any("E3004" in finding for finding in findings_in_translation(circular))


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_each_product_has_its_deployment_which_keeps_what_failed(product: str) -> None:
    settings = tomllib.loads((REPOSITORY / "samconfig.toml").read_text(encoding="utf-8"))[product]["deploy"][
        "parameters"
    ]

    assert settings["disable_rollback"] is True
    assert settings["resolve_s3"] is True
    assert settings["capabilities"] == "CAPABILITY_IAM"
    assert settings["parameter_overrides"] == f"BitbucketProduct={product}"


@pytest.mark.parametrize("path", PINNED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_requirements_are_pinned_by_hash_and_name_no_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*--(index|extra-index|find|trusted)", text, re.MULTILINE)
    for block in re.split(r"\n(?=[\w.-]+==)", text.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_what_tests_run_on_is_what_the_functions_run_on() -> None:
    development = pins(REPOSITORY / "requirements/dev.txt")
    deployed = pins(REPOSITORY / "layers/dependencies/requirements.txt")

    assert {"boto3", "requests", "jq", "aws-lambda-powertools", "urllib3"} <= set(deployed)
    assert {name: development.get(name) for name in deployed} == deployed


def test_mappings_are_compiled_to_json_that_says_the_same(tmp_path: Path) -> None:
    written = compile_mappings(REPOSITORY / "mappings", tmp_path)

    assert {str(path.relative_to(tmp_path)) for path in written} == {
        f"{product}/{preset}.{what}"
        for product in ("cloud", "server")
        for preset in ("default", "ocean")
        for what in ("json", "blueprints.json")
    }
    for path in written:
        source = REPOSITORY / "mappings" / path.relative_to(tmp_path)
        if not path.name.endswith(".blueprints.json"):
            source = source.with_suffix(".yaml")
        assert json.loads(path.read_text(encoding="utf-8")) == yaml.safe_load(source.read_text(encoding="utf-8"))


def test_a_mapping_without_its_blueprints_fails_the_build_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud/mine.yaml").write_text("resources: []\n", encoding="utf-8")

    with pytest.raises(FileNotFoundError, match=r"mine\.blueprints\.json"):
        compile_mappings(tmp_path, tmp_path / "out")


def test_a_mapping_that_is_no_object_fails_the_build_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud/default.yaml").write_text("- a list\n", encoding="utf-8")

    with pytest.raises(TypeError, match=r"cloud/default\.yaml"):
        compile_mappings(tmp_path, tmp_path / "out")


def test_receive_imports_at_most_a_third_more_modules_than_boto3_alone(tmp_path: Path) -> None:
    tree = imports.copy_tree(tmp_path / "without-bytecode")
    counts = {
        name: imports.sample(tree, folder, statement, imports.environment(name))[0]
        for name, (folder, statement) in imports.subjects().items()
        if name == imports.BASELINE or name.endswith("Receive")
    }

    assert len(counts) == 6
    assert imports.too_heavy(counts) == []


def test_a_receive_that_imports_more_than_that_is_found_out() -> None:
    assert imports.too_heavy({imports.BASELINE: 300, "PushReceive": 400, "WebhookReceive": 401}) == ["WebhookReceive"]
    assert imports.too_heavy({imports.BASELINE: 300, "PushProcess": 900}) == []
