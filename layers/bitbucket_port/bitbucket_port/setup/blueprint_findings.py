"""What is said of a blueprint: how it stands, what was done, and what somebody has to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from bitbucket_port.errors import BitbucketPortError, ForbiddenError, NotFoundError, PermanentError
from bitbucket_port.objects import JsonObject
from bitbucket_port.setup.completion import clashes, lacking, names_of
from bitbucket_port.setup.findings import Finding

_LATER = "The next set-up goes on with it."
_NOT_ALLOWED = "Use Port credentials that may change the data model (those of an administrator)."


@dataclass
class Work:
    """One blueprint: the one that is wanted, the one that is there, and what happened."""

    wanted: JsonObject
    there: JsonObject | None
    ours: bool = False
    created: bool = False
    added: list[str] = field(default_factory=list)
    refused: list[BitbucketPortError] = field(default_factory=list)
    interrupted: BitbucketPortError | None = None

    @property
    def identifier(self) -> str:
        """Its name in Port."""
        return str(self.wanted["identifier"])

    @property
    def lack(self) -> JsonObject:
        """What the one that is there misses; nothing where none is there."""
        return lacking(self.wanted, self.there) if self.there is not None else {}


def seen(work: Work, *, creates: bool) -> Finding:
    """How a blueprint stands that was only looked at; ``creates``: whether set-up would see to what is missing."""
    about = _about(work)
    if work.interrupted is not None:
        return Finding(about, "warning", f"{work.interrupted}.", _LATER)
    if work.there is None and creates:
        return Finding(about, "ok", "is not in Port yet: set-up creates it.")
    if work.there is None:
        fix = f"Create it in Port (Builder, Edit JSON), or set InitializePortResources: {_json(work.wanted)}"
        return Finding(about, "warning", "is not in Port: nothing can be written to it.", fix)
    if work.ours and creates and work.lack:
        return Finding(about, "ok", f"lacks {_names(work)}: set-up adds that.")
    return _of_others(work) if work.lack else _settled(work)


def brought(work: Work) -> Finding:
    """What was done about a blueprint, and what was refused."""
    about = _about(work)
    done = (["created"] if work.created else []) + ([f"added {', '.join(work.added)}"] if work.added else [])
    problem = work.interrupted or (work.refused[0] if work.refused else None)
    if problem is not None:
        text = "; ".join([*done, *(str(error) for error in [*work.refused, work.interrupted] if error)])
        missing = work.there is None and work.interrupted is None
        fix = advice(problem) if work.interrupted else f"{advice(problem)} {_paste(work)}".strip()
        return Finding(about, "failed" if missing else "warning", f"{text}.", fix)
    if done:
        return Finding(about, "changed", f"{'; '.join(done)}.")
    return _of_others(work) if work.lack else _settled(work)


def _settled(work: Work) -> Finding:
    different = clashes(work.wanted, work.there or {})
    if different:
        fix = "Change that in Port, or the mapping to match it."
        return Finding(_about(work), "warning", f"{'; '.join(different)}: values that do not fit stay empty.", fix)
    return Finding(_about(work), "ok", "has all the mapping needs.")


def _of_others(work: Work) -> Finding:
    different = clashes(work.wanted, work.there or {})
    why = "InitializePortResources is off, and it" if work.ours else "was not created by this stack and"
    text = f"{why} lacks {_names(work)}: that stays empty"
    return Finding(_about(work), "warning", f"{'; '.join([text, *different])}.", _paste(work))


def _paste(work: Work) -> str:
    if work.there is None:
        return f"To create it by hand (Builder, Edit JSON): {_json(work.wanted)}"
    return f"To add it by hand (Builder, {work.identifier}, Edit JSON): {_json(work.lack)}" if work.lack else ""


def unused(identifier: str) -> Finding:
    """A blueprint of ours that nobody needs."""
    return Finding(f"Blueprint {identifier}", "skipped", "is not in Port, and the mapping does not write to it.")


def unknown(identifier: str) -> Finding:
    """A blueprint that the mapping names and nobody has."""
    text = "the mapping writes to it, and it is not in Port: these entities cannot be written."
    return Finding(f"Blueprint {identifier}", "warning", text, "Create it in Port, or correct the mapping.")


def advice(error: BitbucketPortError) -> str:
    """What to do about an error of Port; empty where its text says all there is to say."""
    if isinstance(error, ForbiddenError):
        return _NOT_ALLOWED
    return "" if isinstance(error, PermanentError | NotFoundError) else _LATER


def _about(work: Work) -> str:
    return f"Blueprint {work.identifier}"


def _names(work: Work) -> str:
    return ", ".join(names_of(work.lack, work.there or {}))


def names_of_all(some: Sequence[JsonObject], work: Work) -> list[str]:
    """The names of several missing things."""
    return [name for one in some for name in names_of(one, work.there or {})]


def _json(value: JsonObject) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
