"""Where a story's functions can die: found by recording what they ask of the outside, never written down by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from local.aws import Call, Fault, Moto
from local.machine import Machine
from local.outside import Outside

READS = (
    "dynamodb:Get",
    "dynamodb:BatchGet",
    "dynamodb:Query",
    "secretsmanager:Get",
    "GET ",
    "POST /v1/auth/access_token",
    "POST /v1/entities/search",
)
"""Beginnings of calls that leave the outside as it was. Whatever is not named here counts as a change."""
TO_PORT = ("POST /", "PUT /", "PATCH /", "DELETE /")
POLLING = ("sqs:ReceiveMessage", "sqs:GetQueueAttributes")
"""What Lambda asks while nothing is being handled."""
ENDS = ("sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
"""What comes last of a message, by Lambda or by the function: done, or to be tried again."""

AT_ONCE_SECONDS = 4.0
"""Simulated seconds in which a delivery that waits for nothing is handled."""


@dataclass(frozen=True)
class Death:
    """A function dies: ``delivery`` is the number of the one that makes it work, ``fault`` strikes it there.

    ``later``: only after the clock was put forward. ``changes`` are the calls that had changed something outside when
    it died: the same for deaths that nobody outside can tell apart.
    """

    delivery: int
    fault: Fault
    later: bool
    function: str
    changes: tuple[str, ...]

    @property
    def kind(self) -> tuple[str, ...]:
        """The function, and what it had changed since (and with) its last write to Port: a job with many objects does
        the same for each of them, and other stories do it too.
        """
        writes = [number for number, change in enumerate(self.changes) if change.startswith(TO_PORT)]
        return (self.function, *self.changes[writes[-1] if writes else 0 :])


class Recorder:
    """Turns the calls of a machine's functions into their possible deaths.

    An invocation that dies before its first call has done nothing, and one that dies after a read as much as one that
    dies before it: so it is killed before its first call, and after each call that changes something. Lambda's own
    deletion of the message comes after the last of these, and is cut off before it is made.
    """

    def __init__(self, machine: Machine, moto: Moto) -> None:
        self.outside = Outside(moto, machine.stack.environments, functions=lambda: self._names)
        self._names = {function.name: name for name, function in machine.stack.functions.items()}
        self.outside.watch("port", machine.port)
        self.outside.watch("bitbucket", machine.bitbucket)
        self._queue_functions = {name for name, logical in self._names.items() if not logical.endswith("Receive")}

    def deaths(self, delivery: int) -> Iterator[Death]:
        """The deaths in what was recorded since ``outside.forget``, while one delivery was handled."""
        calls, seen = self.outside.calls(), Counter[tuple[str, ...]]()
        so_far: dict[str, tuple[str, ...]] = {}
        for call in calls:
            later = call.at - calls[0].at > AT_ONCE_SECONDS
            if call.function not in self._queue_functions or call.action in POLLING:
                continue
            resource = call.resources[0] if call.service == "sqs" else ""
            same = (call.function, call.service, call.action, resource, str(call.by_service))
            seen[same] += 1
            name = self._names[call.function]
            if call.function not in so_far:
                so_far[call.function] = ()
                yield Death(delivery, _fault("kill before", call, resource, seen[same]), later, name, ())
            if call.by_service:
                yield Death(delivery, _fault("kill before", call, resource, seen[same]), later, name, ("done",))
            elif not call.action.startswith(READS):
                so_far[call.function] += (call.action,)
                fault = _fault("kill after", call, resource, seen[same])
                yield Death(delivery, fault, later, name, so_far[call.function])
            if call.action in ENDS:
                del so_far[call.function]


def _fault(do: str, call: Call, resource: str, nth: int) -> Fault:
    return Fault(
        do,  # type: ignore[arg-type]
        function=call.function,
        service=call.service,
        action=call.action,
        resource=resource or None,
        nth=nth,
        by_service=call.by_service or None,
    )
