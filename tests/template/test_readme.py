"""What the README and the documents tell people to type, tick and read is there, and is what the code does."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import requests

from bitbucket_port import lambda_queue, lambda_receive, lambda_start, settings
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.lambda_receive import METRIC_OF_OUTCOME
from bitbucket_port.objects import Product
from bitbucket_port.resync import dynamodb, start, worker
from bitbucket_port.resync.report import Count, whole
from bitbucket_port.resync.store import Run, RunKind, Status
from bitbucket_port.webhooks.event_keys import FAMILIES, KEYS, family_of
from local import resync_words
from local.commands import options, run_stack
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.workspace import furnish
from scripts.sam_template import Template

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
REFUSED_BY_SERVERS = {"pr:to_ref_updated", "pr:reviewer:changes_requested"}
INSIGHTS_WORDS = frozenset(
    [
        "filter",
        "fields",
        "sort",
        "stats",
        "by",
        "as",
        "like",
        "asc",
        "desc",
        "and",
        "or",
        "not",
        "ispresent",
        "count",
        "max",
        "avg",
        "latest",
        "times",
        "tries",
        "starts",
    ]  # names the queries give
)


def between(name: str) -> str:
    """The part of the README between two markers."""
    return README.split(f"<!-- {name}:start -->", 1)[1].split(f"<!-- {name}:end -->", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, those inside lists included."""
    return [match[1] for match in re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)]


SHELL = {name: "\n".join(blocks(text, "sh")) for name, text in TEXTS.items()}


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as they are made where documents are shown."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-") for title in titles}


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_relative_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        assert path.exists(), f"{name} links to {target}"
        assert not anchor or anchor in anchors(path), f"{name} links to {target}"


def test_every_document_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", TEXTS["docs/README.md"]))

    assert linked >= {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


# --- commands --------------------------------------------------------------------------------------------------------


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {target for text in TEXTS.values() for target in re.findall(r"(?:`|^)make ([a-z]+)\b", text, re.MULTILINE)}

    assert {"run", "test", "build", "install"} <= named
    assert named <= targets


def test_modules_and_scripts_that_are_named_exist() -> None:
    modules = {name for text in SHELL.values() for name in re.findall(r"python -m ([\w.]+)", text)}
    modules |= {name for text in TEXTS.values() for name in re.findall(r"-m ((?:scripts|tests|local)[\w.]*)", text)}
    files = {
        name for text in TEXTS.values() for name in re.findall(r"`((?:scripts|local|mappings|tests)/[\w./]+)`", text)
    }

    assert "local" in modules
    assert "mappings/cloud/default.yaml" in files
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for file in files:
        assert (ROOT / file).exists(), file


def test_deployments_name_a_section_of_samconfig() -> None:
    sections = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    named = {name for text in TEXTS.values() for name in re.findall(r"--config-env (\w+)", text)}
    stacks = {name for text in TEXTS.values() for name in re.findall(r"(?:stack=|--stack-name )(bitbucket-\w+)", text)}

    assert named == {"cloud", "server"}
    assert stacks <= {sections[name]["deploy"]["parameters"]["stack_name"] for name in named}
    assert "bitbucket-cloud" in stacks


def test_a_deployment_is_never_told_without_its_section() -> None:
    # Without it `sam deploy` knows no stack; `sam deploy` alone is only the command's name.
    for name, text in TEXTS.items():
        for rest in re.findall(r"(?:^|&& |`)sam deploy( [^`\n]*)", text, re.MULTILINE):
            assert "--config-env" in rest, f"{name}: sam deploy{rest}"
        assert "sam build && sam deploy`" not in text, name


def test_outputs_and_resources_that_commands_ask_for_exist(template: Template) -> None:
    outputs = {name for text in SHELL.values() for name in re.findall(r"\$\(output (\w+)\)", text)}
    resources = {name for text in SHELL.values() for name in re.findall(r"\$\(resource (\w+)\)", text)}

    assert "WebhookSecretCommand" in outputs
    assert "PullRequestDeadLetters" in resources
    assert outputs <= set(template["Outputs"])
    assert resources <= set(template["Resources"])


def test_parameters_named_in_the_dialogue_exist(template: Template) -> None:
    dialogue = README.split("**4. Deploy.**", 1)[1].split("**5.", 1)[0]
    named = set(re.findall(r"^\| `(\w+)`", dialogue, re.MULTILINE)) | set(
        re.findall(r"`((?:Bitbucket|Port|Alarm)\w+)`", dialogue)
    )
    without_default = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}

    assert without_default <= named <= set(template["Parameters"])


