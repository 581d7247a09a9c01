"""Puts set-up together for one process without a stack: nothing is kept, and there is no queue for jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bitbucket_port.cli.without_stack import CommandRuntime
from bitbucket_port.hooks.assembly import hook_api, hook_settings
from bitbucket_port.hooks.store import MemoryHookStore
from bitbucket_port.hooks.subjects import Subjects
from bitbucket_port.hooks.webhooks import Webhooks
from bitbucket_port.hooks.work import Work
from bitbucket_port.mapping.shipped import load_blueprints
from bitbucket_port.port.integration import PortIntegration
from bitbucket_port.secrets import Secret
from bitbucket_port.setup.blueprints import Blueprints, used_by
from bitbucket_port.setup.checks import Checks
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.integration import Integration
from bitbucket_port.setup.run import SetUp

if TYPE_CHECKING:
    from bitbucket_port.reading import BitbucketReader


_NOT_SIGNED = Finding(
    "Webhooks",
    "skipped",
    "WEBHOOK_SECRET is not set, so those of BASE_URL are left as they are.",
    "Set it to what they are signed with; for a stack use --stack.",
)


class WebhooksNow:
    """Webhooks made and looked at here and now, as set-up asks for them (``setup.run.WebhooksPart``).

    ``signed``: whether it is known what with; otherwise they are left as they are.
    """

    def __init__(self, webhooks: Webhooks, *, signed: bool) -> None:
        self._webhooks = webhooks
        self._signed = signed

    def plan(self, *, force: bool) -> list[Finding]:
        """Make them and put them right, all before this returns. Raises TransientError when Bitbucket is not there.

        What was not right is looked at before: nobody remembers it afterwards.
        """
        if not self._signed:
            return [_NOT_SIGNED]
        wrong = [one for one in self._webhooks.inspect() if one.outcome == "warning"]
        found = self._webhooks.do_now(force=force)
        still = {one.about for one in found if one.outcome == "warning"}
        mended = [replace(one, outcome="changed", fix="") for one in wrong if one.about not in still]
        return [*(replace(one, text=f"put right; before: {one.text}") for one in mended), *found]

    def inspect(self) -> list[Finding]:
        """How they stand in Bitbucket itself: nothing is recorded here."""
        return self._webhooks.inspect() if self._signed else [_NOT_SIGNED]

    def by_hand(self) -> list[Finding]:
        """See Webhooks."""
        return self._webhooks.by_hand()

    def remove_all(self, time_left: Callable[[], bool]) -> list[Finding]:
        """See Webhooks."""
        return self._webhooks.remove_all(time_left)


def set_up_of(runtime: CommandRuntime, webhook_secret: str) -> SetUp:
    """Set-up over the runtime's clients. ``webhook_secret``: the value itself; empty where nobody gave one."""
    settings = runtime.settings
    webhooks = _webhooks(runtime, webhook_secret)
    return SetUp(
        settings=settings,
        checks=Checks(
            settings=settings,
            port_client=runtime.port,
            bitbucket_reader=runtime.reader,
            engine=lambda: runtime.engine,
            tokens=runtime.access_tokens,
            test_webhook=webhooks.test_reachability,
            trusted=runtime.trusted,
        ),
        blueprints=Blueprints(
            runtime.port,
            None,
            load_blueprints(settings.product, settings.mapping_preset),
            creates=settings.initialize_port_resources,
            used=lambda: used_by(runtime.engine.mapping),
        ),
        integration=Integration(
            PortIntegration(runtime.port, settings.integration_identifier),
            product=settings.product,
            preset=settings.mapping_preset,
            source=settings.mapping_source,
        ),
        webhooks=WebhooksNow(webhooks, signed=bool(webhook_secret)),
        reports=None,
        time_left=runtime.time_left,
    )


def _webhooks(runtime: CommandRuntime, secret: str) -> Webhooks:
    settings = hook_settings(runtime.settings)
    if runtime.reader is None:
        return Webhooks(settings, None)
    return Webhooks(settings, _work(runtime, runtime.reader, secret))


def _work(runtime: CommandRuntime, reader: BitbucketReader, secret: str) -> Work:
    settings = runtime.settings
    return Work(
        settings=hook_settings(settings),
        store=MemoryHookStore(),
        api=hook_api(settings.product, reader, settings.workspace),
        subjects=Subjects(reader, runtime.engine.mapping, settings.workspace),
        send=runtime.send_jobs,
        secret=lambda: Secret(secret, "given"),
        time_left=runtime.time_left,
    )
