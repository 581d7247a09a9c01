"""The objects whose entities are written out in ``approved/``: every kind, every state, every awkward detail."""

from __future__ import annotations

from dataclasses import dataclass

from bitbucket_port.objects import JsonObject, Kind, Product
from tests.mappings import cloud_shapes as cloud
from tests.mappings import server_shapes as server


@dataclass(frozen=True)
class Case:
    """One object, in every shape that Bitbucket may hand it over in (a repository is always read)."""

    product: Product
    kind: Kind
    name: str
    shapes: dict[str, JsonObject]

    def __str__(self) -> str:
        return f"{self.product}-{self.kind}-{self.name}"


def _read(product: Product, kind: Kind, name: str, value: JsonObject) -> Case:
    return Case(product, kind, name, {"single": value})


ROBIN = cloud.Account("Robin Muster", "{8a1f0c52-11aa-4f0e-9d31-000000000001}", "robin", "557058:aa-01")
ZOFIE = cloud.Account("Žofie 例 O'Neil", "{8a1f0c52-11aa-4f0e-9d31-000000000002}", "zofie", "557058:aa-02")
SASHA = cloud.Account("Sasha Sample", "{8a1f0c52-11aa-4f0e-9d31-000000000003}", "sasha", "557058:aa-03")
MERGE = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"


def _cloud_pull_request(name: str, facts: cloud.PullRequest) -> Case:
    shapes: tuple[cloud.Shape, ...] = ("single", "list", "payload")
    return Case("cloud", "pull-request", name, {shape: facts.to_json(shape) for shape in shapes})


CLOUD = [
    _read("cloud", "project", "private", cloud.project(private=True, key="HBR", name="Harbour", description="Boats")),
    _read(
        "cloud", "project", "public-unicode", cloud.project(private=False, key="A_1", name="Größe 例", description="")
    ),
    _read("cloud", "user", "with-email", cloud.user(ROBIN, email="robin@tidewater.example")),
    _read("cloud", "user", "without-email", cloud.user(ZOFIE, email=None)),
    _read("cloud", "repository", "plain", cloud.Repository().to_json()),
    _read(
        "cloud",
        "repository",
        "empty-fork",
        cloud.Repository(
            full_name="tidewater/größe.fork-2",
            name="Größe (fork) #2",
            private=False,
            description="",
            main_branch=None,
            language="",
            parent="upstream/size",
        ).to_json(),
    ),
    _read("cloud", "repository", "without-project", cloud.Repository(project=None).to_json()),
    _cloud_pull_request("open-no-reviewers", cloud.PullRequest(7, "Draft: tides", author=ROBIN, draft=True)),
    _cloud_pull_request(
        "open-waiting",
        cloud.PullRequest(
            8,
            "Show tides",
            author=ROBIN,
            reviewers=(ZOFIE, SASHA),
            participants=(cloud.Participant(ZOFIE, "REVIEWER"), cloud.Participant(SASHA, "REVIEWER")),
        ),
    ),
    _cloud_pull_request(
        "approved-also-by-a-passer-by",
        cloud.PullRequest(
            9,
            'Größe: "quotes" & 例',
            author=ROBIN,
            reviewers=(ZOFIE,),
            participants=(
                cloud.Participant(ZOFIE, "REVIEWER", "approved"),
                cloud.Participant(SASHA, "PARTICIPANT", "approved"),
                cloud.Participant(ROBIN, "PARTICIPANT"),
            ),
        ),
    ),
    _cloud_pull_request(
        "changes-requested-beside-an-approval",
        cloud.PullRequest(
            10,
            "Tides by hour",
            author=ROBIN,
            reviewers=(ZOFIE, SASHA),
            participants=(
                cloud.Participant(ZOFIE, "REVIEWER", "approved"),
                cloud.Participant(SASHA, "REVIEWER", "changes_requested"),
            ),
        ),
    ),
    _cloud_pull_request(
        "merged",
        cloud.PullRequest(
            11,
            "Moorings",
            state="MERGED",
            author=ZOFIE,
            reviewers=(ROBIN,),
            participants=(cloud.Participant(ROBIN, "REVIEWER", "approved"),),
            merge_commit=MERGE,
            updated_on="2026-03-02T12:45:27.481302+00:00",
        ),
    ),
    _cloud_pull_request("declined", cloud.PullRequest(12, "Never mind", state="DECLINED", author=ROBIN)),
    _cloud_pull_request(
        "superseded-by-a-deleted-account",
        cloud.PullRequest(13, "Old tides", state="SUPERSEDED", author=None, source="release/größe"),
    ),
]

KIM = server.User("kim", "Kim Exempel", "kim@tidewater.example")
ZOE = server.User("Zoë Ünïk", "Zoë Ünïk 例", "zoe@tidewater.example", slug="zo__n_k")
JO = server.User("jo.doe", "Jo Doe", None, active=False)


def _server_pull_request(name: str, facts: server.PullRequest) -> Case:
    shapes: tuple[server.Shape, ...] = ("single", "list", "payload")
    return Case("server", "pull-request", name, {shape: facts.to_json(shape) for shape in shapes})


SERVER = [
    _read("server", "project", "plain", server.project(description="Boats")),
    _read("server", "project", "public-unicode", server.project(key="groesse-1", name="Größe 例", public=True)),
    _read("server", "project", "personal", server.project(key="~kim", name="Kim Exempel")),
    _read("server", "user", "with-email", KIM.to_json()),
    _read("server", "user", "odd-name", ZOE.to_json()),
    _read("server", "user", "hidden-email-inactive", JO.to_json()),
    _read("server", "repository", "plain", server.repository(description="Berths and moorings")),
    _read(
        "server",
        "repository",
        "public-archived-fork",
        server.repository(slug="size.2", name="Größe (fork) #2", public=True, archived=True, origin="size"),
    ),
    _read("server", "repository", "before-archiving-existed", server.repository(archived=None)),
    _read("server", "repository", "personal", server.repository(in_project=server.project(key="~kim", name="Kim"))),
    _server_pull_request("open-no-reviewers", server.PullRequest(7, "Draft: tides", KIM, draft=True)),
    _server_pull_request(
        "open-waiting",
        server.PullRequest(8, "Show tides", KIM, reviewers=(server.Participant(ZOE), server.Participant(JO))),
    ),
    _server_pull_request(
        "approved-also-by-a-passer-by",
        server.PullRequest(
            9,
            'Größe: "quotes" & 例',
            KIM,
            reviewers=(server.Participant(ZOE, "APPROVED"),),
            participants=(server.Participant(JO, "APPROVED"),),
        ),
    ),
    _server_pull_request(
        "needs-work-beside-an-approval",
        server.PullRequest(
            10,
            "Tides by hour",
            KIM,
            reviewers=(server.Participant(ZOE, "APPROVED"), server.Participant(JO, "NEEDS_WORK")),
        ),
    ),
    _server_pull_request(
        "merged",
        server.PullRequest(
            11,
            "Moorings",
            ZOE,
            state="MERGED",
            reviewers=(server.Participant(KIM, "APPROVED"),),
            merge_commit=MERGE,
            closed=1772455527999,
        ),
    ),
    _server_pull_request("declined", server.PullRequest(12, "Never mind", JO, state="DECLINED", closed=1772455527000)),
    _server_pull_request("personal", server.PullRequest(13, "At home", KIM, project_key="~kim")),
]

CASES = [*CLOUD, *SERVER]