def test_the_dialogue_asks_about_each_function_that_faces_the_internet(template: Template) -> None:
    routed = [
        name
        for name, resource in template["Resources"].items()
        if any(event["Type"] == "HttpApi" for event in resource.get("Properties", {}).get("Events", {}).values())
    ]

    assert "`ProjectReceive has no authentication. Is this okay?` and four more like it" in README
    assert routed[0] == "ProjectReceive"
    assert len(routed) == 5


def test_options_of_the_runner_are_its_own() -> None:
    run, invoke = (set(re.findall(r"--[a-z-]+", parser.format_help())) - {"--help"} for parser in options.parsers())
    shown = {name for text in TEXTS.values() for name in re.findall(r'`?make run ARGS="([^"]+)"', text)}
    invoked = {name for text in TEXTS.values() for name in re.findall(r"-m local invoke (.*)", text)}

    assert {name for text in shown for name in re.findall(r"--[a-z-]+", text)} == run
    assert {name for text in invoked for name in re.findall(r" (--[a-z-]+)", text)} <= invoke
    assert "`--product`" in TEXTS["docs/local.md"]
    assert "WEBHOOK_SECRET" in inspect.getsource(run_stack)


# --- webhooks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("product", "column"), [("cloud", 2), ("server", 3)])
def test_the_table_of_events_has_every_key_in_its_family(product: Product, column: int) -> None:
    rows = [line.split("|") for line in between("events").strip().splitlines()[2:]]
    listed = {row[1].split(",")[0].strip(): re.findall(r"`([^`]+)`", row[column]) for row in rows}

    assert tuple(listed) == FAMILIES
    assert sorted(key for keys in listed.values() for key in keys) == sorted(KEYS[product])
    for family, keys in listed.items():
        assert {family_of(product, key) for key in keys} == {family}


def test_the_table_of_events_names_the_output_with_each_family_s_address(template: Template) -> None:
    for family, output in re.findall(r"^\| ([\w-]+), `(\w+)` \|", between("events"), re.MULTILINE):
        assert template["Outputs"][output]["Value"]["Fn::Sub"].endswith(f"/webhooks/{family}")
    assert template["Outputs"]["WebhookUrl"]["Value"]["Fn::Sub"].endswith("/webhooks")


def request_body(name: str) -> dict[str, Any]:
    """The JSON that a command of the README sends, its shell variables filled in."""
    command = blocks(between(name), "sh")[0]
    text = command.split("<<JSON\n", 1)[1].split("\nJSON", 1)[0]
    filled = text.replace("$url", "https://hooks.example.com/webhooks").replace("$secret", "demo")
    assert "$" not in filled
    body: dict[str, Any] = json.loads(filled)
    return body


def test_cloud_takes_the_webhook_that_the_readme_creates() -> None:
    bitbucket = BitbucketCloudStandIn("acme", seed=1)
    bitbucket.start()
    try:
        answer = requests.post(
            f"{bitbucket.api_url}/workspaces/acme/hooks",
            json=request_body("hook-cloud"),
            headers={"Authorization": f"Bearer {bitbucket.token}"},
            timeout=10,
        )
    finally:
        bitbucket.stop()

    assert answer.status_code == 201, answer.text
    assert sorted(answer.json()["events"]) == sorted(KEYS["cloud"])
    assert "https://api.bitbucket.org/2.0/workspaces/acme/hooks" in between("hook-cloud")


def test_data_center_takes_the_webhook_that_the_readme_creates() -> None:
    bitbucket = BitbucketServerStandIn(seed=1)
    bitbucket.start()
    try:
        bitbucket.world.create_project("PAY", "Payments")
        answer = requests.post(
            f"{bitbucket.url}/rest/api/latest/projects/PAY/webhooks",
            json=request_body("hook-server"),
            headers={"Authorization": f"Bearer {bitbucket.token}"},
            timeout=10,
        )
    finally:
        bitbucket.stop()

    assert answer.status_code == 201, answer.text
    assert set(answer.json()["events"]) == set(KEYS["server"]) - REFUSED_BY_SERVERS
    assert "/rest/api/latest/projects/$project/webhooks" in between("hook-server")


