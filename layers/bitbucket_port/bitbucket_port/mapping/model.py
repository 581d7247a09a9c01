"""What a parsed mapping is made of, and what mapping one object gives."""

from __future__ import annotations

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field
from typing import Literal

from bitbucket_port.objects import Entity, JsonObject, Kind, Product

UserRole = Literal["member", "contributor", "admin", "owner"]
USER_ROLES: tuple[UserRole, ...] = ("member", "contributor", "admin", "owner")
PullRequestState = Literal["ALL", "OPEN", "MERGED", "DECLINED"]
PULL_REQUEST_STATES: tuple[PullRequestState, ...] = ("ALL", "OPEN", "MERGED", "DECLINED")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a mapping file, found when it is loaded; the rest of the mapping works on.

    ``resource`` is the position in ``resources`` from 0, ``field`` the dotted path inside that entry (or of the file).
    """

    file: str
    resource: int | None
    field: str
    reason: str
    fix: str
    kind: str | None = None

    def __str__(self) -> str:
        place = self.file if self.resource is None else f"{self.file}: resources[{self.resource}]"
        kind = f" ({self.kind})" if self.kind else ""
        return f"{place}{kind}: {self.field}: {self.reason} Fix: {self.fix}"


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """Something that went wrong when one object was mapped; ``fix`` says what to change in the mapping."""

    resource: int | None
    kind: Kind
    field: str
    reason: str
    fix: str

    def __str__(self) -> str:
        place = "the mapping" if self.resource is None else f"resources[{self.resource}]"
        return f"{place} ({self.kind}): {self.field}: {self.reason} Fix: {self.fix}"


@dataclass(frozen=True, slots=True)
class Search:
    """A search query whose leaves are jq expressions: Port finds the entity or the relation's targets by it.

    ``leaves`` pairs the path of each leaf inside ``query`` with its expression; ``query`` keeps the shape.
    """

    query: JsonObject
    leaves: tuple[tuple[tuple[str | int, ...], str], ...]

    def __hash__(self) -> int:
        return hash(self.leaves)


Template = str | Search


@dataclass(frozen=True, slots=True)
class Selector:
    """Which objects of a kind a resource is about; what a product does not know stays at its default."""

    query: str = "true"
    user_role: UserRole | None = None
    repo_query: str | None = None
    pull_request_query: str | None = None
    included_files: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    project_filter_regex: str | None = None
    state: PullRequestState = "OPEN"
    closed_within_days: float | None = None
    include_personal: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """One entity mapping of one entry of ``resources``.

    An entry with a list of ``mappings`` becomes several resources with the same ``index`` and growing ``position``.
    Expressions are jq as it will run (single quotes already rewritten where needed). ``disabled`` names the fields
    whose expression does not compile: they are reported at load, set nothing, and count as failed in every entity.
    """

    index: int
    kind: Kind
    selector: Selector
    identifier: Template
    blueprint: str
    title: str | None = None
    icon: str | None = None
    team: Template | None = None
    properties: ReadOnly[str, str] = field(default_factory=dict)
    relations: ReadOnly[str, Template] = field(default_factory=dict)
    items_to_parse: str | None = None
    items_to_parse_name: str = "item"
    items_to_parse_top_level_transform: bool = True
    position: int = 0
    disabled: tuple[str, ...] = ()
    _templates: list[ReadOnly[str, Template]] = field(default_factory=list, init=False, repr=False, compare=False)

    def templates(self) -> ReadOnly[str, Template]:
        """Every template by its field name (``properties.url``), in the order of the mapping; found out once."""
        if not self._templates:
            self._templates.append(self._by_field())
        return self._templates[0]

    def _by_field(self) -> dict[str, Template]:
        fixed: dict[str, Template | None] = {
            "selector.query": self.selector.query,
            "itemsToParse": self.items_to_parse,
            "identifier": self.identifier,
            "blueprint": self.blueprint,
            "title": self.title,
            "icon": self.icon,
            "team": self.team,
        }
        present = {name: template for name, template in fixed.items() if template is not None}
        properties = {f"properties.{name}": template for name, template in self.properties.items()}
        relations = {f"relations.{name}": template for name, template in self.relations.items()}
        return {**present, **properties, **relations}

    def expressions(self) -> list[tuple[str, str]]:
        """Every single jq expression with the field it belongs to."""
        found: list[tuple[str, str]] = []
        for name, template in self.templates().items():
            leaves = template.leaves if isinstance(template, Search) else (((), template),)
            found.extend((name, expression) for _, expression in leaves)
        return found


@dataclass(frozen=True, slots=True)
class BrokenResource:
    """An entry that cannot be used: ``kind`` as written (None when unreadable).

    ``blueprint`` is the expression as written, for whoever must know which blueprints are not completely produced.
    """

    index: int
    kind: str | None
    blueprint: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A parsed mapping. ``hash`` is a digest of the document: equal documents are equal mappings.

    ``deletion_threshold`` is a share from 0 to 1. ``broken`` lists the entries that are left out; ``protected`` the
    kinds whose objects must lose nothing, because an entry that might be about them cannot be read.
    """

    product: Product
    resources: tuple[Resource, ...]
    enable_merge: bool = True
    delete_dependents: bool = True
    create_missing: bool = True
    deletion_threshold: float = 0.9
    problems: tuple[Problem, ...] = ()
    hash: str = ""
    broken: tuple[BrokenResource, ...] = ()
    protected: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class Wants:
    """What a kind's objects must carry beyond Bitbucket's plain answer, because the mapping mentions it."""

    readme: bool = False
    latest_commit: bool = False
    included_files: tuple[str, ...] = ()
    email: bool = False

    @property
    def anything(self) -> bool:
        """Whether an adapter has anything to add."""
        return bool(self.readme or self.latest_commit or self.included_files or self.email)


@dataclass(frozen=True, slots=True)
class Mapped:
    """The entities an object maps to now.

    ``complete`` is False when a selector, identifier, blueprint or itemsToParse failed, or an entity had to be left
    out: then an entity that is missing here says nothing, and nothing may be deleted because of it.
    """

    entities: tuple[Entity, ...]
    problems: tuple[MappingProblem, ...] = ()
    complete: bool = True
