"""The page's headline: whether everything is up to date, and if not, what is the matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from local import resync_words
from local.page import words
from local.page.deliveries import Delivery, Failure
from local.page.queues import Queues, reason
from local.page.watched import Json
from local.resyncs import Look


@dataclass(frozen=True, slots=True)
class Seen:
    """One stack at one moment; deliveries newest first."""

    product: str
    url: str
    deliveries: Sequence[Delivery]
    queues: Queues
    failures: Mapping[str, Failure]
    resync: Look = field(default_factory=Look)


def overview(stacks: Sequence[Seen], entities: int | None) -> Json:
    """``level`` (ok, busy, attention, problem or empty), the headline and a line below it.

    ``entities``: how many the catalog holds, None where it is not on this machine.
    """
    deliveries = [delivery for stack in stacks for delivery in stack.deliveries]
    level, headline, detail = _verdict(stacks, deliveries)
    counts = [words.counted(len(deliveries), "delivery", "deliveries")]
    if entities is not None:
        counts.insert(0, words.entities(entities))
    return {"level": level, "headline": headline, "detail": detail, "counts": counts}


def _verdict(stacks: Sequence[Seen], deliveries: Sequence[Delivery]) -> tuple[str, str, str]:
    return _stuck(stacks, deliveries) or _at_work(stacks) or _at_rest(stacks, deliveries)


def _stuck(stacks: Sequence[Seen], deliveries: Sequence[Delivery]) -> tuple[str, str, str] | None:
    """What does not go on as it should."""
    reasons = [reason(letter, stack.failures) for stack in stacks for letter in stack.queues.letters]
    dead = sum(sum(stack.queues.dead.values()) for stack in stacks)
    if dead:
        said = words.counted(dead, "message", "messages")
        return "problem", f"{said} could not be delivered", reasons[0] if reasons else ""
    failing = [delivery for delivery in deliveries if delivery.failure and not delivery.given_up]
    if failing:
        said = words.counted(len(failing), "delivery is", "deliveries are")
        return "attention", f"{said} being tried again", failing[0].failure.reason if failing[0].failure else ""
    return None


def _at_work(stacks: Sequence[Seen]) -> tuple[str, str, str] | None:
    running = [stack for stack in stacks if stack.resync.run]
    if running:
        said = "A resync is going on" if len(running) == 1 else "Resyncs are going on"
        told = [f"{words.PRODUCTS[stack.product]}: {resync_words.state(stack.resync)}" for stack in running]
        return "busy", said, "; ".join(told) + "."
    waiting = sum(sum(stack.queues.waiting.values()) for stack in stacks)
    if waiting:
        said = words.counted(waiting, "message is", "messages are")
        return "busy", f"{said} on the way", "The catalog follows in a moment."
    return None


def _at_rest(stacks: Sequence[Seen], deliveries: Sequence[Delivery]) -> tuple[str, str, str]:
    wrong = next((stack for stack in stacks if _went_wrong(stack.resync)), None)
    if wrong is not None:
        return "attention", f"The last resync of {words.PRODUCTS[wrong.product]} was not complete", _why(wrong.resync)
    if not deliveries:
        where = " or ".join(f"{stack.url}/webhooks ({words.PRODUCTS[stack.product]})" for stack in stacks)
        synced = "The catalog is as the resync found Bitbucket. " if all(one.resync.last for one in stacks) else ""
        return "empty", "Waiting for the first webhook", f"{synced}Send it to {where}."
    problems = _problems(stacks)
    if problems:
        said = words.counted(len(problems), "problem", "problems")
        return "attention", f"Up to date, with {said} to look at", problems[0]
    return "ok", "Everything is up to date", "Every delivery has been applied, and no queue holds anything."


def _went_wrong(resync: Look) -> bool:
    """A run that was replaced by another one is none to worry about."""
    return resync.last is not None and resync.last["status"] not in ("complete", "superseded")


def _why(resync: Look) -> str:
    assert resync.last is not None
    reasons = [failure["reason"] for failure in resync.last["failures"]] or list(resync.last["protected"].values())
    return reasons[0] if reasons else "Its report says why; see the stack."


def _problems(stacks: Iterable[Seen]) -> list[str]:
    """What the last word about each object complains of, and the deliveries that were given up."""
    found: list[str] = []
    for stack in stacks:
        told: set[str] = set()
        for delivery in stack.deliveries:
            if delivery.given_up and delivery.failure:
                found.append(delivery.failure.reason)
            for key, one in delivery.objects.items():
                found += one.problems if key not in told else ()
                told.add(key)
    return found
