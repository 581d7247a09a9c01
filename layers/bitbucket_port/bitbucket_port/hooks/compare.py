"""Which webhooks are ours, which of them is which, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bitbucket_port.hooks.model import Health, Hook, WantedHook
from bitbucket_port.hooks.store import Kept


@dataclass(frozen=True, slots=True)
class Matched:
    """What is there for each webhook that is wanted (None: nothing), and ours that nobody wants."""

    pairs: tuple[tuple[WantedHook, Hook | None], ...]
    surplus: tuple[Hook, ...]


def is_ours(hook: Hook, *, ids: Collection[str], urls: Collection[str], name: str) -> bool:
    """Whether we may change or remove it: its id is recorded, it sends to us, or it bears our name. No other."""
    return hook.id in ids or hook.url.rstrip("/") in urls or hook.name == name


def matched(ours: Sequence[Hook], wanted: Sequence[WantedHook], kept: Mapping[str, Kept]) -> Matched:
    """Tell which of ours is which: by URL, then by the recorded id, then by what is left, in this order.

    Among several for one URL the recorded one is meant; the others send everything twice and are surplus.
    """
    left = list(ours)
    found: dict[str, Hook] = {}

    def take(one: WantedHook, candidates: list[Hook]) -> None:
        if one.part not in found and candidates:
            recorded = kept.get(one.part)
            chosen = next((hook for hook in candidates if recorded and hook.id == recorded.id), candidates[0])
            found[one.part] = chosen
            left.remove(chosen)

    for one in wanted:
        take(one, [hook for hook in left if hook.url == one.url])
    for one in wanted:
        take(one, [hook for hook in left if one.part in kept and hook.id == kept[one.part].id])
    for one in wanted:
        take(one, [hook for hook in left if hook.url.endswith(one.url.rpartition("/webhooks")[2])])
    for one in wanted:
        take(one, left[:])
    return Matched(tuple((one, found.get(one.part)) for one in wanted), tuple(left))


def differences(hook: Hook, wanted: WantedHook, events: Collection[str], secret: str) -> tuple[str, ...]:
    """What is wrong with a webhook, as far as Bitbucket shows it: ``url``, ``events``, ``active``, ``secret``."""
    is_secret_wrong = hook.secured is False or (hook.secret is not None and hook.secret != secret)
    wrong = {
        "url": hook.url != wanted.url,
        "events": hook.events != frozenset(events),
        "active": not hook.active,
        "secret": is_secret_wrong,
    }
    return tuple(name for name, is_wrong in wrong.items() if is_wrong)


def needs_secret(hook: Hook, kept: Kept | None, *, is_current: bool, health: Health | None) -> bool:
    """Whether the secret has to be sent although nothing shows that it is wrong.

    ``is_current``: the version sent last is the one that is current. Where Bitbucket does not tell when a webhook was
    changed, nobody can know whether the secret was, too: it is sent with every check.
    """
    if kept is None or kept.id != hook.id or not is_current:
        return True
    if health is not None and health.status == 401:
        return True
    return not hook.changed or hook.changed != kept.changed
