"""One Bitbucket stand-in and the webhooks of one stack at it, without AWS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.errors import TransientError
from bitbucket_port.hooks.assembly import hook_api
from bitbucket_port.hooks.store import HookStore, MemoryHookStore
from bitbucket_port.hooks.subjects import Subjects
from bitbucket_port.hooks.wanted import HookSettings
from bitbucket_port.hooks.webhooks import Webhooks
from bitbucket_port.hooks.work import Work
from bitbucket_port.http import Deadline
from bitbucket_port.mapping.model import Wants
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.reading import BitbucketReader, RefusedCredentials
from bitbucket_port.resync.jobs import parse_any
from bitbucket_port.resync.stack_jobs import HookJob
from bitbucket_port.secrets import Secret
from bitbucket_port.setup.findings import Finding
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn

BASE_URL = "https://hooks.example.com"
OWNER = "0a1b2c3d-stack"
NAME = f"bitbucket-port/{OWNER}"
DAY = 24 * 3600.0


class Notes:
    """The ledger's notes in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def note(self, name: str, values: Any, *, only_if_absent: bool = False) -> Any:
        if not (only_if_absent and name in self.kept):
            self.kept[name] = values
        return self.kept[name]

    def noted(self, name: str) -> Any:
        return self.kept.get(name, {})


class _Interrupted(BitbucketReader):
    """Tells the scene of every request to webhooks, before it is sent and after it was answered."""

    scene: Scene

    def asked(self, ask: Any) -> Any:
        self.scene.on_request()
        answer = super().asked(ask)
        self.scene.on_request()
        return answer


class Scene:
    """``bitbucket`` and, by ``webhooks()``, what the functions of the stack would work with.

    ``messages`` is the queue; ``secret`` and ``now`` may be changed at any time.
    """

    def __init__(self, product: Product, *, store: HookStore | None = None, base_url: str = BASE_URL) -> None:
        self.product = product
        self.bitbucket: Any = (
            BitbucketCloudStandIn("acme", seed=3) if product == "cloud" else BitbucketServerStandIn(seed=3)
        )
        self.bitbucket.start()
        self.store = store or MemoryHookStore()
        self.base_url = base_url
        self.owner = OWNER
        self.secret = Secret("first secret", "1")
        self.now = time.time()
        self.messages: list[str] = []
        self.mapping: JsonObject = load(product, "default")
        self.repositories: bool | None = None
        self.why_none = ""
        self.time_left: Callable[[], bool] = lambda: True
        self.on_request: Callable[[], None] = lambda: None
        self.notes = Notes()

    def stop(self) -> None:
        self.bitbucket.stop()

    @property
    def world(self) -> Any:
        return self.bitbucket.world

    def reader(self) -> BitbucketReader:
        workspace = "acme" if self.product == "cloud" else ""
        adapter = connect(
            self.product,
            self.bitbucket.api_url,
            lambda: self.bitbucket.token,
            deadline=Deadline.after(60),
            workspace=workspace,
            sleep=lambda seconds: None,
        )
        made = _Interrupted(
            adapter,
            source=adapter.source,
            wants=lambda kind: Wants(),
            refused=RefusedCredentials(self.notes),
            version=lambda: "1",
        )
        made.scene = self
        return made

    def settings(self) -> HookSettings:
        return HookSettings(
            self.product, self.base_url, self.owner, self.repositories, self.why_none, "print-the-secret"
        )

    def webhooks(self) -> Webhooks:
        reader, settings = self.reader(), self.settings()
        workspace = "acme" if self.product == "cloud" else ""
        mapping = parse(self.mapping, product=self.product, file="mapping.yaml")
        return Webhooks(
            settings,
            Work(
                settings=settings,
                store=self.store,
                api=hook_api(self.product, reader, workspace),
                subjects=Subjects(reader, mapping, workspace),
                send=self.send,
                secret=lambda: self.secret,
                time_left=self.time_left,
                clock=lambda: self.now,
                sleep=self.skip,
            ),
        )

    def send(self, messages: Sequence[str], delay: int = 0) -> None:
        del delay
        self.messages.extend(messages)

    def skip(self, seconds: float) -> None:
        self.now += seconds

    # --- what people and functions do --------------------------------------------------------------------------------

    def plan(self, *, force: bool = False) -> list[Finding]:
        """What set-up does, and then every job to its end; time goes on between."""
        self.now += 1
        planned = self.webhooks().plan(force=force)
        self.work()
        return planned

    def work(self, most: int = 200) -> None:
        """The worker: one message after the other; what is to come again comes last."""
        receives: dict[str, int] = {}
        for _ in range(most):
            if not self.messages:
                return
            message = self.messages.pop(0)
            receives[message] = receives.get(message, 0) + 1
            job = parse_any(message)
            assert isinstance(job, HookJob)
            try:
                self.webhooks().look_after(job, receives=receives[message])
            except TransientError:
                self.now += 60
                self.messages.append(message)
        raise AssertionError("the queue never emptied")

    def findings(self) -> list[Finding]:
        return self.webhooks().findings()

    def ours(self) -> list[Any]:
        """Webhooks that lead to us, whoever made them."""
        return [hook for hook in self.bitbucket.hooks if hook.url.startswith(self.base_url)]

    def foreign(self) -> list[tuple[Any, ...]]:
        """All others, as they are."""
        return [
            (id(hook), hook.url, hook.active, hook.events, hook.secret)
            for hook in self.bitbucket.hooks
            if not hook.url.startswith(self.base_url)
        ]

    def writes(self) -> int:
        """Requests that changed webhooks, so far."""
        return sum(one.method != "GET" and "hooks" in one.path for one in self.bitbucket.requests)


def texts(findings: Sequence[Finding]) -> str:
    return "\n".join(map(str, findings))
