"""Listing jobs: page by page into the catalog, the listings below ordered, and what a complete one did not show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bitbucket_port.bitbucket.client import START
from bitbucket_port.errors import BitbucketPortError, NotFoundError, PermanentError, TransientError
from bitbucket_port.objects import KINDS, Address, JsonObject, Kind, SourceKey
from bitbucket_port.resync.children import ListedPage
from bitbucket_port.resync.jobs import ListJob
from bitbucket_port.resync.plan import Plan
from bitbucket_port.resync.run import Ask, Bitbucket, Catalog, Ledger, Turn, chunks, objects_of
from bitbucket_port.resync.store import Candidate, Run, RunKind

LONGEST_DELAY = 900
"""Seconds: the longest SQS delays a message."""
SOON_SECONDS = 5
Show = Callable[[Turn, Kind, Sequence[JsonObject]], None]
"""Is shown the objects of each page that was brought into the catalog; raises nothing."""
REMOVAL_SECONDS = 3600.0
"""How long whatever is gone is left to the job that removes it with what hangs below it."""
PUT_AT_ONCE = 500


def roots_of(run: Run) -> frozenset[Kind]:
    """The kinds a run lists without regard to anything else; pull requests are listed below repositories."""
    kinds = set(run.kinds) - {"pull-request"}
    return frozenset(kinds | {"repository"} if "pull-request" in run.kinds else kinds)


class Listings:
    """Runs listing jobs. A job that is done again from its start is right, too: it only asks once more.

    ``kinds`` are those the mapping is about.
    """

    def __init__(
        self,
        *,
        plan: Callable[[RunKind], Plan],
        kinds: frozenset[Kind],
        bitbucket: Bitbucket,
        catalog: Catalog,
        ledger: Ledger,
        source: Callable[[], str],
        time_left: Callable[[], bool],
        clock: Callable[[], float],
        show: Show | None = None,
    ) -> None:
        self._show = show
        self._plan = plan
        self._kinds = kinds
        self._bitbucket = bitbucket
        self._catalog = catalog
        self._ledger = ledger
        self._source = source
        self._time_left = time_left
        self._clock = clock

    def roots(self, turn: Turn) -> None:
        """Order the listings that hang below nothing."""
        plan, kinds = self._plan(turn.run.kind), roots_of(turn.run)
        jobs = [
            ListJob(turn.run.id, plan.listings[index].kind, listing=index)
            for index in plan.roots
            if plan.listings[index].kind in kinds
        ]
        turn.order(jobs)
        if turn.run.kind == "full":
            for some in chunks(self._unmapped(), PUT_AT_ONCE):
                turn.store.put_candidates(turn.run.id, some)

    def _unmapped(self) -> Iterator[Candidate]:
        """What is left of kinds that an earlier mapping was about."""
        for kind in KINDS:
            if kind not in self._kinds:
                for item in objects_of(self._ledger, kind, self._source()):
                    if item.owns:
                        yield Candidate(item.key, item.facts.address or Address(), "out of scope")

    def run(self, job: ListJob, turn: Turn) -> None:
        """Do one turn of a listing."""
        job = job if job.began else replace(job, began=self._clock())
        try:
            self._follow(job, turn)
        except NotFoundError as error:
            self._not_found(job, turn, error)
        except PermanentError as error:
            self.protect(job, turn, str(error))

    def protect(self, job: ListJob, turn: Turn, reason: str) -> None:
        """Nothing goes because this listing did not show it."""
        turn.store.protect(turn.run.id, job.container_name, reason)
        turn.part.failed(job.kind, job.container_name, reason)

    # --- following the pages -----------------------------------------------------------------------------------------

    def _follow(self, job: ListJob, turn: Turn) -> None:
        listing = self._plan(turn.run.kind).listings[job.listing]
        ask = self._bitbucket.asker(listing)
        shown: set[str] = set()
        cursor = None
        try:
            for page in self._bitbucket.list(listing, container=job.address, cursor=job.cursor):
                shown |= self._page(job, page, ask, turn)
                cursor = page.next
                if cursor is not None and not self._time_left():
                    self._go_on(job, cursor, shown, turn)
                    return
        except TransientError as error:
            if cursor in (None, job.cursor or START):
                raise  # Nothing was gained: the same message is tried again.
            wait = SOON_SECONDS if error.retry_after is None else error.retry_after
            delay = min(LONGEST_DELAY, int(wait) + 1)
            if error.is_limit:
                turn.part.throttled(delay)
            self._go_on(job, cursor, shown, turn, delay=delay)
            return
        self._complete(job, shown, turn)

    def _go_on(self, job: ListJob, cursor: str, shown: set[str], turn: Turn, *, delay: int = 0) -> None:
        turn.store.put_seen(turn.run.id, job.name, job.hop, shown, began=job.began, complete=False)
        turn.order([job.continued(cursor)], delay=delay)

    def _page(self, job: ListJob, page: ListedPage, ask: Ask, turn: Turn) -> set[str]:
        """Bring a page into the catalog; returns the ids it showed."""

        part = turn.part
        outcomes = self._catalog.apply_page(page.entries, asked=page.asked, removals="defer", ask=ask)
        part.count(job.kind, "listed", len(page.entries) + len(page.failed))
        for outcome in outcomes:
            part.listed(outcome)
        for key, reason in page.failed:
            # Without its key it may be any of them; with it, what hangs below it is not listed.
            part.failed(job.kind, str(key or job.container_name), reason)
            part.count(job.kind, "unknown")
            turn.store.protect(turn.run.id, str(key or job.container_name), reason)
        addresses = {entry.key: entry.reading.facts.address or Address() for entry in page.entries}
        # What failed and may be mended by another try is looked at again by itself, too, and what was left to somebody
        # who was writing it: whether that was right is not known.
        again = [one for one in outcomes if one.planned or one.result == "left" or (one.failed and one.transient)]
        turn.store.put_candidates(
            turn.run.id, [Candidate(one.key, addresses[one.key], "out of scope") for one in again]
        )
        if job.kind == "repository":
            self._order_pull_requests(page, ask, turn)
        if self._show:
            self._show(turn, job.kind, [entry.reading.object for entry in page.entries])
        failed = {key for key, _ in page.failed if key is not None}
        return {key.id for key in (*addresses, *failed)}

    def _order_pull_requests(self, page: ListedPage, ask: Ask, turn: Turn) -> None:
        if turn.run.kind != "full" or "pull-request" not in turn.run.kinds:
            return
        plan = self._plan("full")
        jobs = []
        for entry in page.entries:
            key, address = entry.key, entry.reading.facts.address or Address()
            try:
                index = plan.below(entry.reading.object, ask)
            except PermanentError as error:
                turn.store.protect(turn.run.id, str(key), str(error))
                turn.part.failed("pull-request", str(key), str(error))
                continue
            if index is not None:
                jobs.append(ListJob(turn.run.id, "pull-request", key, address, index))
        turn.order(jobs)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _not_found(self, job: ListJob, turn: Turn, error: BitbucketPortError) -> None:
        """A repository that is not there is looked at itself; a source that is not there protects everything."""
        if job.container is None:
            self.protect(job, turn, str(error))
            return
        turn.store.put_candidates(turn.run.id, [Candidate(job.container, job.address or Address(), "vanished")])

    def _complete(self, job: ListJob, shown: set[str], turn: Turn) -> None:
        seen = set(shown)
        if job.hop:
            seen |= turn.store.seen(turn.run.id, job.name).ids
        for candidates in chunks(self._vanished(job, seen), PUT_AT_ONCE):
            # Asked only where there is something to protect: as a rule nothing vanished.
            if job.container_name in turn.store.protected(turn.run.id):
                return
            turn.store.put_candidates(turn.run.id, candidates)
            turn.part.count(job.kind, "candidates", len(candidates))

    def _vanished(self, job: ListJob, seen: set[str]) -> Iterator[Candidate]:
        container = job.container.children_container if job.container else self._source()
        for item in self._ledger.objects(job.kind, container):
            # What is gone and still has something in Port was left behind by whoever was to remove it.
            since = job.began - (REMOVAL_SECONDS if item.facts.gone else 0.0)
            if item.key.id in seen or item.read_at >= since:
                continue
            if item.owns or self._has_children(item.key):
                yield Candidate(item.key, item.facts.address or Address(), "vanished")

    def _has_children(self, key: SourceKey) -> bool:
        """A repository that makes nothing itself is looked at for the sake of its pull requests."""
        if key.kind != "repository":
            return False
        return any(child.owns for child in self._ledger.objects("pull-request", key.children_container))
