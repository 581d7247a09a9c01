"""The sources of the Cloud API: files and directories at a commit."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from local.standins.cloud.api import CloudApi
from local.standins.cloud.model import Repository, User
from local.standins.cloud.query import SOURCE_FIELDS
from local.standins.git import Commit
from local.standins.http import Answer, Refused, Request


class SourceApi(CloudApi):
    """Files and directories at a commit."""

    def redirect_to_source(self, request: Request) -> Answer:
        """GET …/src: sends on to the head of the main branch."""
        repository = self.repository(request)
        if repository.main_branch is None:
            raise Refused(404, "The repository is empty")
        head = repository.git.branches[repository.main_branch]
        return Answer(302, None, {"Location": f"{self.url}{request.path.rstrip('/')}/{head}/"})

    def get_source(self, request: Request) -> Answer:
        """GET …/src/{commit}/{path}: a file's bytes, or a page of a directory (the root needs its slash)."""
        repository = self.repository(request)
        path = request.variables.get("path", "").rstrip("/")
        if not path and not request.path.endswith("/"):
            raise Refused(404, "No such path; the root of a repository ends with a slash")
        commit = repository.git.resolve(request.variables["commit"])
        if commit is None:
            raise Refused(404, "Commit not found")
        wants_meta = request.value("format") == "meta"
        if request.value("format") not in (None, "meta", "rendered"):
            raise Refused(400, "format: not a format")
        if path in commit.files:
            if wants_meta:
                return self.one(request, self._entry(repository, commit, path))
            return Answer(200, commit.files[path].encode(), {"Content-Type": "text/plain"})
        if path and not any(name.startswith(path + "/") for name in commit.files):
            raise Refused(404, f"No such file or directory: {path}")
        if wants_meta:
            return self.one(request, self._entry(repository, commit, path))
        depth = request.value("max_depth") or "1"
        if not depth.isdigit():
            raise Refused(400, "max_depth: not a number")
        entries = [self._entry(repository, commit, name) for name in _below(commit, path, int(depth))]
        return self.page(request, entries, fields=SOURCE_FIELDS)

    def _entry(self, repository: Repository, commit: Commit[User], path: str) -> dict[str, Any]:
        is_file = path in commit.files
        api = f"{self.world.site.api}/repositories/{repository.full_name}"
        entry: dict[str, Any] = {
            "type": "commit_file" if is_file else "commit_directory",
            "path": path,
            "commit": {**self.world.write.commit_short(repository, commit.hash), "hash": commit.hash},
            "links": {"self": {"href": f"{api}/src/{commit.hash}/{quote(path)}" + ("" if is_file else "/")}},
        }
        if is_file:
            entry |= {"size": len(commit.files[path].encode()), "attributes": [], "escaped_path": path}
        return entry


def _below(commit: Commit[User], path: str, depth: int) -> list[str]:
    """Files and directories under a path, breadth first, as deep as asked."""
    start = f"{path}/" if path else ""
    found: set[str] = set()
    for name in commit.files:
        if name.startswith(start):
            steps = name.removeprefix(start).split("/")
            found.update(start + "/".join(steps[:length]) for length in range(1, min(depth, len(steps)) + 1))
    return sorted(found, key=lambda name: (name.count("/"), name))
