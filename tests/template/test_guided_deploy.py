"""`sam deploy --guided`, the SAM CLI's own, asks what the README says and ends with the parameters a stack needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.rules import broken
from scripts.sam_template import TEMPLATE, Template
from tests.template.aws_account import AwsAccount
from tests.template.cloudformation import parameters
from tests.template.dialogue import Dialogue, Question, hold

ROOT = TEMPLATE.parent
SAM = ROOT / ".venv-sam" / "bin" / "sam"
SECRETS = {"BitbucketToken": "t0ken-one,t0ken-two", "PortClientSecret": 's3cret "quoted" $x'}
# All that has to be typed, in the order in which it is asked for.
TYPED = {
    "cloud": {"BitbucketWorkspace": "acme", "PortClientId": "client", **SECRETS},
    "server": {"BitbucketUrl": "https://git.example.com/bitbucket", "PortClientId": "client", **SECRETS},
}
# One answer to every question that has one, so that nothing is lost between the dialogue and the next deployment.
EVERYTHING = {
    **SECRETS,
    "BitbucketWorkspace": "{6e1f0f0e-0000-4000-8000-000000000001}",
    "BitbucketUrl": "https://proxy.example.com:8443/2.0",
    "PortClientId": "client=1",
    "BitbucketProduct": "cloud",
    "BitbucketUsername": "bot@example.com",
    "PortBaseUrl": "https://api.us.getport.io",
    "CredentialsSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:team/mine-AbCd12",
    "IntegrationIdentifier": "acme+emea",
    "BitbucketApi": "full",
    "LiveEvents": "false",
    "BaseUrl": "https://hooks.example.com/bitbucket",
    "BitbucketIsVersion8Point7OrOlder": "true",
    "MappingSource": "package",
    "MappingPreset": "ocean",
    "InitializePortResources": "false",
    "SendRawDataExamples": "false",
    "ScheduledResyncInterval": "720",
    "ListInterval": "30",
    "PortPollInterval": "5",
    "ResyncConcurrency": "5",
    "AlarmEmail": "ops@example.com",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:alarms",
    "LogLevel": "DEBUG",
    "LogRetentionDays": "90",
    "Architecture": "x86_64",
    "VpcSubnetIds": "subnet-0a1,subnet-0b2",
    "VpcSecurityGroupIds": "sg-0a1,sg-0b2",
    "HttpsProxy": "http://proxy.example.com:3128",
    "NoProxy": "git.example.com,.internal.example.com",
    "CaBundleSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca-AbCd12",
    "KmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000000",
    "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary",
}


def asked_for(question: Question) -> str | None:
    """The parameter that the question asks for."""
    match = re.fullmatch(r"Parameter (\w+)", question.text)
    return match[1] if match else None


def parameters_asked(dialogue: Dialogue) -> list[str]:
    """The parameters in the order of the questions."""
    return [name for question in dialogue.questions if (name := asked_for(question))]


class Person:
    """Types the values given, y where somebody has to agree, and Enter everywhere else."""

    def __init__(self, typed: dict[str, str], *, agree: tuple[str, ...] = ("has no authentication",)) -> None:
        self._typed = typed
        self._agree = agree

    def __call__(self, question: Question) -> str:
        if any(words in question.text for words in self._agree):
            return "y"
        return self._typed.get(asked_for(question) or "", "")


class Desk:
    """A checkout of the project on somebody's machine, and an AWS account that nothing was deployed to yet."""

    def __init__(self, folder: Path, account: AwsAccount) -> None:
        self.folder = folder / "checkout"
        self.account = account
        self._home = folder / "home"
        self._home.mkdir()
        # Else the SAM CLI would ask the internet whether there is a newer one.
        (self._home / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}), encoding="utf-8")
        for name in ("functions", "layers"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
        for name in ("template.yaml", "samconfig.toml"):
            shutil.copy(ROOT / name, self.folder)

    def sam(self, *arguments: str, answer: Callable[[Question], str]) -> Dialogue:
        """Runs the SAM CLI; every question goes to ``answer``."""
        return hold([str(SAM), *arguments], answer, folder=self.folder, environment=self._environment())

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "TERM": "dumb",
            "COLUMNS": "120",
            "__SAM_CLI_APP_DIR": str(self._home),
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ENDPOINT_URL": self.account.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Desk]]:
    """Makes desks; skips, or fails where the SAM CLI has to be there (REQUIRE_SAM=1), without the SAM CLI."""
    if not SAM.exists():
        message = "the SAM CLI is not there: `make validate` installs it into .venv-sam"
        if os.environ.get("REQUIRE_SAM") == "1":
            pytest.fail(message)
        pytest.skip(message)
    accounts = []

    def desk() -> Desk:
        account = AwsAccount()
        account.start()
        accounts.append(account)
        return Desk(tmp_path_factory.mktemp("desk"), account)

    yield desk
    for account in accounts:
        account.stop()


@pytest.fixture(scope="module", params=["cloud", "server"])
def product(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def first(desks: Callable[[], Desk], product: str) -> tuple[Desk, Dialogue]:
    """The first deployment as the README describes it, which one ends before the change set is carried out."""
    desk = desks()
    return desk, desk.sam("deploy", "--guided", "--config-env", product, answer=Person(TYPED[product]))


def test_what_must_be_typed_and_enter_for_the_rest_end_with_the_right_parameters(
    first: tuple[Desk, Dialogue], product: str, template: Template
) -> None:
    desk, dialogue = first

    assert dialogue.status == 0, dialogue.screen
    (change_set,) = desk.account.change_sets
    expected = parameters(template, {**TYPED[product], "BitbucketProduct": product})
    assert change_set.parameters == expected
    assert broken(template["Rules"], change_set.parameters) == []
    assert change_set.stack == f"bitbucket-{product}"
    assert change_set.kind == "CREATE"
    assert change_set.capabilities == ("CAPABILITY_IAM",)


def test_questions_come_in_the_templates_order_those_that_need_an_answer_first(
    first: tuple[Desk, Dialogue], product: str, template: Template
) -> None:
    _, dialogue = first
    asked = parameters_asked(dialogue)

    assert asked == list(template["Parameters"])
    assert set(TYPED["cloud"]) | set(TYPED["server"]) == set(asked[:5])


def test_what_enter_would_take_is_shown_in_brackets(
    first: tuple[Desk, Dialogue], product: str, template: Template
) -> None:
    _, dialogue = first
    offered = {name: question.offered for question in dialogue.questions if (name := asked_for(question))}

    expected = {name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()}
    assert offered == {**expected, "BitbucketProduct": product, **dict.fromkeys(SECRETS)}


def test_secrets_are_typed_blindly_and_nothing_shows_or_keeps_them(first: tuple[Desk, Dialogue]) -> None:
    desk, dialogue = first
    kept = (desk.folder / "samconfig.toml").read_text(encoding="utf-8")

    assert {asked_for(question) for question in dialogue.questions if question.hidden} == set(SECRETS)
    for secret in SECRETS.values():
        assert secret not in dialogue.screen
        assert secret not in kept
        assert secret.replace('"', '\\"') not in kept


def test_the_only_other_answers_needed_are_those_the_readme_names(first: tuple[Desk, Dialogue]) -> None:
    _, dialogue = first
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # Enter would be a no; each of these ends the deployment.
    refused_by_enter = [question.text for question in dialogue.questions if question.offered == "y/N"]
    open_routes = [text for text in refused_by_enter if text.endswith("has no authentication. Is this okay?")]

    assert len(open_routes) == 5
    assert f"`{open_routes[0]}` and four more like it" in readme
    assert [text for text in refused_by_enter if text not in open_routes] == ["Deploy this changeset?"]
    assert "`Deploy this changeset?`" in readme


def test_the_next_deployment_asks_for_no_parameter_and_changes_none(first: tuple[Desk, Dialogue], product: str) -> None:
    desk, _ = first
    made = desk.account.change_sets[0]
    desk.account.carry_out(made)

    dialogue = desk.sam("deploy", "--config-env", product, answer=Person({}))

    assert dialogue.status == 0, dialogue.screen
    assert [question.text for question in dialogue.questions] == ["Deploy this changeset?"]
    change_set = desk.account.change_sets[-1]
    assert change_set.kind == "UPDATE"
    assert change_set.stack == made.stack
    assert change_set.capabilities == made.capabilities
    assert change_set.parameters == made.parameters


def test_every_answer_reaches_cloudformation_and_is_offered_again(
    desks: Callable[[], Desk], template: Template
) -> None:
    desk = desks()
    assert set(EVERYTHING) == set(template["Parameters"])

    dialogue = desk.sam("deploy", "--guided", "--config-env", "cloud", answer=Person(EVERYTHING))

    assert dialogue.status == 0, dialogue.screen
    desk.account.carry_out(desk.account.change_sets[0])
    again = desk.sam("deploy", "--guided", "--config-env", "cloud", answer=Person(SECRETS))
    assert again.status == 0, again.screen
    desk.sam("deploy", "--config-env", "cloud", answer=Person({}))
    assert [change_set.parameters for change_set in desk.account.change_sets] == [EVERYTHING] * 3


@pytest.fixture(scope="module")
def hesitant(desks: Callable[[], Desk]) -> tuple[Desk, Dialogue]:
    """Somebody who tries Enter first where a secret is asked for, and where a route is said to be open."""
    desk = desks()
    tries = {name: iter(["", value]) for name, value in SECRETS.items()}
    person = Person(TYPED["cloud"], agree=())

    def answer(question: Question) -> str:
        name = asked_for(question) or ""
        return next(tries[name]) if name in tries else person(question)

    return desk, desk.sam("deploy", "--guided", "--config-env", "cloud", answer=answer)


def test_enter_is_no_answer_where_a_secret_is_asked_for(hesitant: tuple[Desk, Dialogue]) -> None:
    _, dialogue = hesitant
    twice = ["BitbucketToken", "BitbucketToken", "PortClientSecret", "PortClientSecret"]

    assert [name for name in parameters_asked(dialogue) if name in SECRETS] == twice


def test_enter_where_somebody_has_to_agree_ends_the_deployment(hesitant: tuple[Desk, Dialogue]) -> None:
    desk, dialogue = hesitant

    assert dialogue.status != 0
    assert "Security Constraints Not Satisfied" in dialogue.screen
    assert desk.account.change_sets == []


@pytest.mark.parametrize(
    ("product", "typed", "reasons"),
    [
        (
            "cloud",
            {"BitbucketWorkspace": "", "PortClientSecret": "-"},
            ["BitbucketProduct cloud needs BitbucketWorkspace", "PortClientSecret can be a dash only with"],
        ),
        (
            "server",
            {"BitbucketUrl": "", "BitbucketToken": "-"},
            ["BitbucketProduct server needs BitbucketUrl", "BitbucketToken can be a dash only with"],
        ),
        ("cloud", {"PortClientId": ""}, ["must be the client ID that Port shows under Credentials"]),
    ],
    indirect=["product"],
)
def test_what_was_forgotten_is_said_before_anything_is_made(
    desks: Callable[[], Desk], product: str, typed: dict[str, str], reasons: list[str]
) -> None:
    desk = desks()

    person = Person({**TYPED[product], **typed})
    dialogue = desk.sam("deploy", "--guided", "--config-env", product, answer=person)

    assert dialogue.status != 0
    screen = " ".join(dialogue.screen.split())
    assert [reason for reason in reasons if reason not in screen] == []
    assert desk.account.change_sets == []


def test_both_environments_of_the_configuration_deploy_alike_but_for_product_and_name() -> None:
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    cloud, server = (configuration[name]["deploy"]["parameters"] for name in ("cloud", "server"))

    own = ("stack_name", "s3_prefix", "parameter_overrides")
    assert [cloud[name] for name in own] == ["bitbucket-cloud", "bitbucket-cloud", "BitbucketProduct=cloud"]
    assert [server[name] for name in own] == ["bitbucket-server", "bitbucket-server", "BitbucketProduct=server"]
    assert {name: cloud[name] for name in cloud if name not in own} == {
        name: server[name] for name in server if name not in own
    }
    assert cloud["disable_rollback"] is True
