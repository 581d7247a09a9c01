"""Brings the webhooks of one subject in order, whatever state they are in, and however often."""

from __future__ import annotations

import logging
import secrets as tokens
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bitbucket_port.errors import (
    BitbucketPortError,
    BusyError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from bitbucket_port.hooks.cloud import MissingScopeError
from bitbucket_port.hooks.compare import differences, is_ours, matched, needs_secret
from bitbucket_port.hooks.model import Health, Hook, HookApi, WantedHook
from bitbucket_port.hooks.refusals import EventRefusals
from bitbucket_port.hooks.store import HookStore, Kept, Record, State
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.hooks.wanted import HookSettings
from bitbucket_port.http import RefusedError
from bitbucket_port.secrets import Secret

_log = logging.getLogger(__name__)

CLAIM_SECONDS = 330.0
"""As long as a function works on a job, and a little longer: a claim of one that died is over by then."""
BUSY_SECONDS = 30.0
FIXES = {
    "workspace": "Make the account of BitbucketToken an administrator of the workspace, or leave it: then repositories "
    "get webhooks of their own.",
    "project": "Give the account of BitbucketToken the permission PROJECT_ADMIN there.",
    "repository": "Give the account of BitbucketToken administrator rights (REPO_ADMIN) there.",
}
_REFUSED_FIX = "See that the URL can be reached from Bitbucket and that no limit of webhooks is reached there."


@dataclass
class Upkeep:
    """Works for one job: ``secret`` is the one that counts for all of it. ``clock`` gives epoch seconds."""

    api: HookApi
    store: HookStore
    settings: HookSettings
    secret: Secret
    refusals: EventRefusals
    clock: Callable[[], float]
    _token: str = field(default="", init=False)

    def bring(self, subject: Subject, *, at_once: bool = False) -> Record:
        """Make ours at this subject what they should be, and keep how that ended.

        ``at_once``: write the one that is recorded without looking at it first, where each request counts. What
        Bitbucket refuses for good becomes part of the record. Raises TransientError (BusyError while somebody else
        works on the same subject) with the record as it was.
        """
        before = self._claimed(subject)
        try:
            record = (self._rewritten(subject, before) if at_once else None) or self._compared(subject, before)
        except MissingScopeError as error:
            record = self._ended(before, "refused", error, error.fix)
        except ForbiddenError as error:
            record = self._ended(before, "refused", error, FIXES[subject.level])
        except NotFoundError as error:
            record = self._ended(before, "failed", error, "It is looked for again with the next check.")
        except PermanentError as error:
            record = self._ended(before, "failed", error, _REFUSED_FIX)
        self.store.put(record)
        return record

    def give_up(self, subject: Subject, error: BitbucketPortError) -> None:
        """Keep that this subject failed again and again; it is looked at with the next check."""
        before = self.store.record(subject.key) or Record(subject, "begun")
        self.store.put(self._ended(before, "failed", error, "It is tried again with the next check."))

    def remove(self, subject: Subject, *, by_force: bool = False) -> Record | None:
        """Remove ours at this subject; None when nothing of ours is there any more.

        A record that comes back says why they are still there. ``by_force``: whoever else works on it is taken for
        dead. Raises as ``bring`` does.
        """
        before = self._claimed(subject, by_force=by_force)
        try:
            ids = self._recorded_ids(before) if self._is_dear(subject) else []
            for hook_id in ids or [hook.id for hook in self._ours(subject, before)]:
                self.api.delete(subject, hook_id)
        except NotFoundError:
            pass  # With the subject its webhooks went.
        except PermanentError as error:
            if before.state == "refused" and not before.hooks:  # None was ever made there.
                self.store.forget(subject.key)
                return None
            record = before.ended("refused", self.clock(), f"ours could not be removed: {error}", FIXES[subject.level])
            self.store.put(record)
            return record
        self.store.forget(subject.key)
        return None

    def _ended(self, before: Record, state: State, error: BitbucketPortError, fix: str) -> Record:
        wanted = self.settings.digest(before.subject.level)
        return replace(before.ended(state, self.clock(), str(error), fix), wanted=wanted)

    # --- one subject -------------------------------------------------------------------------------------------------

    def _claimed(self, subject: Subject, *, by_force: bool = False) -> Record:
        """The record so far; from now on nobody else works on this subject. Raises BusyError when somebody does."""
        self._token = tokens.token_hex(8)
        now = self.clock()
        claimed = self.store.claim(subject, self._token, now=now, until=now + CLAIM_SECONDS)
        if not claimed and not by_force:
            raise BusyError(f"somebody else looks after the webhooks of the {subject}", retry_after=BUSY_SECONDS)
        known = self.store.record(subject.key) or Record(subject, "begun")
        return Record(subject, known.state, known.checked, known.hooks, known.secret_version, known.wanted)

    def release(self, subject: Subject) -> None:
        """Give up the claim of the last call: it ended in an error, and another try is to begin at once."""
        self.store.release(subject.key, self._token)

    def _ours(self, subject: Subject, record: Record) -> list[Hook]:
        ids = {kept.id for kept in record.hooks.values()}
        return [
            hook
            for hook in self.api.hooks(subject)
            if is_ours(hook, ids=ids, urls=self.settings.urls, name=self.settings.name)
        ]

    def _is_dear(self, subject: Subject) -> bool:
        """Whether there are so many of the kind that each request counts: Cloud grants 1,000 an hour."""
        return self.settings.product == "cloud" and subject.level == "repository"

    def _recorded_ids(self, record: Record) -> list[str]:
        return [kept.id for kept in record.hooks.values()] if record.state == "right" else []

    def _rewritten(self, subject: Subject, before: Record) -> Record | None:
        """The record after writing the recorded one again; None where that is not enough: it has to be looked at."""
        wanted = self.settings.wanted(subject.level)[0]
        kept = before.hooks.get(wanted.part)
        if kept is None or not self._is_dear(subject) or before.state != "right":
            return None
        try:
            made = self.api.change(subject, kept.id, wanted, self.refusals.taken(wanted.events), self.secret.value)
        except (NotFoundError, RefusedError):
            return None
        return self._right(subject, {wanted.part: Kept(made.id, made.changed)})

    def _right(self, subject: Subject, kept: Mapping[str, Kept]) -> Record:
        wanted = self.settings.digest(subject.level)
        return Record(subject, "right", self.clock(), kept, self.secret.version, wanted)

    def _compared(self, subject: Subject, before: Record) -> Record:
        match = matched(self._ours(subject, before), self.settings.wanted(subject.level), before.hooks)
        kept: dict[str, Kept] = {}
        repaired: list[str] = []
        unhealthy: list[str] = []
        for wanted, hook in match.pairs:
            health = self._health(subject, hook.id) if hook else None
            made, wrong = self._one(subject, wanted, hook, before, health)
            if made is not None:
                kept[wanted.part] = Kept(made.id, made.changed)
            known = wanted.part in before.hooks
            repaired += wrong if hook and known else ["removed"] if known and not hook else []
            unhealthy += [health.text] if health and health.failing else []
        for hook in match.surplus:
            try:
                self.api.delete(subject, hook.id)
            except PermanentError as error:  # What is wanted is there; this one only tells everything twice.
                unhealthy.append(f"{hook.url} is there twice and could not be removed: {error}")
        right = self._right(subject, kept)
        return replace(right, repaired=tuple(dict.fromkeys(repaired)), health="; ".join(unhealthy))

    def _health(self, subject: Subject, hook_id: str) -> Health | None:
        """What is only told to people holds nothing else up, unless the next request would meet the same."""
        try:
            return self.api.health(subject, hook_id)
        except TransientError as error:
            if is_for_all(error):
                raise
            reason: BitbucketPortError = error
        except BitbucketPortError as error:
            reason = error
        _log.warning("the health of a webhook of the %s is not known: %s", subject, reason)
        return None

    def _one(
        self, subject: Subject, wanted: WantedHook, hook: Hook | None, before: Record, health: Health | None
    ) -> tuple[Hook | None, list[str]]:
        """The webhook as it is afterwards (None: the server takes none of its events), and what was wrong with it."""
        taken = self.refusals.taken(wanted.events)
        wrong: tuple[str, ...] = ()
        if hook is not None:
            wrong = differences(hook, wanted, taken, self.secret.value)
            kept = before.hooks.get(wanted.part)
            is_current = before.secret_version == self.secret.version
            if not wrong and not needs_secret(hook, kept, is_current=is_current, health=health):
                return hook, []
            if not wrong and kept is not None and hook.changed != kept.changed:
                wrong = ("changed by hand",)  # In what is not shown: the secret.
        made = hook

        def write(events: Sequence[str]) -> Hook:
            nonlocal made
            if made is None:
                made = self.api.create(subject, wanted, events, self.secret.value)
            else:
                made = self.api.change(subject, made.id, wanted, events, self.secret.value)
            return made

        written = self.refusals.write(wanted.events, write, lambda: self.api.offered(subject))
        if written is None and hook is not None:
            self.api.delete(subject, hook.id)
        return written, [*wrong]


def is_for_all(error: TransientError) -> bool:
    """Whether the next subject would meet the same: a limit, or credentials that are refused."""
    return not isinstance(error, BusyError) and (error.is_limit or not error.means_limit)
