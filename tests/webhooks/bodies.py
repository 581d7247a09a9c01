"""Small bodies to change one thing in: a Cloud and a Data Center pull request and repository."""

from __future__ import annotations

from typing import Any

SOURCE = "{5e1f3c80-0000-4000-8000-000000000001}"
REPOSITORY_UUID = "{5e1f3c80-0000-4000-8000-000000000002}"
BASE = "https://bitbucket.acme.example/git"


def cloud_repository(**changed: Any) -> dict[str, Any]:
    return {
        "type": "repository",
        "uuid": REPOSITORY_UUID,
        "full_name": "acme/api",
        "name": "api",
        "project": {"type": "project", "key": "PAY", "uuid": "{5e1f3c80-0000-4000-8000-000000000003}"},
        "workspace": {"type": "workspace", "slug": "acme", "uuid": SOURCE},
    } | changed


def cloud_pull_request(**changed: Any) -> dict[str, Any]:
    target = {"type": "repository", "uuid": REPOSITORY_UUID, "full_name": "acme/api", "name": "api"}
    return {
        "id": 7,
        "title": "A change",
        "state": "OPEN",
        "updated_on": "2026-11-20T09:00:00.123456+00:00",
        "participants": [],
        "reviewers": [],
        "source": {"branch": {"name": "topic"}, "repository": target},
        "destination": {"branch": {"name": "main"}, "repository": target},
    } | changed


def server_project(**changed: Any) -> dict[str, Any]:
    return {"key": "PAY", "id": 12, "name": "Payments", "public": False, "type": "NORMAL"} | changed


def personal_project(**changed: Any) -> dict[str, Any]:
    owner = {"name": "sam", "slug": "sam", "id": 3, "displayName": "Sam Poe"}
    return {"key": "~sam", "id": 31, "name": "Sam Poe", "type": "PERSONAL", "owner": owner} | changed


def server_repository(**changed: Any) -> dict[str, Any]:
    return {"slug": "api", "id": 84, "name": "api", "scmId": "git", "project": server_project()} | changed


def server_pull_request(**changed: Any) -> dict[str, Any]:
    ref = {"id": "refs/heads/main", "displayId": "main", "repository": server_repository()}
    return {
        "id": 7,
        "version": 3,
        "title": "A change",
        "state": "OPEN",
        "createdDate": 1_795_165_200_000,
        "updatedDate": 1_795_165_500_123,
        "fromRef": {**ref, "id": "refs/heads/topic", "displayId": "topic"},
        "toRef": ref,
        "author": {"user": {"name": "alex", "slug": "alex"}, "role": "AUTHOR", "status": "UNAPPROVED"},
        "reviewers": [{"user": {"name": "kim", "slug": "kim"}, "role": "REVIEWER", "status": "APPROVED"}],
        "participants": [],
        "links": {"self": [None]},
    } | changed