# --- what one sees ---------------------------------------------------------------------------------------------------


def test_the_excerpt_shows_scenes_that_the_story_has() -> None:
    story = (ROOT / "local" / "story.py").read_text(encoding="utf-8")
    runner = inspect.getsource(run_stack)
    scenes = re.findall(
        r"^  (\S.*?)  +([a-z]+:[\w:, ]+?)  \d+ ms, \d+ requests? to Port$", between("excerpt"), re.MULTILINE
    )
    known = {key for keys in KEYS.values() for key in keys}

    assert len(scenes) >= 5
    assert all(f'"{text}"' in story for text, _ in scenes)
    assert {key for _, keys in scenes for key in keys.split(", ")} <= known
    assert "ready http://127.0.0.1:3000\npage http://127.0.0.1:3001\n" in between("excerpt")
    assert "Everything arrived; no queue holds anything." in runner


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_the_excerpt_counts_what_the_workspace_of_the_stand_ins_holds(product: Product) -> None:
    bitbucket = BitbucketCloudStandIn("acme", seed=1) if product == "cloud" else BitbucketServerStandIn(seed=1)
    furnish(bitbucket.world)
    world = bitbucket.world
    pull_requests = [number for repository in world.repositories for number in repository.pull_requests]
    counts = [len(some) for some in (world.projects, world.repositories, pull_requests, world.users)]
    kinds = ("project", "repository", "pull-request", "user")
    report = {"kinds": {kind: {"listed": n, "created": n} for kind, n in zip(kinds, counts, strict=True)}}

    told = between("excerpt").split(f"Resync of {resync_words.title(product)}: complete in ", 1)[1].splitlines()

    assert re.fullmatch(r"\d\.\d s, with \d+ requests to Bitbucket and \d+ to Port", told[0])
    assert told[1] == f"  {resync_words.listed(report)}; {resync_words.changed(report)}"


def test_metrics_that_are_named_are_counted() -> None:
    counted = set(METRIC_OF_OUTCOME.values())
    named = {name for text in TEXTS.values() for name in re.findall(r"`(Deliveries\w+|ConnectionTests)`", text)}

    assert named == counted
    assert f"`{lambda_receive.METRIC_NAMESPACE}`" in OPERATIONS


def logged_fields() -> set[str]:
    """Names of the fields in the log lines of all functions."""
    modules = (lambda_receive, lambda_queue, lambda_start, worker)
    sources = [inspect.getsource(module) for module in modules]
    quoted = {name for source in sources for name in re.findall(r'"([a-z_]+)":', source)}
    passed = {"error", "delivery_id", "event_key"}
    told = {*(field.name for field in dataclasses.fields(Outcome)), "new"} - {"created"}
    return told | quoted | passed | {"level", "message", "service"}


def iterate_fields(query: str) -> Iterator[str]:
    """What a Logs Insights query takes for fields."""
    without_texts = re.sub(r'"[^"]*"|/[^/\n]*/', "", query)
    for name in re.findall(r"@?[a-zA-Z_][\w.]*", without_texts):
        if not name.startswith("@") and name not in INSIGHTS_WORDS:
            yield name.partition(".")[0]


def test_queries_ask_for_fields_that_are_logged() -> None:
    queries = blocks(OPERATIONS, "insights")

    assert len(queries) >= 8
    assert {name for query in queries for name in iterate_fields(query)} <= logged_fields()


def test_the_table_of_log_fields_names_only_what_is_logged() -> None:
    table = OPERATIONS.split("| Lines of |", 1)[1].split("\n\n", 1)[0]
    told = [re.sub(r"\([^)]*\)", "", line) for line in table.splitlines()]

    assert {name for line in told for name in re.findall(r"`([a-z_]+)`", line)} <= logged_fields() | {"timestamp"}


def test_messages_that_are_named_are_written_somewhere() -> None:
    package = ROOT / "layers" / "bitbucket_port" / "bitbucket_port"
    code = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))

    for said in (
        "tried again in ",
        "given up: ",
        "mapping: ",
        "Bitbucket refused this token",
        "Port refused the client id and secret",
        "Port has no blueprint ",
    ):
        assert said in code
        assert said.split(":")[0].strip() in README + OPERATIONS


# --- roles -----------------------------------------------------------------------------------------------------------


