"""What moto holds, on disk: items, messages and secrets, so that a stack goes on after a restart where it was.

Only contents: tables, queues and secrets themselves come from the template, and are there before their contents are.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from local.account import ACCOUNT
from local.aws.expiry import items

VERSION = 1
_MESSAGE = (
    "id",
    "body",
    "system_attributes",
    "message_attributes",
    "receipt_handle",
    "sent_timestamp",
    "approximate_first_receive_timestamp",
    "approximate_receive_count",
    "visible_at",
    "delayed_until",
    "received_at",
)
_SECRET = ("versions", "default_version_id", "created_date", "last_changed_date", "deleted_date", "description")


def save(path: Path, region: str) -> None:
    """Write everything to the file in one step, readable by its owner only (it holds the secrets)."""
    tables, queues, secrets = _resources(region)
    document = {
        "v": VERSION,
        "at": time.time(),
        "tables": {name: [item.to_json()["Attributes"] for item in items(table)] for name, table in tables.items()},
        "queues": {name: [_fields(message, _MESSAGE) for message in queue._messages] for name, queue in queues.items()},
        "secrets": {secret.name: _fields(secret, _SECRET) for secret in dict.values(secrets)},
    }
    descriptor, written = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # Made for the owner only.
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        Path(written).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(written).unlink()
        raise


def read(path: Path) -> dict[str, Any]:
    """The saved document. Raises ValueError saying what is wrong with the file, OSError when it cannot be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is broken: {error}") from error
    if not isinstance(document, dict) or document.get("v") != VERSION:
        version = document.get("v") if isinstance(document, dict) else None
        raise ValueError(f"{path} is of version {version!r}; this program reads version {VERSION}")
    missing = {"at", "tables", "queues", "secrets"} - set(document)
    if missing:
        raise ValueError(f"{path} is broken: it lacks {', '.join(sorted(missing))}")
    return document


def restore(path: Path, region: str) -> None:
    """Put back what ``save`` wrote, in place of what there is. Raises as ``read`` does, and ValueError naming the
    tables, queues or secrets that are not there; then nothing is changed.
    """
    document = read(path)
    tables, queues, secrets = _resources(region)
    absent = [
        name
        for kind, there in (("tables", tables), ("queues", queues), ("secrets", secrets))
        for name in document[kind]
        if name not in there
    ]
    if absent:
        raise ValueError(f"{path} holds what belongs to {', '.join(absent)}, which is not there")
    messages = {name: [_message(fields) for fields in saved] for name, saved in document["queues"].items()}
    for name, saved in document["tables"].items():
        tables[name].items.clear()
        for item in saved:
            tables[name].put_item(item)
    for name, restored in messages.items():
        queues[name]._messages = restored
        queues[name]._pending_messages = set()
    for name, fields in document["secrets"].items():
        for field in _SECRET:
            setattr(secrets[name], field, fields[field])


def _resources(region: str) -> tuple[dict[str, Any], dict[str, Any], Any]:
    from moto.dynamodb.models import dynamodb_backends
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.sqs.models import sqs_backends

    return (
        dynamodb_backends[ACCOUNT][region].tables,
        sqs_backends[ACCOUNT][region].queues,
        secretsmanager_backends[ACCOUNT][region].secrets,
    )


def _fields(thing: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(thing, name, None) for name in names}


def _message(fields: dict[str, Any]) -> Any:
    from moto.sqs.models import Message

    message = Message(fields["id"], fields["body"], fields["system_attributes"])
    for name in _MESSAGE[3:]:
        if fields[name] is not None:
            setattr(message, name, fields[name])
    return message
