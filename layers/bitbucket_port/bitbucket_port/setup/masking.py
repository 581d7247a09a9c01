"""Raw objects as they may be shown to others: without tokens, local parts of e-mail addresses, or what may be a secret.

It rather takes too much: an example still shows which fields there are. Kept are words, numbers, moments, UUIDs, and
commit hashes and account ids where Bitbucket puts them; masked is whatever stands behind a name such as ``token``, and
any longer run of characters that does not look made of words.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

REDACTED = "[REDACTED]"
LONGEST_TEXT = 4000
"""Characters; the rest of a text is left out (files, read-mes)."""
LONGEST_LIST = 20
SHORTEST_SECRET = 4
_LONGEST_WORD = 15
_SUSPICIOUS, _SUSPICIOUS_IN_ADDRESS = 16, 8
"""How long a run of characters may be without a look at it: in text, and as a part of an address."""

_NAMES = (
    r"token|secret|passw|passphrase|passcode|\bpwd|credential|authori[sz]ation|api.?key|private.?key|access.?key"
    r"|ssh.?key|deploy.?key|signing.?key|session|cookie|signature|bearer"
)
_SENSITIVE = re.compile(_NAMES, re.IGNORECASE)
_IDENTIFIERS = frozenset({"hash", "id", "uuid", "account_id", "latestCommit", "latestChangeset", "displayId"})
_IDENTIFIER = re.compile(r"\{?[0-9a-f][0-9a-f:-]{0,79}[0-9a-z]?\}?")
_UUID = re.compile(r"(?:\{|%7B)?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?:\}|%7D)?", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?")
_HASH = re.compile(r"[0-9a-f]{7,64}")
_BEFORE_HASH = frozenset({"commit", "commits", "src", "raw", "diff", "diffstat", "patch", "statuses"})

_KEY_BLOCK = re.compile(r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
_USER_OF_ADDRESS = re.compile(r"(?<=://)[^\s\"'<>]*@")
_LOCAL = r"[^\s@<>\"(),:;\[\]\\]"
_LOCAL_PART = re.compile(rf"(?:\"[^\"\n]*+\"|(?<!{_LOCAL}){_LOCAL}++)(?=@[\w\[])")
_ENCODED = r"[^\s@<>\"(),:;\[\]\\/?&=#]"
_ENCODED_LOCAL_PART = re.compile(rf"(?<!{_ENCODED})(?:(?!%40){_ENCODED})++(?=%40\w)")
_SAID = re.compile(
    rf"(?:{_NAMES})[\w.-]*+[\"'\]]*+(?P<how>\s*(?:[:=]|=>)\s*|\s+is\s+|\s+)"
    r"(?P<value>(?:(?:basic|bearer|digest|token)\s+)?(?:\"[^\"\n]*\"|'[^'\n]*'|\S+))",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*+://[^\s\"'<>]+", re.IGNORECASE)
_RUN = re.compile(r"[A-Za-z0-9_+/=~.%-]+")
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|ATATT|ATCTT|ATBB|sk-|sk_|pk_|rk_|npm_"
    r"|pypi-|hf_|dop_|eyJ)[A-Za-z0-9_+/=~.%-]{8,}"
    r"|(?<=asic )(?=[A-Za-z0-9+/]*[a-z][A-Z0-9+/=])[A-Za-z0-9+/=]{8,}"
)
"""Tokens by the way they begin; the last one is a user and a password as HTTP sends them."""
_PIECES = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(
    rf"[a-z]{{1,{_LONGEST_WORD}}}|[A-Z]{{1,12}}|[a-z]{{0,{_LONGEST_WORD}}}(?:[A-Z][a-z]{{2,{_LONGEST_WORD}}}){{1,6}}"
    r"|[A-Za-z][a-z]{0,14}\d{1,5}|[A-Z]{1,12}\d{1,5}|\d{1,12}|\d{1,4}[a-z]{1,4}|[A-Za-z0-9]{1,3}"
)
_SAID_IN_QUERY = re.compile(r"[a-z]{1,15}|[A-Z]{1,12}|\d{1,12}|[A-Za-z0-9]{1,3}")


def mask(value: Any, *, secrets: Collection[str] = ()) -> Any:
    """A copy of a JSON value that may be shown. ``secrets``: texts that are masked wherever they occur."""
    return _Masking(secrets).of(value, "")


class _Masking:
    def __init__(self, secrets: Collection[str]) -> None:
        known = sorted((one for one in secrets if len(one) >= SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(re.escape(one) for one in known)) if known else None

    def of(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            named = _is_named(value)
            return {self._text(key, ""): self._inside(key, one, named) for key, one in value.items()}
        if isinstance(value, list):
            return [self.of(one, name) for one in value[:LONGEST_LIST]]
        return self._text(value, name) if isinstance(value, str) else value

    def _inside(self, name: str, value: Any, named: bool) -> Any:
        told = _SENSITIVE.search(name) or (named and name == "value")
        if told and value is not None and not isinstance(value, bool):
            return REDACTED
        return self.of(value, name)

    def _text(self, text: str, name: str) -> str:
        if self._secrets:
            text = self._secrets.sub(REDACTED, text)
        if name in _IDENTIFIERS and _IDENTIFIER.fullmatch(text):
            return text
        if _UUID.fullmatch(text) or _MOMENT.fullmatch(text):
            return text
        text = _KEY_BLOCK.sub(REDACTED, _cut(text))
        text = _USER_OF_ADDRESS.sub(f"{REDACTED}@", text)
        text = _LOCAL_PART.sub(REDACTED, text)
        text = _ENCODED_LOCAL_PART.sub(REDACTED, text)
        text = _SAID.sub(_said, text)
        text = _KNOWN.sub(REDACTED, text)
        return _runs(text)


def _is_named(value: dict[str, Any]) -> bool:
    """Whether this is a variable with a name of its own: ``{"name": "password", "value": …}``."""
    names = (value.get("key"), value.get("name"))
    return any(isinstance(name, str) and _SENSITIVE.search(name) for name in names)


def _cut(text: str) -> str:
    """Only the beginning of a long text, without the word that was cut."""
    if len(text) <= LONGEST_TEXT:
        return text
    return re.sub(r"\S+\Z", "", text[:LONGEST_TEXT]) + "…"


def _said(said: re.Match[str]) -> str:
    """A name such as ``password`` with what stands behind it masked, unless it is prose (``the token expired``)."""
    whole, value = said[0], said["value"]
    if not said["how"].strip() and re.fullmatch(r"[A-Za-z]{1,15}[.,;:!?)]*", value):
        return whole
    return whole[: len(whole) - len(value)] + REDACTED


def _runs(text: str) -> str:
    """Addresses by their parts, everything else by runs of the characters that tokens are made of."""
    found, at = [], 0
    for address in _ADDRESS.finditer(text):
        found += [_in_text(text[at : address.start()]), _in_address(address[0])]
        at = address.end()
    return "".join([*found, _in_text(text[at:])])


def _in_text(text: str) -> str:
    return _RUN.sub(lambda run: run[0] if len(run[0]) < _SUSPICIOUS or _is_plain(run[0]) else REDACTED, text)


def _in_address(address: str) -> str:
    """Parts of the path that look random, and what a query says unless it is a word or a number."""
    scheme, _, rest = address.partition("://")
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    mark, query = rest[len(path) : len(path) + 1], rest[len(path) + 1 :]
    parts: list[str] = []
    for part in path.split("/"):
        is_hash = _HASH.fullmatch(part) and parts and parts[-1] in _BEFORE_HASH
        parts.append(part if is_hash else _in_part(part))
    said = re.sub(r"[^?&=#;]+", lambda one: one[0] if _is_plain(one[0], _SAID_IN_QUERY) else REDACTED, query)
    return f"{scheme}://{'/'.join(parts)}{mark}{said}"


def _in_part(part: str) -> str:
    """A part of an address; what was masked before stays as it is."""
    pieces = part.split(REDACTED)
    return REDACTED.join(one if len(one) < _SUSPICIOUS_IN_ADDRESS or _is_plain(one) else REDACTED for one in pieces)


def _is_plain(run: str, word: re.Pattern[str] = _WORD) -> bool:
    """Whether a run of characters is made of words and numbers, or is a UUID or a moment."""
    if _UUID.fullmatch(run) or _MOMENT.fullmatch(run):
        return True
    return all(word.fullmatch(piece) for piece in _PIECES.findall(run))
