"""How Bitbucket Cloud writes an object: one way in a webhook, one in a list, one by itself.

The differences are the real ones (field lists of captured webhooks, Atlassian's API description of June 2026):

- repository: a webhook's copy lacks ``mainbranch``, ``created_on``, ``updated_on``, ``language``, ``description``,
  ``size``, ``slug`` and more; list and single object are alike.
- pull request: a list item lacks ``participants``, ``reviewers`` and ``rendered`` (the first two can be asked for);
  the merge commit has 12 digits in a webhook and 40 in the API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from local.standins.cloud.model import (
    Comment,
    Hook,
    Participant,
    Project,
    PullRequest,
    Repository,
    User,
    Workspace,
)
from local.standins.git import Commit, RefChange

Json = dict[str, Any]
PUSH_COMMITS = 5
"""A push tells at most this many commits of a branch and says ``truncated`` when there were more."""


@dataclass
class Site:
    """Where links point to: the API and the web pages."""

    api: str = "https://api.bitbucket.org/2.0"
    html: str = "https://bitbucket.org"


def stamp(when: datetime | None) -> str | None:
    """A time with microseconds, as the API and webhooks write it."""
    return when.astimezone(UTC).isoformat(timespec="microseconds") if when else None


def href(**links: str) -> Json:
    """A ``links`` object."""
    return {name: {"href": target} for name, target in links.items()}


def braced(uuid: str) -> str:
    """A ``{uuid}`` for a path."""
    return quote(uuid, safe="")


class Serialiser:
    """Writes the objects of one workspace."""

    def __init__(self, site: Site) -> None:
        self.site = site

    # Small things, written alike everywhere.

    def user(self, user: User) -> Json:
        """An account; ``username`` is gone since 2019."""
        return {
            "type": "user",
            "uuid": user.uuid,
            "account_id": user.account_id,
            "nickname": user.nickname,
            "display_name": user.display_name,
            "links": href(
                self=f"{self.site.api}/users/{braced(user.uuid)}",
                html=f"{self.site.html}/{braced(user.uuid)}/",
                avatar=f"{self.site.html}/account/{braced(user.uuid)}/avatar",
            ),
        }

    def workspace_short(self, workspace: Workspace) -> Json:
        """A workspace inside another object."""
        return {
            "type": "workspace",
            "uuid": workspace.uuid,
            "slug": workspace.slug,
            "name": workspace.name,
            "links": href(
                self=f"{self.site.api}/workspaces/{workspace.slug}",
                html=f"{self.site.html}/{workspace.slug}/",
                avatar=f"{self.site.html}/workspaces/{workspace.slug}/avatar",
            ),
        }

    def workspace(self, workspace: Workspace) -> Json:
        """``GET /workspaces/{workspace}``."""
        return {
            **self.workspace_short(workspace),
            "is_private": True,
            "is_privacy_enforced": False,
            "forking_mode": "allow_forks",
            "created_on": stamp(workspace.created_on),
        }

    def team(self, workspace: Workspace) -> Json:
        """A workspace as the owner of something."""
        return {
            "type": "team",
            "uuid": workspace.uuid,
            "username": workspace.slug,
            "display_name": workspace.name,
            "links": self.workspace_short(workspace)["links"],
        }

    def project_short(self, project: Project, workspace: Workspace) -> Json:
        """A project inside a repository."""
        return {
            "type": "project",
            "uuid": project.uuid,
            "key": project.key,
            "name": project.name,
            "links": href(
                self=f"{self.site.api}/workspaces/{workspace.slug}/projects/{project.key}",
                html=f"{self.site.html}/{workspace.slug}/workspace/projects/{project.key}",
                avatar=f"{self.site.html}/{workspace.slug}/workspace/projects/{project.key}/avatar/32",
            ),
        }

    def project(self, project: Project, workspace: Workspace) -> Json:
        """A project in lists, by itself and in ``project:updated``."""
        return {
            **self.project_short(project, workspace),
            "description": project.description,
            "is_private": project.is_private,
            "has_publicly_visible_repos": False,
            "created_on": stamp(project.created_on),
            "updated_on": stamp(project.updated_on),
            "owner": self.team(workspace),
            "workspace": self.workspace_short(workspace),
        }

    # Repositories.

    def _repository_links(self, repository: Repository) -> Json:
        return href(
            self=f"{self.site.api}/repositories/{repository.full_name}",
            html=f"{self.site.html}/{repository.full_name}",
            avatar=f"{self.site.html}/{repository.full_name}/avatar/32",
        )

    def repository_short(self, repository: Repository) -> Json:
        """A repository inside a pull request, a branch or a fork."""
        return {
            "type": "repository",
            "uuid": repository.uuid,
            "full_name": repository.full_name,
            "name": repository.name,
            "links": self._repository_links(repository),
        }

    def repository_in_webhook(self, repository: Repository) -> Json:
        """The copy a webhook carries."""
        written = {
            **self.repository_short(repository),
            "scm": "git",
            "website": repository.website,
            "is_private": repository.is_private,
            "owner": self.team(repository.workspace),
            "workspace": self.workspace_short(repository.workspace),
            "project": self.project_short(repository.project, repository.workspace),
        }
        if repository.parent is not None:
            written["parent"] = self.repository_short(repository.parent)
        return written

    def repository(self, repository: Repository) -> Json:
        """A repository in lists and by itself."""
        api = f"{self.site.api}/repositories/{repository.full_name}"
        branch = repository.main_branch
        links = self._repository_links(repository) | href(
            pullrequests=f"{api}/pullrequests", commits=f"{api}/commits", forks=f"{api}/forks", hooks=f"{api}/hooks"
        )
        links["clone"] = [{"name": "https", "href": f"{self.site.html}/{repository.full_name}.git"}]
        return {
            **self.repository_in_webhook(repository),
            "slug": repository.slug,
            "description": repository.description,
            "language": repository.language,
            "created_on": stamp(repository.created_on),
            "updated_on": stamp(repository.updated_on),
            "size": sum(len(text) for commit in repository.git.commits.values() for text in commit.files.values()),
            "has_issues": False,
            "has_wiki": False,
            "fork_policy": "allow_forks",
            "mainbranch": {"type": "branch", "name": branch} if branch else None,
            "parent": self.repository_short(repository.parent) if repository.parent else None,
            "links": links,
        }

    # History.

    def commit_short(self, repository: Repository, digits: str) -> Json:
        """A commit inside a pull request: 12 digits."""
        return {
            "type": "commit",
            "hash": digits[:12],
            "links": href(
                self=f"{self.site.api}/repositories/{repository.full_name}/commit/{digits[:12]}",
                html=f"{self.site.html}/{repository.full_name}/commits/{digits[:12]}",
            ),
        }

    def commit(self, repository: Repository, commit: Commit[User]) -> Json:
        """A commit in lists, in branches and in pushes."""
        return {
            **self.commit_short(repository, commit.hash),
            "hash": commit.hash,
            "date": commit.date.astimezone(UTC).isoformat(timespec="seconds"),
            "author": {
                "type": "author",
                "raw": f"{commit.author.display_name} <{commit.author.nickname}@example.com>",
                "user": self.user(commit.author),
            },
            "message": commit.message,
            "summary": {"type": "rendered", "raw": commit.message, "markup": "markdown", "html": ""},
            "parents": [
                {**self.commit_short(repository, parent), "hash": parent, "type": "commit"} for parent in commit.parents
            ],
        }

    def branch(self, repository: Repository, name: str, digits: str, kind: str = "branch") -> Json:
        """A branch or tag."""
        place = "branches" if kind == "branch" else "tags"
        path = f"{self.site.api}/repositories/{repository.full_name}"
        return {
            "type": kind,
            "name": name,
            "target": self.commit(repository, repository.git.commits[digits]),
            "links": href(
                self=f"{path}/refs/{place}/{quote(name)}",
                commits=f"{path}/commits/{quote(name)}",
                html=f"{self.site.html}/{repository.full_name}/branch/{quote(name)}",
            ),
        }

    def push_change(self, repository: Repository, change: RefChange, forced: bool = False) -> Json:
        """One entry of ``push.changes``."""
        old, new = (
            self.branch(repository, change.name, digits, change.kind) if digits else None
            for digits in (change.old, change.new)
        )
        commits = repository.git.log(change.new, since=change.old) if change.new else []
        return {
            "old": old,
            "new": new,
            "created": old is None,
            "closed": new is None,
            "forced": forced,
            "truncated": len(commits) > PUSH_COMMITS,
            "commits": [self.commit(repository, commit) for commit in commits[:PUSH_COMMITS]],
            "links": href(html=f"{self.site.html}/{repository.full_name}/branches/compare"),
        }

    # Pull requests.

    def participant(self, participant: Participant) -> Json:
        """What somebody did on a pull request."""
        return {
            "type": "participant",
            "user": self.user(participant.user),
            "role": "REVIEWER" if participant.is_reviewer else "PARTICIPANT",
            "approved": participant.review == "approved",
            "state": participant.review,
            "participated_on": stamp(participant.participated_on),
        }

    def _end(self, repository: Repository, branch: str, digits: str) -> Json:
        return {
            "branch": {"name": branch},
            "commit": self.commit_short(repository, digits),
            # the fork a pull request came from can be deleted before the pull request is closed
            "repository": None if repository.deleted else self.repository_short(repository),
        }

    def pull_request_in_list(self, pull: PullRequest) -> Json:
        """A list item as it comes without ``fields``."""
        api = f"{self.site.api}/repositories/{pull.repository.full_name}/pullrequests/{pull.id}"
        merge_commit = pull.merge_commit
        return {
            "type": "pullrequest",
            "id": pull.id,
            "title": pull.title,
            "description": pull.description,
            "summary": {"type": "rendered", "raw": pull.description, "markup": "markdown", "html": ""},
            "state": pull.state,
            "draft": pull.draft,
            "author": self.user(pull.author),
            "source": self._end(pull.source, pull.source_branch, pull.source_commit),
            "destination": self._end(pull.repository, pull.target_branch, pull.target_commit),
            "merge_commit": (
                {**self.commit_short(pull.repository, merge_commit), "hash": merge_commit} if merge_commit else None
            ),
            "comment_count": sum(not comment.deleted for comment in pull.comments.values()),
            "task_count": 0,
            "close_source_branch": pull.close_source_branch,
            "closed_by": self.user(pull.closed_by) if pull.closed_by else None,
            "reason": pull.reason,
            "created_on": stamp(pull.created_on),
            "updated_on": stamp(pull.updated_on),
            "links": href(
                self=api,
                html=f"{self.site.html}/{pull.repository.full_name}/pull-requests/{pull.id}",
                commits=f"{api}/commits",
                approve=f"{api}/approve",
                comments=f"{api}/comments",
                activity=f"{api}/activity",
                merge=f"{api}/merge",
                decline=f"{api}/decline",
            ),
        }

    def people(self, pull: PullRequest) -> Json:
        """What a list item has only when ``fields`` asks for it."""
        return {
            "reviewers": [self.user(user) for user in pull.reviewers],
            "participants": [self.participant(participant) for participant in pull.participants.values()],
        }

    def pull_request(self, pull: PullRequest) -> Json:
        """A pull request by itself."""
        texts = {"title": pull.title, "description": pull.description}
        rendered = {name: {"type": "rendered", "raw": text, "markup": "markdown"} for name, text in texts.items()}
        return {**self.pull_request_in_list(pull), **self.people(pull), "rendered": rendered}

    def pull_request_in_webhook(self, pull: PullRequest) -> Json:
        """The copy a webhook carries: everything, but the merge commit cut to 12 digits."""
        written = self.pull_request(pull)
        if pull.merge_commit is not None:
            written["merge_commit"] = self.commit_short(pull.repository, pull.merge_commit)
        return written

    def comment(self, pull: PullRequest, comment: Comment) -> Json:
        """A comment of a comment event."""
        written: Json = {
            "type": "pullrequest_comment",
            "id": comment.id,
            "content": {"type": "rendered", "raw": comment.text, "markup": "markdown", "html": ""},
            "user": self.user(comment.author),
            "created_on": stamp(comment.created_on),
            "updated_on": stamp(comment.updated_on),
            "deleted": comment.deleted,
            "pending": False,
            "links": href(
                html=f"{self.site.html}/{pull.repository.full_name}/pull-requests/{pull.id}#comment-{comment.id}"
            ),
        }
        if comment.resolved_by is not None:
            written["resolution"] = {
                "type": "comment_resolution",
                "user": self.user(comment.resolved_by),
                "created_on": stamp(comment.resolved_on),
            }
        return written

    def hook(self, hook: Hook, workspace: Workspace) -> Json:
        """A webhook subscription, without its secret."""
        subject = self.repository_short(hook.subject) if hook.subject else self.workspace_short(workspace)
        return {
            "type": "webhook_subscription",
            "uuid": hook.uuid,
            **hook.settings,
            "subject_type": "repository" if hook.subject else "workspace",
            "subject": subject,
            "secret_set": bool(hook.secret),
            "created_at": stamp(hook.created_at),
        }
