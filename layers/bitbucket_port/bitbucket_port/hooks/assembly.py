"""Puts the webhooks of a stack together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from bitbucket_port.errors import SettingsError
from bitbucket_port.hooks.cloud import CloudHooks
from bitbucket_port.hooks.dynamodb import DynamoDBHookStore
from bitbucket_port.hooks.model import HookApi
from bitbucket_port.hooks.server import ServerHooks
from bitbucket_port.hooks.subjects import Bitbucket, Subjects
from bitbucket_port.hooks.wanted import HookSettings
from bitbucket_port.hooks.webhooks import Webhooks
from bitbucket_port.hooks.work import Work
from bitbucket_port.objects import Product
from bitbucket_port.secrets import Secret, SecretReader
from bitbucket_port.settings import Settings

if TYPE_CHECKING:
    from bitbucket_port.runtime import Runtime

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})


def webhooks_of(runtime: Runtime) -> Webhooks:
    """The webhooks of the stack whose function this is. Asks nothing yet."""
    settings = hook_settings(runtime.settings)
    reader = runtime.reader
    if reader is None:
        return Webhooks(settings, None)
    work = Work(
        settings=settings,
        store=DynamoDBHookStore(runtime.dynamodb, runtime.settings.ledger_table),
        api=hook_api(settings.product, reader, runtime.settings.workspace),
        subjects=Subjects(reader, runtime.engine.mapping, runtime.settings.workspace),
        send=runtime.send_jobs,
        secret=lambda: _webhook_secret(runtime.settings),
        time_left=runtime.time_left,
    )
    return Webhooks(settings, work)


def hook_settings(settings: Settings) -> HookSettings:
    """What a stack's webhooks are to be like, or why none are made."""
    command = (
        f"aws secretsmanager get-secret-value --secret-id {settings.webhook_secret} --query SecretString --output text"
        if settings.webhook_secret
        else ""
    )
    return HookSettings(
        product=settings.product,
        base_url=settings.base_url,
        owner=settings.stack_id or settings.integration_identifier,
        repositories=settings.repository_webhooks,
        why_none=_why_none(settings),
        secret_command=command,
    )


def hook_api(product: Product, bitbucket: Bitbucket, workspace: str) -> HookApi:
    """The product's API of webhooks."""
    return CloudHooks(bitbucket, workspace) if product == "cloud" else ServerHooks(bitbucket)


def _why_none(settings: Settings) -> str:
    if settings.webhook_only:
        return "BitbucketApi is none, so nothing here ever calls Bitbucket"
    if not settings.live_events:
        return "LiveEvents is false"
    if not settings.base_url:
        return "there is no public URL (BaseUrl)"
    return ""


def _webhook_secret(settings: Settings) -> Secret:
    if not settings.webhook_secret:
        raise SettingsError("WEBHOOK_SECRET_ARN is not set: name the secret that webhooks are signed with")
    return SecretReader(boto3.client("secretsmanager", config=_CONFIG)).current(settings.webhook_secret, fresh=True)