def test_the_table_of_roles_names_every_statement_of_each_kind_of_role(template: Template) -> None:
    table = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").split("| Statement |", 1)[1].split("\n\n", 1)[0]
    rows = [re.match(r"\| `(\w+)`.*?((?: \| (?:yes|–)){6}) \|$", line) for line in table.splitlines()[2:]]
    told = {row[1]: [column == "yes" for column in row[2].split(" | ")[1:]] for row in rows if row}
    roles = {name: r for name, r in template["Resources"].items() if r["Type"] == "AWS::IAM::Role"}

    kinds = ("ReceiveRole", "ProcessRole", "ResyncWorkerRole", "ResyncStartRole", "SetUpFunctionRole", "ResyncTickRole")
    for name, role in roles.items():
        column = next(position for position, kind in enumerate(kinds) if name.endswith(kind))
        statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        sids = {(one["Fn::If"][1] if "Fn::If" in one else one)["Sid"] for one in statements}
        assert sids == {sid for sid, columns in told.items() if columns[column]}, name


# --- resyncs ---------------------------------------------------------------------------------------------------------


def test_the_table_of_a_report_names_what_a_report_tells_and_nothing_else() -> None:
    table = OPERATIONS.split("<!-- report:start -->", 1)[1].split("<!-- report:end -->", 1)[0]
    run = Run("1-a", "full", 1, "report", "hash", started=0.0, reason="interval", until=9.0)
    report = whole(run, [], {}, at=1.0)
    fields = {*report, *report["requests"], *get_args(Count), *get_args(RunKind), *get_args(Status), "status"}
    blueprints = {"ours", "missing", "differing", "unclaimed", "blocked"}
    package = ROOT / "layers" / "bitbucket_port" / "bitbucket_port" / "resync"
    counting = "".join((package / name).read_text(encoding="utf-8") for name in ("portside.py", "sweep.py"))

    named = set(re.findall(r"`([a-z_-]+)`", table))
    assert named <= fields | blueprints
    assert set(report) - {"run", "mapping"} <= named
    assert set(get_args(Status)) <= named
    assert all(f"{name}=" in counting for name in blueprints)


def test_the_command_for_the_last_report_asks_where_reports_are_kept() -> None:
    command = next(block for block in blocks(OPERATIONS, "sh") if "dynamodb query" in block)

    assert f'"S": "{dynamodb._REPORTS}"' in command
    assert "Items[0].report.S" in command


def test_what_the_documents_say_of_intervals_is_what_holds(template: Template) -> None:
    full = template["Parameters"]["ScheduledResyncInterval"]["Default"]

    assert (full, dict(settings.LIST_INTERVAL)) == (settings.SCHEDULED_RESYNC_INTERVAL, {"cloud": 60, "server": 15})
    assert "`ScheduledResyncInterval` (360 minutes)" in OPERATIONS
    assert "`ListInterval` (60 minutes on Cloud, 15 on Data Center)" in OPERATIONS
    assert "within two hours of its last sign of life" in OPERATIONS
    assert start.LEASE_SECONDS == 2 * 3600
    assert "fails twelve times" in OPERATIONS
    assert worker.MOST_TRIES == 12


def test_the_command_that_begins_a_resync_asks_for_what_the_function_understands(template: Template) -> None:
    command = template["Outputs"]["ResyncCommand"]["Value"]["Fn::Sub"]
    payload = json.loads(command.split("--payload '", 1)[1].split("'", 1)[0])

    assert payload == {"resync": "full"}
    assert set(payload.values()) <= set(get_args(RunKind))
    assert 'sed \'s/"full"/"list"/\'' in OPERATIONS
    assert [lambda_start._wanted({"resync": kind}) for kind in ("full", "list")] == ["full", "list"]


# --- the shell -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, text in SHELL.items() if text])
def test_commands_are_good_shell(name: str) -> None:
    # A placeholder like <ARN …> would read from a file.
    text = re.sub(r"<[A-Z][^<>\n]*>", "placeholder", SHELL[name])

    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)

    assert checked.stderr == ""


def test_the_two_commands_lead_to_the_runner_and_the_tests() -> None:
    """What make would do, without doing it."""

    def recipe(target: str) -> str:
        return subprocess.run(
            ["make", "--dry-run", "--no-print-directory", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]

    assert "python -m local" in recipe("run")
    assert "python -m pytest" in recipe("test")
