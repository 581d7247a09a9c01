"""Made-up Bitbuckets of any size, the same for the same seed: ordinary data, and names written to break something."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server.pull_requests import ServerWorld

STRANGE_TEXTS = (
    'Zoë said "hello", and that\'s <b>all</b> & more',
    "日本語の課題を直す",
    "عربي \u202eright to left\u202c, עברית",
    "🦄🚀 e\u0301 — \u200bzero width",
    "'; DROP TABLE pulls; --",
    "${jndi:ldap://x.invalid/a} $(reboot) `id` %00 %s {{7*7}}",
    "../../etc/passwd\tand a tab\nand a second line",
    "null",
    "0",
    "\\(.id) \\u0041 \\",
    "x" * 255,
    '{"$ref": "#"}',
)
STRANGE_REPOSITORIES = (
    ("Größenänderung", "gr-ssen-nderung"),
    ("日本語", "nihongo"),
    ("with space", "with-space"),
    ('<script>alert("1")</script>', "script-alert"),
    ("..", "dot-dot.x"),
    ("under_score.and.dot", "under_score.and.dot"),
    ("null", "null"),
    ("🦄", "unicorn"),
    ("true", "true"),
    ("a+b=c/d", "a-b-c-d"),
)
"""Names and slugs; as identifiers Port takes some of the names and refuses others."""
LONG_AGO, RECENT = (400.0, 34.0), (26.0, 0.5)
"""Days ago, on either side of the default mappings' thirty days and far from them: a test may take its time."""


@dataclass(frozen=True)
class Size:
    """How much there is. The first repository has ``crowd`` pull requests more than its share."""

    projects: int = 30
    repositories: int = 300
    pull_requests: int = 3000
    users: int = 100
    crowd: int = 160


WHOLE = Size()
SMALL = Size(projects=4, repositories=12, pull_requests=60, users=8, crowd=0)
MEDIUM = Size(projects=8, repositories=24, pull_requests=120, users=12, crowd=0)


