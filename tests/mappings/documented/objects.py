"""The objects that Port's page "Bitbucket (Self-Hosted)" shows, with the values that its mapping reads."""

from __future__ import annotations

from bitbucket_port.objects import JsonObject

SITE = "http://localhost:7990"
SOURCE_COMMIT = "3e4df0573a0ba1845ebdfa919c907745497313aa"
TARGET_COMMIT = "9534663d88977c0aa5c25249986eae851fd83a8d"
LATEST_COMMIT = "965068d1461f119139bb6be582bb22a555a195ba"


def _links(path: str) -> JsonObject:
    return {"self": [{"href": f"{SITE}/{path}"}]}


def _project(key: str, number: int, name: str) -> JsonObject:
    return {
        "key": key,
        "id": number,
        "name": name,
        "public": False,
        "type": "NORMAL",
        "links": _links(f"projects/{key}"),
    }


def _repository(name: str) -> JsonObject:
    return {
        "slug": "repostiroy-3",
        "id": 3,
        "name": name,
        "hierarchyId": "0a8dadb07bb606236d8c",
        "scmId": "git",
        "state": "AVAILABLE",
        "statusMessage": "Available",
        "forkable": True,
        "project": _project("PRO3", 3, "Project Three"),
        "public": False,
        "archived": False,
        "links": _links("projects/PRO3/repos/repostiroy-3/browse")
        | {
            "clone": [
                {"href": "ssh://git@localhost:7999/pro3/repostiroy-3.git", "name": "ssh"},
                {"href": f"{SITE}/scm/pro3/repostiroy-3.git", "name": "http"},
            ]
        },
    }


def _side(branch: str, commit: str) -> JsonObject:
    return {
        "id": f"refs/heads/{branch}",
        "displayId": branch,
        "latestCommit": commit,
        "type": "BRANCH",
        "repository": _repository("Repostiroy 3"),
    }


PROJECT = _project("PROJ", 1, "Project")

# The page blacks the login name out, in the name, the slug and the link.
USER: JsonObject = {
    "name": "[REDACTED]",
    "emailAddress": "admin@gmail.com",
    "active": True,
    "displayName": "Admin",
    "id": 3,
    "slug": "[REDACTED]",
    "type": "NORMAL",
    "links": _links("users/[REDACTED]"),
}

REPOSITORY = _repository("Repostiroy-3") | {
    "__readme": "",
    "__latestCommit": {
        "id": LATEST_COMMIT,
        "displayId": LATEST_COMMIT[:11],
        "author": USER,
        "authorTimestamp": 1747744649000,
        "committer": USER,
        "committerTimestamp": 1747744649000,
        "message": "Pull request #1: readme.md edited online with Bitbucket",
        "parents": [{"id": commit, "displayId": commit[:11]} for commit in (TARGET_COMMIT, SOURCE_COMMIT)],
    },
}

# The page shows it before it was merged.
PULL_REQUEST: JsonObject = {
    "id": 1,
    "version": 1,
    "title": "readme.md edited online with Bitbucket",
    "state": "OPEN",
    "open": True,
    "closed": False,
    "draft": False,
    "createdDate": 1747730324792,
    "updatedDate": 1747730324792,
    "fromRef": _side("main", SOURCE_COMMIT),
    "toRef": _side("master", TARGET_COMMIT),
    "locked": False,
    "author": {"user": USER, "role": "AUTHOR", "approved": False, "status": "UNAPPROVED"},
    "reviewers": [],
    "participants": [],
    "properties": {
        "mergeResult": {"outcome": "CLEAN", "current": False},
        "resolvedTaskCount": 0,
        "commentCount": 0,
        "openTaskCount": 0,
    },
    "links": _links("projects/PRO3/repos/repostiroy-3/pull-requests/1"),
}
