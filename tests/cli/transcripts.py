"""What the documentation shows of the command: run against stand-ins, compared with the text, rewritten on demand.

A transcript is a fenced block below a line ``<!-- transcript: name -->``. With the variable ``WRITE_TRANSCRIPTS`` set,
the tests write what the commands say into the documentation instead of comparing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests

from bitbucket_port.cli.main import main
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITES = bool(os.environ.get("WRITE_TRANSCRIPTS"))
WIDTH = "110"
PORT_URL = "https://api.getport.io"
CLOUD_URL = "https://api.bitbucket.org/2.0"
SERVER_URL = "https://bitbucket.acme.example"
HOOKS_URL = "https://hooks.acme.example"
"""Where the stand-ins are, as the documentation tells it."""

Send = Callable[..., requests.Response]
Run = Callable[..., str]


class Cloud(BitbucketCloudStandIn):
    """Bitbucket Cloud, whose links to further pages name it as everybody knows it."""

    known = False

    @property
    def url(self) -> str:
        """Where it serves, or where everybody believes so."""
        return CLOUD_URL.removesuffix("/2.0") if self.known else super().url


def addresses(bitbucket: BitbucketCloudStandIn | BitbucketServerStandIn) -> dict[str, str]:
    """A running Bitbucket's address as it is told, and the real one."""
    if isinstance(bitbucket, BitbucketServerStandIn):
        return {SERVER_URL: bitbucket.url}
    real = bitbucket.api_url
    if isinstance(bitbucket, Cloud):
        bitbucket.known = True
    return {CLOUD_URL: real}


def port() -> PortStandIn:
    """A Port of somebody who calls his client by a name of Port's."""
    return PortStandIn("acme-client", "secret of the client", [])


@contextmanager
def known_as(addresses: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests to these addresses go to those; the hooks' address answers everything with 200."""
    really_send = requests.adapters.HTTPAdapter.send

    def send(adapter: Any, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        url = str(request.url)
        if url.startswith(HOOKS_URL):
            return _ok(request)
        for known, real in addresses.items():
            if url.startswith(known):
                request.url = real + url.removeprefix(known)
        return really_send(adapter, request, **more)

    with monkeypatch.context() as patched:
        patched.setattr(requests.adapters.HTTPAdapter, "send", send)
        yield


def _ok(request: requests.PreparedRequest) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.request, answer.url = 200, request, str(request.url)
    answer.raw = BytesIO(b"")
    return answer


def settings(bitbucket: BitbucketCloudStandIn | BitbucketServerStandIn, port: PortStandIn) -> dict[str, str]:
    """What whoever types the command has in the environment."""
    cloud = isinstance(bitbucket, BitbucketCloudStandIn)
    return {
        **({"BITBUCKET_WORKSPACE": "acme"} if cloud else {"BITBUCKET_PRODUCT": "server", "BITBUCKET_URL": SERVER_URL}),
        "BITBUCKET_TOKEN": bitbucket.token,
        "PORT_CLIENT_ID": port.client_id,
        "PORT_CLIENT_SECRET": port.client_secret,
        "BASE_URL": HOOKS_URL,
        "WEBHOOK_SECRET": "a secret of the webhooks",
        "COLUMNS": WIDTH,
    }


def typed(command: str, environment: Mapping[str, str], capsys: pytest.CaptureFixture[str], **more: Any) -> str:
    """The command line and everything it says, as a terminal shows it; a status other than 0 in the end."""
    capsys.readouterr()
    status = main(command.split(), environment=environment, **more)
    told = capsys.readouterr()
    lines = [f"$ bitbucket-port {command}", *(line.rstrip() for line in (told.out + told.err).splitlines())]
    return "\n".join([*lines, *([f"[exit status {status}]"] if status else [])])


def only(text: str, *beginnings: str) -> str:
    """The same with only those rows of its table whose first column begins so; ``…`` stands for what is left out."""
    found: list[str] = []
    in_table, kept = False, True
    for line in text.splitlines():
        if not in_table:
            found.append(line)
            in_table = line.startswith(" ──")
            continue
        if not line.strip():
            in_table, kept = False, True
            found.append(line)
            continue
        if line[1:2].strip():
            kept = line[1:].startswith(beginnings)
        if kept:
            found.append(line)
        elif found[-1] != " …":
            found.append(" …")
    return "\n".join(found)


def check(document: str, name: str, shown: Sequence[str] | str) -> None:
    """The block of that name is what was shown; or, where that is asked for, becomes it."""
    text = shown if isinstance(shown, str) else "\n\n".join(shown)
    path = DOCS / document
    written = path.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- transcript: {re.escape(name)} -->\n```\w*\n)(.*?)\n(```\n)", re.DOTALL)
    found = block.search(written)
    assert found, f"{document} has no block below <!-- transcript: {name} -->"
    if WRITES:
        path.write_text(written[: found.start(2)] + text + "\n" + written[found.start(3) :], encoding="utf-8")
    else:
        assert found[2] == text, f"{document} shows {name} otherwise; with WRITE_TRANSCRIPTS=1 it is written again"


def names(document: str) -> list[str]:
    """The names of a document's transcripts."""
    return re.findall(r"<!-- transcript: (\S+) -->", (DOCS / document).read_text(encoding="utf-8"))