class _Maker:
    """Makes one world, at times long before now."""

    def __init__(self, world: CloudWorld | ServerWorld, size: Size, seed: int) -> None:
        self.world: Any = world
        self.size = size
        self.cloud = isinstance(world, CloudWorld)
        self.random = random.Random(seed)
        self.present = world.now().replace(microsecond=0)
        self.users: list[Any] = []
        self.projects: list[Any] = []
        self.repositories: list[Any] = []

    # --- time

    @contextmanager
    def times(self) -> Iterator[None]:
        """Let the world's clock be set by ``at`` meanwhile."""
        kept = self.world.now
        self.at(LONG_AGO[0])
        try:
            yield
        finally:
            self.world.now = kept

    def at(self, days_ago: float) -> None:
        """Have what comes next happen then; no two moments are alike."""
        moment = self.present - timedelta(days=days_ago, microseconds=self.random.randrange(10**6))
        self.world.now = lambda: moment.astimezone(UTC)

    def between(self, bounds: tuple[float, float]) -> float:
        """Some number of days ago."""
        return self.random.uniform(*bounds)

    # --- what there is

    def fill(self) -> None:
        """Make everything."""
        with self.times():
            self._people()
            self._projects()
            self._repositories()
            self._pull_requests()
            self._leave()

    def _text(self, ordinary: str, number: int, every: int = 7) -> str:
        return STRANGE_TEXTS[number // every % len(STRANGE_TEXTS)] if number % every == 3 else ordinary

    def _people(self) -> None:
        # One is there already: who made the workspace.
        for number in range(self.size.users - len(self.world.users)):
            display_name = self._text(f"Person {number:03}", number)
            if self.cloud:
                self.world.create_user(display_name, email=f"person{number:03}@example.com")
            else:
                name = ("jörg.müller", "O'Hara", "名前")[number] if number < 3 else f"Person{number:03}"
                user = self.world.create_user(name, display_name, email=f"person{number:03}@example.com")
                if number % 10 == 5:
                    user.email = None
                user.active = number % 6 != 4
        self.users = list(self.world.users)

    def _projects(self) -> None:
        personal = [] if self.cloud else self.users[4:7]
        for number in range(self.size.projects - len(personal)):
            made = self.world.create_project(
                f"P{number:02}" if number % 5 else f"PRJ_{number:02}",
                self._text(f"Project {number}", number, every=5),
                description=self._text("" if number % 3 == 0 else f"About {number}", number, every=4),
            ).subject
            if self.cloud:
                made.is_private = number % 4 != 1
            else:
                made.is_public = number % 4 == 1
            self.projects.append(made)
        self.projects += [self.world.create_personal_project(owner).subject for owner in personal]

    def _repositories(self) -> None:
        for number in range(self.size.repositories):
            self.at(self.between(LONG_AGO))
            self.repositories.append(self._repository(number, self.projects[number % len(self.projects)]))

    def _repository(self, number: int, project: Any) -> Any:
        if number % 19 == 18 and (origin := self.repositories[number // 2]).git.branches:
            return self.world.fork(origin, project, f"fork-{number:03}").subject
        strange = STRANGE_REPOSITORIES[number // 11] if number % 11 == 7 and number // 11 < 10 else None
        name, slug = strange or (f"repo-{number:03}", f"repo-{number:03}")
        given: dict[str, Any] = {
            "slug": slug,
            "readme": None if number % 23 == 5 else self._text(f"# {name}\n", number),
            "description": self._text("" if number % 4 == 0 else f"Does {number}", number, every=6),
        }
        if self.cloud:
            given |= {"language": ("", "python", "c++")[number % 3], "is_private": number % 5 != 0}
        else:
            branch = "main" if number % 6 else "master"
            given |= {"is_public": number % 5 == 0, "archived": number % 13 == 4, "default_branch": branch}
        made = self.world.create_repository(project, name, **given).subject
        if number % 17 == 9:
            # A branch besides, and an empty repository's first one.
            self.world.push(made, "feature/ünïcode", {"CODEOWNERS": f"* @team-{number}\n"})
        elif number % 17 == 10 and made.git.branches:
            self.world.push(made, made.base_branch, {"CODEOWNERS": f"* @team-{number}\n"})
        return made

    # --- pull requests

    def _pull_requests(self) -> None:
        targets = [one for one in self.repositories if one.base_branch in one.git.branches]
        crowd = [targets[0]] * self.size.crowd
        share = [targets[number % len(targets)] for number in range(self.size.pull_requests - self.size.crowd)]
        for number, target in enumerate([*crowd, *share]):
            self._pull_request(number, target)

    def _pull_request(self, number: int, target: Any) -> None:
        closed_recently = self.random.random() < 0.4
        closed_at = self.between(RECENT if closed_recently else LONG_AGO)
        self.at(self.random.uniform(closed_at, LONG_AGO[0]))
        people = self.random.sample(self.users, k=min(4, len(self.users)))
        pull = self.world.open_pull_request(
            target,
            f"change/{number}" if number % 9 else f"ändern/{number}",
            title=self._text(f"Change {number}", number),
            description=self._text("", number, every=3),
            author=people[0],
            reviewers=people[1 : 1 + number % 3],
            draft=number % 8 == 1,
        ).subject
        self._review(pull, people[1:])
        self.at(closed_at)
        self._end(pull)

    def _review(self, pull: Any, people: list[Any]) -> None:
        self.at(self.between(RECENT))
        decided = self.random.random()
        if decided < 0.3:
            self.world.approve(pull, people[0])
        elif decided < 0.4:
            (self.world.request_changes if self.cloud else self.world.needs_work)(pull, people[0])
        if decided < 0.1:
            self.world.approve(pull, people[-1])  # Perhaps nobody asked them to.

    def _end(self, pull: Any) -> None:
        ending = self.random.random()
        if ending < 0.4:
            self.world.merge(pull, by=self.random.choice(self.users))
        elif ending < 0.6:
            self.world.decline(pull)
        elif ending < 0.65 and self.cloud:
            self.world.supersede(pull)

    def _leave(self) -> None:
        """People who are gone, but not from what they wrote; on Data Center users stay for good."""
        if self.cloud:
            for user in self.users[-self.size.users // 20 :]:
                self.world.remove_user(user)
                self.world.create_user(f"Successor of {user.display_name}"[:100])


def fill(world: CloudWorld | ServerWorld, size: Size = WHOLE, *, seed: int = 4) -> None:
    """Put projects, repositories, people and pull requests into an empty world.

    The world's own clock says when now is; everything happened before it.
    """
    _Maker(world, size, seed).fill()
