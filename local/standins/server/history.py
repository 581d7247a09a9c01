"""The parts of the Data Center API about history and files."""

from __future__ import annotations

from typing import Any

from local.standins.git import Commit
from local.standins.http import Answer, Refused, Request
from local.standins.server.api import ServerApi
from local.standins.server.model import Repository, User
from local.standins.server.pages import page_of
from local.standins.server.serialise import minimal_ref


class HistoryApi(ServerApi):
    """Branches, commits and files. Without ``at`` or ``until`` everything is read at the default branch's head."""

    def get_default_branch(self, request: Request) -> Answer:
        """GET …/default-branch: what is configured, whether or not that branch exists yet."""
        return Answer(200, minimal_ref(self.repository(request).default_branch))

    def list_branches(self, request: Request) -> Answer:
        """GET …/branches; ``filterText`` is contained in the name."""
        repository = self.repository(request)
        part = (request.value("filterText") or "").lower()
        names = [name for name in sorted(repository.git.branches) if part in name.lower()]

        def write(name: str) -> dict[str, Any]:
            is_default = name == repository.default_branch
            return self.world.write.branch(name, repository.git.branches[name], default=is_default)

        return Answer(200, page_of(names, request, write, largest=self.page_limit))

    def list_commits(self, request: Request) -> Answer:
        """GET …/commits, newest first, from ``until`` back to (without) ``since``."""
        repository = self.repository(request)
        head = self._commit(repository, request.value("until"))
        since = request.value("since")
        commits = repository.git.log(head.hash, since=self._commit(repository, since).hash if since else None)
        return Answer(200, page_of(commits, request, self.world.write.commit, largest=self.page_limit))

    def get_commit(self, request: Request) -> Answer:
        """GET …/commits/{commit}."""
        repository = self.repository(request)
        return Answer(200, self.world.write.commit(self._commit(repository, request.variables["commit"])))

    def get_raw(self, request: Request) -> Answer:
        """GET …/raw/{path}: the file's bytes."""
        path = request.variables["path"]
        commit = self._commit(self.repository(request), request.value("at"))
        if path not in commit.files:
            raise Refused(404, f"The path {path!r} does not exist", code="content.NoSuchPathException")
        return Answer(200, commit.files[path].encode(), {"Content-Type": "text/plain;charset=UTF-8"})

    def list_files(self, request: Request) -> Answer:
        """GET …/files[/{path}]: the paths of all files below, relative to the path."""
        commit = self._commit(self.repository(request), request.value("at"))
        names = self._below(commit, request)
        return Answer(200, page_of(names, request, str, largest=self.page_limit))

    def browse(self, request: Request) -> Answer:
        """GET …/browse[/{path}]: the lines of a file, or the children of a directory."""
        commit = self._commit(self.repository(request), request.value("at"))
        path = request.variables.get("path", "").rstrip("/")
        if request.value("type") == "true":
            return Answer(200, {"type": "FILE" if path in commit.files else "DIRECTORY"})
        if path in commit.files:
            page = page_of(commit.files[path].splitlines(), request, lambda line: {"text": line}, largest=5000)
            page["lines"] = page.pop("values")
            return Answer(200, page)
        children = list(dict.fromkeys(name.split("/")[0] for name in self._below(commit, request)))

        def write(name: str) -> dict[str, Any]:
            whole = f"{path}/{name}" if path else name
            written: dict[str, Any] = {
                "path": {"components": [name], "parent": "", "name": name, "toString": name},
                "type": "FILE" if whole in commit.files else "DIRECTORY",
            }
            return written | ({"size": len(commit.files[whole].encode())} if whole in commit.files else {})

        components = path.split("/") if path else []
        where = {"components": components, "name": components[-1] if components else "", "toString": path}
        page = page_of(children, request, write, largest=self.page_limit)
        return Answer(200, {"path": where, "revision": request.value("at") or commit.hash, "children": page})

    def _below(self, commit: Commit[User], request: Request) -> list[str]:
        path = request.variables.get("path", "").rstrip("/")
        start = f"{path}/" if path else ""
        names = sorted(name.removeprefix(start) for name in commit.files if name.startswith(start))
        if path and not names:
            raise Refused(404, f"The path {path!r} does not exist", code="content.NoSuchPathException")
        return names

    def _commit(self, repository: Repository, revision: str | None) -> Commit[User]:
        found = repository.git.resolve(revision or repository.default_branch)
        if found is None:
            message = f"Commit {revision!r} does not exist in {repository.full_name}."
            raise Refused(404, message, code="commit.NoSuchCommitException")
        return found
