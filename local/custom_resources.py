"""Custom resources, provided by functions as CloudFormation has it: called asynchronously, answered over HTTP.

Facts: AWS CloudFormation User Guide, "Custom resource request and response reference"; AWS Lambda Developer Guide, "How
Lambda handles errors and retries with asynchronous invocation": an invocation that failed is tried twice more, after
one and after two minutes, whether or not the answer was given by then.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from local.clock import Clock
from local.functions import FunctionError
from local.response_urls import LARGEST_ANSWER, ResponseUrl, ResponseUrls

RequestType = Literal["Create", "Update", "Delete"]
PAUSES_AFTER_ERRORS = (60.0, 120.0)
LONGEST_WAIT = 3600.0
"""Seconds that CloudFormation waits where no ServiceTimeout says otherwise."""
LONGEST_ID = 1024
LOOK_EVERY = 0.05
"""Real seconds: the clock may be put forward at any moment."""
_log = logging.getLogger(__name__)


class CustomResourceError(Exception):
    """The provider said that it failed, or said nothing of use in time; the text is CloudFormation's."""

    def __init__(self, reason: str, physical_id: str) -> None:
        super().__init__(reason)
        self.physical_id = physical_id


@dataclass(frozen=True, slots=True)
class Made:
    """A custom resource that exists: its properties, the id its provider gave it, and the data it answered with."""

    physical_id: str
    properties: dict[str, Any]
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a provider: the event that the function got, and where it answers."""

    event: dict[str, Any]
    answer: ResponseUrl
    until: float


class CustomResources:
    """Calls the providers of one stack's custom resources.

    ``stack_id`` is the stack's, ``invoke`` gives what runs the function of an ARN, ``wait`` returns when its argument
    is true and may put the clock forward meanwhile. ``after`` is called when an invocation is over. ``asked`` are all
    calls, ``count`` the invocations so far, ``in_flight`` those of this moment.
    """

    def __init__(
        self,
        *,
        stack_id: str,
        clock: Clock,
        invoke: Callable[[str], Callable[[Any], Any]],
        wait: Callable[[Callable[[], bool]], None],
        after: Callable[[], None],
    ) -> None:
        self._stack_id, self._clock, self._invoke, self._wait, self._after = stack_id, clock, invoke, wait, after
        self._urls = ResponseUrls(clock)
        self._changed = threading.Condition()
        self._stopping = False
        self._dues: dict[tuple[str, Literal["answer", "again"]], float] = {}
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.count = 0

    def call(
        self, kind: RequestType, logical_id: str, type_name: str, new: Mapping[str, Any], old: Made | None
    ) -> Made:
        """Have the provider create, update or delete; returns the resource as it is then.

        ``new`` are the resolved properties, ``old`` is what there was (None on creation). Raises CustomResourceError.
        """
        if self._stopping:
            raise CustomResourceError("The stack was stopped.", old.physical_id if old else "")
        properties = as_texts(dict(new))
        event = {
            "RequestType": kind,
            "ServiceToken": properties["ServiceToken"],
            "StackId": self._stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": type_name,
            "LogicalResourceId": logical_id,
            "ResourceProperties": properties,
        }
        if old is not None:
            event["PhysicalResourceId"] = old.physical_id
        if old is not None and kind == "Update":
            event["OldResourceProperties"] = old.properties
        asked = self._ask(event, float(properties.get("ServiceTimeout", LONGEST_WAIT)))
        self._wait(lambda: asked.answer.body is not None or self._clock.now() >= asked.until or self._stopping)
        with self._changed:
            del self._dues[event["RequestId"], "answer"]
        unknown = f"{self._stack_id.split('/')[1]}-{logical_id}-{secrets.token_hex(6).upper()}"
        return _judged(asked, old.physical_id if old else unknown)

    def stop(self) -> None:
        """Begin nothing any more and forget what was still to be tried again; the functions are stopped already."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.in_flight)
        self._urls.stop()

    # --- as a part of a stack that may be at work --------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is to be tried again at this moment."""
        now = self._clock.now()
        with self._changed:
            return not self.in_flight and not any(at <= now for at in self._dues.values())

    def wait_until_idle(self, timeout: float) -> bool:
        """False when something still runs after so many real seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.in_flight, timeout) and self.idle

    def due(self) -> float | None:
        """The next moment at which something is tried again, or no longer waited for; None where there is none."""
        with self._changed:
            return min(self._dues.values(), default=None)

    # --- the asynchronous invocation ---------------------------------------------------------------------------------

    def _ask(self, event: dict[str, Any], seconds: float) -> Asked:
        answer = self._urls.make()
        event["ResponseURL"] = answer.url
        asked = Asked(event, answer, self._clock.now() + seconds)
        with self._changed:
            self.asked.append(asked)
            self._dues[event["RequestId"], "answer"] = asked.until
            self.in_flight += 1
        run = threading.Thread(target=self._run, args=(event,), name=f"{event['LogicalResourceId']}", daemon=True)
        run.start()
        return asked

    def _run(self, event: dict[str, Any]) -> None:
        """Invoke, and again after an error; somebody has counted the first one as in flight."""
        for pause in (*PAUSES_AFTER_ERRORS, None):
            failed = self._tried(event)
            with self._changed:
                if failed and pause is not None:
                    self._dues[event["RequestId"], "again"] = self._clock.now() + pause
                self.in_flight -= 1
                self._changed.notify_all()
            self._after()
            if not failed or pause is None or not self._paused(event["RequestId"]):
                return  # It went well, it is given up, or everything ends.

    def _tried(self, event: dict[str, Any]) -> bool:
        """Invoke once; whether it failed."""
        with self._changed:
            self.count += 1
        try:
            self._invoke(event["ServiceToken"])(event)
        except FunctionError as error:
            if not self._stopping:
                _log.warning("%s of %s: %s", event["RequestType"], event["LogicalResourceId"], error)
            return True
        return False

    def _paused(self, request_id: str) -> bool:
        """Wait until it is time to try again; False when everything ends."""
        with self._changed:
            while self._clock.now() < self._dues[request_id, "again"] and not self._stopping:
                self._changed.wait(LOOK_EVERY)
            del self._dues[request_id, "again"]
            if self._stopping:
                return False
            self.in_flight += 1
            return True


def _judged(asked: Asked, otherwise: str) -> Made:
    """What an answer means; ``otherwise`` is the physical id where it tells none."""
    event, body = asked.event, asked.answer.body
    request = f"(RequestId: {event['RequestId']})"
    if body is None:
        raise CustomResourceError(
            "CloudFormation did not receive a response from your Custom Resource. "
            f"Please check your logs for requestId [{event['RequestId']}].",
            otherwise,
        )
    if len(body) > LARGEST_ANSWER:
        raise CustomResourceError(f"Response object is too long. {request}", otherwise)
    try:
        answer = json.loads(body)
        status, named = answer["Status"], answer.get("PhysicalResourceId") or ""
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CustomResourceError(f"Invalid response: {error!r} {request}", otherwise) from error
    wrong = [name for name in ("StackId", "RequestId", "LogicalResourceId") if answer.get(name) != event[name]]
    if wrong or status not in ("SUCCESS", "FAILED"):
        raise CustomResourceError(f"Invalid response: {', '.join(wrong) or 'Status'} {request}", otherwise)
    if not isinstance(named, str) or not 0 < len(named) <= LONGEST_ID:
        raise CustomResourceError(f"Invalid PhysicalResourceId {request}", otherwise)
    if status == "FAILED":
        reason = answer.get("Reason") or "(no reason)"
        text = f"Received response status [FAILED] from custom resource. Message returned: {reason} {request}"
        raise CustomResourceError(text, named)
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in _data(answer, request)}
    return Made(named, event["ResourceProperties"], data)


def _data(answer: dict[str, Any], request: str) -> list[tuple[str, Any]]:
    data = answer.get("Data") or {}
    if not isinstance(data, dict):
        raise CustomResourceError(f"Invalid response: Data {request}", answer["PhysicalResourceId"])
    return list(data.items())


def as_texts(value: Any) -> Any:
    """Properties as a provider gets them: CloudFormation makes text of every number, true and false."""
    if isinstance(value, dict):
        return {name: as_texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_texts(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
