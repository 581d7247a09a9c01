"""The pipelines in docs/ci: each is what its product reads, and runs the command as it is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bitbucket_port.cli.main import parser
from bitbucket_port.cli.settings import NAMES
from tests.cli.jenkinsfile import Block, read

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "ci"
SECRETS = {"BITBUCKET_TOKEN", "PORT_CLIENT_ID", "PORT_CLIENT_SECRET"}
CRON = re.compile(r"(?:(?:H|\*|\d{1,2})(?:/\d{1,2})? ){4}(?:\*|[0-7])")

Json = dict[str, Any]


def objects(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Json:
    """An object with exactly these members: what a product does not know, it refuses or, worse, passes over."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1}
MINUTES = {"type": "integer", "minimum": 1}
VARIABLES = {"type": "object", "propertyNames": {"enum": list(NAMES)}, "additionalProperties": TEXT}
CRONS = {"type": "string", "pattern": f"^{CRON.pattern}$"}
STEP = {"type": "object", "properties": {"if": TEXT, "env": VARIABLES, "with": {"type": "object"}}}
SCHEMAS: dict[str, Json] = {
    "github-actions.yaml": objects(
        {
            "name": TEXT,
            "on": objects(
                {
                    "schedule": {"type": "array", "items": objects({"cron": CRONS})},
                    "workflow_dispatch": {"type": "null"},
                }
            ),
            "permissions": objects({"contents": {"const": "read"}}),
            "concurrency": objects({"group": TEXT, "cancel-in-progress": {"const": False}}),
            "jobs": objects(
                {
                    "resync": objects(
                        {
                            "runs-on": TEXT,
                            "timeout-minutes": MINUTES,
                            "steps": {
                                "type": "array",
                                "items": {
                                    **STEP,
                                    "oneOf": [{"required": ["run"]}, {"required": ["uses"]}],
                                    "properties": {
                                        **STEP["properties"],  # type: ignore[dict-item]
                                        "run": TEXT,
                                        "uses": {"type": "string", "pattern": r"^[\w-]+/[\w-]+@v\d+$"},
                                    },
                                    "additionalProperties": False,
                                },
                            },
                        }
                    )
                }
            ),
        }
    ),
    "gitlab-ci.yaml": objects(
        {
            "resync": objects(
                {
                    "image": TEXT,
                    "rules": {"type": "array", "items": objects({"if": TEXT})},
                    "resource_group": TEXT,
                    "timeout": {"type": "string", "pattern": r"^\d+ minutes$"},
                    "variables": VARIABLES,
                    "script": TEXTS,
                    "artifacts": objects({"when": {"const": "always"}, "expire_in": TEXT, "paths": TEXTS}),
                }
            )
        }
    ),
    "azure-pipelines.yaml": objects(
        {
            "trigger": {"const": "none"},
            "pr": {"const": "none"},
            "schedules": {
                "type": "array",
                "items": objects(
                    {
                        "cron": CRONS,
                        "displayName": TEXT,
                        "branches": objects({"include": TEXTS}),
                        "always": {"const": True},
                    }
                ),
            },
            "pool": objects({"vmImage": TEXT}),
            "jobs": {
                "type": "array",
                "items": objects(
                    {
                        "job": {"type": "string", "pattern": r"^\w+$"},
                        "displayName": TEXT,
                        "timeoutInMinutes": MINUTES,
                        "steps": {
                            "type": "array",
                            "items": {
                                "oneOf": [
                                    objects({"task": {"type": "string", "pattern": r"^\w+@\d+$"}}, {"inputs": STEP}),
                                    objects({"script": TEXT}, {"displayName": TEXT, "env": VARIABLES}),
                                ]
                            },
                        },
                    }
                ),
            },
        }
    ),
    "bitbucket-pipelines.yaml": objects(
        {
            "image": TEXT,
            "pipelines": objects(
                {
                    "custom": objects(
                        {
                            "resync": {
                                "type": "array",
                                "items": objects(
                                    {
                                        "step": objects(
                                            {"name": TEXT, "max-time": MINUTES, "script": TEXTS, "artifacts": TEXTS}
                                        )
                                    }
                                ),
                            }
                        }
                    )
                }
            ),
        }
    ),
}


class Loader(yaml.SafeLoader):
    """YAML as these products read it: ``on`` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first not in "oO"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def document(name: str) -> Any:
    return yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader)


def scripts(name: str) -> list[str]:
    """Every shell command of a pipeline."""
    if name == "Jenkinsfile":
        return [step.text for step in jenkins().calls("sh")]
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("run", "script"):
                    found.extend([inner] if isinstance(inner, str) else inner)
                else:
                    look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(document(name))
    return found


def jenkins() -> Block:
    return read((FOLDER / "Jenkinsfile").read_text(encoding="utf-8"))


FILES = [*SCHEMAS, "Jenkinsfile"]


def test_there_is_no_other_pipeline_than_those_checked_here() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*FILES, "README.md"}
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"]({name})" in table for name in FILES)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_has_the_structure_its_product_reads(name: str) -> None:
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(document(name))


def test_the_jenkinsfile_is_a_declarative_pipeline() -> None:
    (pipeline,) = jenkins().blocks
    assert pipeline.name == "pipeline"
    assert [one.name for one in pipeline.blocks] == ["triggers", "options", "environment", "stages", "post"]
    assert pipeline.lines == ["agent any"]
    stages = pipeline.block("stages").blocks
    assert [one.name for one in stages] == ["stage('Install')", "stage('Resync')"]
    assert all([one.name for one in stage.blocks] == ["steps"] for stage in stages)
    (cron,) = pipeline.block("triggers").calls("cron")
    assert CRON.fullmatch(cron.text)
    given = dict(line.split(" = ", 1) for line in pipeline.block("environment").lines)
    assert given.keys() <= NAMES.keys()
    assert {name for name, value in given.items() if value.startswith("credentials(")} == SECRETS


@pytest.mark.parametrize("broken", ["pipeline {", "pipeline { agent any } }", "pipeline { sh 'make }", "sh \"a' }"])
def test_a_broken_jenkinsfile_is_found(broken: str) -> None:
    with pytest.raises(ValueError, match=r"line \d"):
        read(broken)


@pytest.mark.parametrize("name", FILES)
def test_its_commands_are_right(name: str) -> None:
    made, resynced = scripts(name)
    assert made == "make command"
    path, command, *options = shlex.split(resynced)
    assert path == ".venv-command/bin/bitbucket-port"
    parsed = parser().parse_args([command, *options])
    assert parsed.time_limit < 3600
    assert not (parsed.delete or parsed.dry_run)
    for script in (made, resynced):
        subprocess.run(["bash", "-n", "-c", script], check=True)


@pytest.mark.parametrize("name", FILES)
def test_it_holds_no_secret_and_names_each(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    head = text.split("\n\n")[0]
    wanted = SECRETS if name != "Jenkinsfile" else {"bitbucket-token", "port-client-id", "port-client-secret"}
    assert all(secret in head for secret in wanted)
    for variable, value in re.findall(r"^\s+(\w+): (\S.*)$", text, re.MULTILINE):
        if variable in SECRETS:
            assert re.fullmatch(r"\$\{\{ secrets\.\w+ \}\}|\$\(\w+\)", value)


def test_make_command_makes_what_they_run() -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    told = subprocess.run(
        ["make", "-n", "-B", "command"], cwd=ROOT, env=own, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told[-1] == ".venv-command/bin/python -m scripts.write_command .venv-command/bin/bitbucket-port"
    assert any("--require-hashes --requirement requirements/command.txt" in line for line in told)
