"""The worlds of the protocol's stories, as plain data: the model explores them and the code's own tests replay them.

A story is a sequence of worlds. Between two worlds Bitbucket changes and sends one delivery per changed object. A world
says for each object what the mapping makes of it (entity -> content) and its version, or ``None``: does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Pairs = tuple[tuple[str, str], ...]


class Shape(NamedTuple):
    """What an object is in one world: its entities with their contents, and its version.

    ``version`` is what a delivery tells, ``shown`` what a read or a page tells: lower when the newest time is one that
    only the delivery has (a comment's date).
    """

    entities: Pairs
    version: int
    shown: int


World = Mapping[str, Shape | None]


@dataclass(frozen=True)
class Story:
    """Worlds in their order, with what is special about them.

    ``hints``: numbers of worlds whose deliveries carry no usable payload (a push, an incomplete one).
    ``lags``: numbers of worlds whose new objects answer 404 for a while although they exist.
    ``slides``: a page may miss an object that exists (it moved between two pages while they were read).
    ``needs_bitbucket``: no webhook tells enough to follow this story by payloads alone.
    """

    name: str
    about: str
    worlds: tuple[World, ...]
    hints: frozenset[int] = frozenset()
    lags: frozenset[int] = frozenset()
    slides: bool = False
    needs_bitbucket: bool = False

    @property
    def objects(self) -> tuple[str, ...]:
        """The names of all objects."""
        return tuple(sorted({name for world in self.worlds for name in world}))

    def shape(self, world: int, name: str) -> Shape | None:
        """The object in that world."""
        return self.worlds[world].get(name)

    def changes(self, world: int) -> tuple[str, ...]:
        """The objects that differ between the world before and this one."""
        return tuple(name for name in self.objects if self.shape(world, name) != self.shape(world - 1, name))

    def catalog(self, world: int = -1) -> Pairs:
        """What Port must show of that world, which has one owner per entity."""
        return tuple(sorted(pair for shape in self.worlds[world].values() if shape for pair in shape.entities))


def is_(version: int, *, shown: int | None = None, **entities: str) -> Shape:
    """An object which the mapping turns into ``entities``."""
    return Shape(tuple(sorted(entities.items())), version, version if shown is None else shown)


UPDATE = Story(
    "update", "two changes of one object", ({"X": is_(1, e="a")}, {"X": is_(2, e="b")}, {"X": is_(3, e="c")})
)
REVERT = Story("revert", "a change and back again", ({"X": is_(1, e="a")}, {"X": is_(2, e="b")}, {"X": is_(3, e="a")}))
CREATE = Story("create", "a new object and its first change", ({"X": None}, {"X": is_(1, e="a")}, {"X": is_(2, e="b")}))
DELETE = Story("delete", "a change and a delete", ({"X": is_(1, e="a")}, {"X": is_(2, e="b")}, {"X": None}))
SHORT_LIFE = Story("short life", "created and deleted again", ({"X": None}, {"X": is_(1, e="a")}, {"X": None}))
RENAME = Story(
    "rename", "one object, three entities in turn", ({"X": is_(1, e="a")}, {"X": is_(2, f="a")}, {"X": is_(3, g="a")})
)
THERE_AND_BACK = Story(
    "there and back", "renamed and renamed back", ({"X": is_(1, e="a")}, {"X": is_(2, f="a")}, {"X": is_(3, e="a")})
)
LOST_FOR_GOOD = Story(
    "lost for good",
    "renamed, renamed back, and deleted",
    ({"X": is_(1, e="a")}, {"X": is_(2, f="a")}, {"X": is_(3, e="a")}, {"X": None}),
)
SHRINK = Story(
    "shrink",
    "an object of two entities loses one, then gains another",
    ({"X": is_(1, e="a", f="a")}, {"X": is_(2, e="b")}, {"X": is_(3, e="b", g="a")}),
)
TIE = Story("tie", "reviews: the version stays", ({"X": is_(1, e="a")}, {"X": is_(1, e="b")}, {"X": is_(1, e="c")}))
TIE_BACK = Story(
    "tie back",
    "approved and withdrawn: same version",
    ({"X": is_(1, e="a")}, {"X": is_(1, e="b")}, {"X": is_(1, e="a")}),
)
PUSH = Story(
    "push",
    "an update told by payload, then one told by a hint",
    ({"X": is_(1, e="a")}, {"X": is_(2, e="b")}, {"X": is_(3, e="c")}),
    hints=frozenset({2}),
    needs_bitbucket=True,
)
PUSH_BACK = Story(
    "push back",
    "an update told by a hint, then the way back told by payload",
    ({"X": is_(1, e="a")}, {"X": is_(2, e="b")}, {"X": is_(3, e="a")}),
    hints=frozenset({1}),
    needs_bitbucket=True,
)
LAG = Story(
    "lag",
    "a new object that Bitbucket does not show at once",
    ({"X": None}, {"X": is_(1, e="a")}),
    hints=frozenset({1}),
    lags=frozenset({1}),
    needs_bitbucket=True,
)
SLIDE = Story("slide", "a page misses an object", ({"X": is_(1, e="a")}, {"X": is_(2, e="b")}), slides=True)
COMMENTS = Story(
    "comments",
    "deliveries tell newer times than a read does",
    (
        {"X": is_(1, e="a")},
        {"X": is_(2, shown=1, e="b")},
        {"X": is_(3, shown=1, e="c")},
        {"X": is_(4, shown=1, e="d")},
    ),
    hints=frozenset({1, 3}),
    needs_bitbucket=True,
)
RECREATE = Story(
    "recreate",
    "deleted, and another object takes its name",
    ({"X": is_(1, e="a"), "Y": None}, {"X": None, "Y": None}, {"X": None, "Y": is_(5, e="n")}),
)
SWAP = Story(
    "swap",
    "renamed, and another object takes the old name",
    ({"X": is_(1, e="a"), "Y": None}, {"X": is_(2, f="a"), "Y": None}, {"X": is_(2, f="a"), "Y": is_(3, e="n")}),
)
LATE_SWAP = Story(
    "late swap",
    "changed, then renamed, and another object takes the old name",
    (
        {"X": is_(1, e="a"), "Y": None},
        {"X": is_(2, e="b"), "Y": None},
        {"X": is_(3, f="b"), "Y": is_(4, e="n")},
    ),
    needs_bitbucket=True,
)
PASS_ON = Story(
    "pass on",
    "an entity passes to another object, which leaves it too",
    (
        {"X": is_(1, e="a"), "Y": None},
        {"X": is_(2, f="a"), "Y": is_(3, e="n")},
        {"X": is_(2, f="a"), "Y": is_(4, g="n")},
    ),
)

STORIES = (
    UPDATE,
    REVERT,
    CREATE,
    DELETE,
    SHORT_LIFE,
    RENAME,
    THERE_AND_BACK,
    LOST_FOR_GOOD,
    SHRINK,
    TIE,
    TIE_BACK,
    PUSH,
    PUSH_BACK,
    LAG,
    SLIDE,
    COMMENTS,
    RECREATE,
    SWAP,
    LATE_SWAP,
    PASS_ON,
)
