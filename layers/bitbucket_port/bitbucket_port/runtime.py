"""Puts the parts together for one execution environment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import boto3
from botocore.config import Config

from bitbucket_port import __version__
from bitbucket_port.bitbucket.budget import Budgets
from bitbucket_port.bitbucket.budget_dynamodb import DynamoDBBudgetStore
from bitbucket_port.bitbucket.client import Bitbucket
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.ca_bundle import CaBundle
from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.facts import facts_of
from bitbucket_port.catalog.held import Timing
from bitbucket_port.catalog.outside import Followers
from bitbucket_port.catalog.settle import WriteOptions
from bitbucket_port.errors import TransientError
from bitbucket_port.http import Deadline
from bitbucket_port.live import LiveEvents, SourceName
from bitbucket_port.mapping.active import Active, ActiveMapping
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.port.client import PortClient
from bitbucket_port.reading import BitbucketReader, RefusedCredentials
from bitbucket_port.resync.drift import Shapes
from bitbucket_port.resync.jobs import JobFollowers
from bitbucket_port.secrets import Secret, SecretReader
from bitbucket_port.settings import Settings

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
_NO_TIME = 0.0
LONGEST_DELAY = 900
"""Seconds SQS delays a message for."""
_AT_ONCE = 10
_LARGEST_BATCH = 900_000
"""Bytes; SQS takes ten messages and 1 MiB at once, and messages are ASCII."""
_SPARE_SECONDS = 4.0
"""Left of a function's time for giving leases back and telling SQS when to try again."""


