"""The parts of the Cloud API with rules of their own: sources and webhook subscriptions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from local.standins.cloud.api import CloudApi
from local.standins.cloud.model import Hook, Repository, User
from local.standins.cloud.query import SOURCE_FIELDS
from local.standins.cloud.routes import HOOK_EVENTS, NEW_HOOK
from local.standins.git import Commit
from local.standins.http import Answer, Refused, Request, check_shape


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


class HookApi(SourceApi):
    """Webhook subscriptions of the workspace or of one repository."""

    def list_hook_events(self, request: Request) -> Answer:
        """GET /hook_events/{subject}: which events a subscription may name."""
        if request.variables["subject"] not in ("workspace", "repository"):
            raise Refused(404, "No such subject")
        events = [
            {"event": key, "category": key.split(":")[0], "label": key, "description": key} for key in HOOK_EVENTS
        ]
        return self.page(request, events)

    def list_hooks(self, request: Request) -> Answer:
        """GET …/hooks."""
        subject = self._subject(request)
        hooks = [hook for hook in self.world.hooks if hook.subject is subject]
        return self.page(request, [self.world.write.hook(hook, self.world.workspace) for hook in hooks])

    def create_hook(self, request: Request) -> Answer:
        """POST …/hooks."""
        subject = self._subject(request)
        settings = {"active": True, "description": "", **request.json()}
        secret = settings.pop("secret", None)
        made = Hook(f"{{{self.world.new_uuid()}}}", subject, settings, secret, self.world.now())
        self.world.hooks.append(made)
        return self.one(request, self.world.write.hook(made, self.world.workspace), 201)

    def get_hook(self, request: Request) -> Answer:
        """GET …/hooks/{uid}."""
        return self.one(request, self.world.write.hook(self._hook(request), self.world.workspace))

    def change_hook(self, request: Request) -> Answer:
        """PUT …/hooks/{uid}; a secret that is left out stays, null or "" removes it."""
        hook = self._hook(request)
        settings = {**hook.settings, **request.json()}
        if "secret" in settings:
            hook.secret = settings.pop("secret")
        check_shape(settings, NEW_HOOK, 400)
        hook.settings = settings
        return self.one(request, self.world.write.hook(hook, self.world.workspace))

    def delete_hook(self, request: Request) -> Answer:
        """DELETE …/hooks/{uid}."""
        self.world.hooks.remove(self._hook(request))
        return Answer(204)

    def _subject(self, request: Request) -> Repository | None:
        if "repository" in request.variables:
            return self.repository(request)
        self.check_workspace(request)
        return None

    def _hook(self, request: Request) -> Hook:
        subject, uuid = self._subject(request), request.variables["hook"].strip("{}")
        found = next((h for h in self.world.hooks if h.subject is subject and h.uuid.strip("{}") == uuid), None)
        if found is None:
            raise Refused(404, "No such webhook")
        return found