class Runtime:
    """Clients and compiled mapping, made once and used by every invocation, one at a time.

    ``leaves_reserve`` may be set at any time: whether requests to Bitbucket leave some of its limit to live events.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.settings = Settings.from_environment(os.environ if environment is None else environment)
        self.sqs = boto3.client("sqs", config=_CONFIG)
        self.dynamodb = boto3.client("dynamodb", config=_CONFIG)
        self.ledger = DynamoDBLedger(self.dynamodb, self.settings.ledger_table)
        self._secrets = SecretReader(boto3.client("secretsmanager", config=_CONFIG))
        self._active = ActiveMapping(self.ledger)
        self._followed = ""
        self.leaves_reserve = False
        self._deadline = Deadline.after(_NO_TIME)

    # --- one invocation ----------------------------------------------------------------------------------------------

    def begin(self, milliseconds_left: int) -> None:
        """Start an invocation that has this much time left: no request will outlive it."""
        self._deadline = Deadline.after(milliseconds_left / 1000 - _SPARE_SECONDS)
        self.port.deadline = self._deadline
        if self._bitbucket is not None:
            self._bitbucket.deadline = self._deadline

    def time_left(self) -> bool:
        """Whether there is enough time to begin something more."""
        return self._deadline.left() > 0

    # --- the mapping -------------------------------------------------------------------------------------------------

    @cached_property
    def engine(self) -> MappingEngine:
        """The mapping in use, ready to run. Raises TransientError while it was never read and cannot be."""
        return self._engine_of(self._which_mapping())

    def follow_mapping(self) -> bool:
        """Use the mapping that is active now; returns whether it is another one than before.

        One small read of the ledger, none where the packaged mapping counts. What was made of another mapping is made
        anew. Raises TransientError when the ledger cannot be reached: that never means that no mapping is active.
        """
        active = self._which_mapping()
        if "engine" in self.__dict__ and active.hash == self._followed:
            return False
        self.engine = self._engine_of(active)
        for made_of_it in ("live", "reader"):
            self.__dict__.pop(made_of_it, None)
        return True

    def _which_mapping(self) -> Active:
        return self._active.which() if self.settings.mapping_source == "port" else Active()

    def _engine_of(self, active: Active) -> MappingEngine:
        product, preset = self.settings.product, self.settings.mapping_preset
        if active.hash:
            document, file = self._active.document(active), "the active mapping"
        else:
            document, file = load(product, preset), f"mappings/{product}/{preset}.yaml"
        self._followed = active.hash
        return MappingEngine(parse(document, product=product, file=file), now=time.time)

    @cached_property
    def live(self) -> LiveEvents:
        """The live path."""
        settings = self.settings
        return LiveEvents(
            product=settings.product,
            base_url=settings.bitbucket_url,
            source=self.source,
            ledger=self.ledger,
            applier=self.applier(Timing()),
            kinds=self.engine.kinds(),
            wants=self.engine.wants,
            reads=self.reader is not None,
        )

    def applier(self, timing: Timing, followers: Followers | None = None) -> Applier:
        """Applies changes with these times; without ``followers`` jobs belong to no run."""
        mapping, product = self.engine.mapping, self.settings.product
        return Applier(
            ledger=self.ledger,
            mapper=self.engine,
            port=self.port,
            reader=self.reader,
            followers=followers or JobFollowers(self.send_job, reads=self.reader is not None),
            options=WriteOptions(
                mapping.enable_merge, mapping.create_missing, mapping.delete_dependents, Shapes.of(mapping).expected
            ),
            projects="project" in self.engine.kinds(),
            timing=timing,
            facts_of=lambda key, address, obj: facts_of(product, key.kind, address, obj),
        )

    def send_job(self, message: str, *, delay: int = 0) -> None:
        """Put a message on the jobs queue; ``delay`` in seconds, at most 900 (SQS)."""
        self.send_jobs([message], delay)

    def send_jobs(self, messages: Sequence[str], delay: int = 0) -> None:
        """Put messages on the jobs queue, a few at a time; raises TransientError when the queue refuses one."""
        for some in _batches(messages):
            answer = self.sqs.send_message_batch(
                QueueUrl=self.settings.resync_jobs_queue_url,
                Entries=[
                    {"Id": str(number), "MessageBody": message, "DelaySeconds": min(delay, LONGEST_DELAY)}
                    for number, message in enumerate(some)
                ],
            )
            if answer.get("Failed"):
                codes = sorted({failure["Code"] for failure in answer["Failed"]})
                raise TransientError(f"SQS did not take {len(answer['Failed'])} jobs: {', '.join(codes)}")

    def spent(self) -> tuple[int, int]:
        """Requests sent so far, to Bitbucket and to Port."""
        return self._bitbucket.requests if self._bitbucket is not None else 0, self.port.requests

    # --- clients -----------------------------------------------------------------------------------------------------

    @cached_property
    def port(self) -> PortClient:
        """Port, seen as this integration."""
        settings = self.settings
        return PortClient(
            settings.port_base_url,
            client_id=settings.port_client_id,
            client_secret=self._port_secret,
            integration_type=settings.integration_type,
            integration_identifier=settings.integration_identifier,
            version=__version__,
            installation=f"{settings.ledger_table} {settings.workspace} {settings.bitbucket_url}",
            deadline=self._deadline,
            verify=lambda: self.trusted,
        )

    @cached_property
    def _bitbucket(self) -> Bitbucket | None:
        settings = self.settings
        if settings.webhook_only:
            return None
        return connect(
            settings.product,
            settings.bitbucket_url,
            lambda: self._bitbucket_token().value,
            deadline=self._deadline,
            workspace=settings.workspace,
            username=settings.bitbucket_username,
            verify=lambda: self.trusted,
            budgets=Budgets(DynamoDBBudgetStore(self.dynamodb, settings.ledger_table), settings.product).of,
            reserve=lambda: self.leaves_reserve,
        )

    @cached_property
    def reader(self) -> BitbucketReader | None:
        """Bitbucket, None in webhook-only mode."""
        if self._bitbucket is None:
            return None
        return BitbucketReader(
            self._bitbucket,
            source=self.source.of,
            wants=self.engine.wants,
            refused=RefusedCredentials(self.ledger),
            version=lambda: self._bitbucket_token().version,
            mapping_hash=lambda: self.engine.mapping.hash,
            people=self.port.user_emails,
        )

    @cached_property
    def source(self) -> SourceName:
        """The prefix of source keys."""
        ask: Callable[[], str] | None = None if self._bitbucket is None else self._ask_source
        return SourceName(
            product=self.settings.product,
            workspace=self.settings.workspace,
            base_url=self.settings.bitbucket_url,
            ledger=self.ledger,
            ask=ask,
        )

    def _ask_source(self) -> str:
        if self.reader is None:
            raise ValueError("webhook-only mode asks Bitbucket nothing")
        return self.reader.source()

    # --- secrets -----------------------------------------------------------------------------------------------------

    def access_tokens(self) -> int:
        """How many credentials of Bitbucket there are, each with a limit of its own."""
        if self.settings.bitbucket_username:
            return 1
        return sum(bool(part.strip()) for part in self._bitbucket_token().value.split(","))

    def credentials(self) -> list[str]:
        """Bitbucket's and Port's, themselves: for masking them in what is shown to others."""
        tokens = [] if self.settings.webhook_only else self._bitbucket_token().value.split(",")
        return [*(token.strip() for token in tokens), self._port_secret()]

    def _port_secret(self) -> str:
        return self._secret(self.settings.port_client_secret_secret, "portClientSecret").value

    def _bitbucket_token(self) -> Secret:
        return self._secret(self.settings.bitbucket_token_secret, "bitbucketToken")

    def _secret(self, arn: str, field: str) -> Secret:
        if self.settings.credentials_secret:
            return self._secrets.current_field(self.settings.credentials_secret, field)
        return self._secrets.current(arn)

    @property
    def trusted(self) -> bool | str:
        """What ``requests`` verifies certificates against: the public authorities and those of CaBundleSecretArn.

        Asked with each request: a rotated bundle is taken up as any other secret is.
        """
        return self._ca_bundle.path() if self.settings.ca_bundle_secret else True

    @cached_property
    def _ca_bundle(self) -> CaBundle:
        return CaBundle(lambda: self._secrets.current(self.settings.ca_bundle_secret))


def _batches(messages: Sequence[str]) -> Iterator[list[str]]:
    """What SQS takes in one request."""
    some: list[str] = []
    for message in messages:
        if some and (len(some) == _AT_ONCE or sum(map(len, some)) + len(message) > _LARGEST_BATCH):
            yield some
            some = []
        some.append(message)
    if some:
        yield some
