"""Pull requests of a made-up Bitbucket Cloud workspace, and the webhooks their changes cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from local.standins.cloud.model import Comment, Participant, PullRequest, User
from local.standins.cloud.serialise import Json, stamp
from local.standins.cloud.world import RepositoryName, RepositoryWorld
from local.standins.git import RefChange
from local.standins.reviews import Participants, make_source_branch, must_have_branch
from local.standins.world import Events, locked


class CloudWorld(RepositoryWorld):
    """The whole world. Reviews leave ``updated_on`` as it is; every other change moves it."""

    def pull_request(self, repository: RepositoryName, number: int) -> PullRequest:
        """The pull request with that number; KeyError when there is none."""
        return self.repository(repository).pull_requests[number]

    @locked
    def open_pull_request(
        self,
        repository: RepositoryName,
        source_branch: str,
        destination_branch: str | None = None,
        *,
        title: str | None = None,
        description: str = "",
        author: User | None = None,
        reviewers: Sequence[User] = (),
        draft: bool = False,
        close_source_branch: bool = False,
        source: RepositoryName | None = None,
    ) -> Events[PullRequest]:
        """``pullrequest:created``. A source branch that does not exist is made first, silently, with one commit;
        ValueError when the destination does not exist. ``source`` is the fork the branch is in.
        """
        target = self.repository(repository)
        origin = self.repository(source) if source is not None else target
        destination = destination_branch or target.base_branch
        must_have_branch(target, destination)
        when, writer = self.now(), author or self.owner
        make_source_branch(origin, source_branch, destination, author=writer, when=when)
        made = PullRequest(
            id=max(target.pull_requests, default=0) + 1,
            repository=target,
            source=origin,
            source_branch=source_branch,
            target_branch=destination,
            title=title or f"Merge {source_branch}",
            description=description,
            author=writer,
            created_on=when,
            updated_on=when,
            draft=draft,
            close_source_branch=close_source_branch,
            participants=Participants(Participant, reviewers),
        )
        target.pull_requests[made.id] = made
        return self.announce(made, when, self._event("pullrequest:created", author, self._pull_payload(made)))

    @locked
    def update_pull_request(
        self,
        pull: PullRequest,
        *,
        title: str | None = None,
        description: str | None = None,
        draft: bool | None = None,
        destination_branch: str | None = None,
        by: User | None = None,
    ) -> Events[PullRequest]:
        """``pullrequest:updated``: what the edit page changes."""
        pull.edit(title=title, description=description, draft=draft, target_branch=destination_branch)
        return self._updated(pull, "pullrequest:updated", by)

    @locked
    def set_reviewers(
        self, pull: PullRequest, *, add: Sequence[User] = (), remove: Sequence[User] = (), by: User | None = None
    ) -> Events[PullRequest]:
        """``pullrequest:updated``. A removed reviewer who did something stays as a participant."""
        pull.participants.ask(add)
        for user in remove:
            participant = pull.participants[user]
            participant.is_reviewer = False
            if participant.review is None and participant.commented_on is None:
                del pull.participants[user]
        return self._updated(pull, "pullrequest:updated", by)

    # Reviews: the pull request's updated_on stays.

    @locked
    def approve(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pullrequest:approved`` with ``approval.date``; takes the place of a change request by the same user."""
        participant, when = pull.participants.join(user), self.now()
        participant.review, participant.reviewed_on = "approved", when
        return self._reviewed(pull, "pullrequest:approved", "approval", user, when)

    @locked
    def unapprove(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pullrequest:unapproved``: whatever the user had decided is withdrawn."""
        pull.participants[user].review = None
        return self._reviewed(pull, "pullrequest:unapproved", "approval", user, self.now())

    @locked
    def request_changes(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pullrequest:changes_request_created`` with ``changes_request.date``."""
        participant, when = pull.participants.join(user), self.now()
        participant.review, participant.reviewed_on = "changes_requested", when
        return self._reviewed(pull, "pullrequest:changes_request_created", "changes_request", user, when)

    @locked
    def withdraw_changes_request(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pullrequest:changes_request_removed``."""
        pull.participants[user].review = None
        return self._reviewed(pull, "pullrequest:changes_request_removed", "changes_request", user, self.now())

    # Comments.

    @locked
    def comment(self, pull: PullRequest, user: User, text: str) -> Events[Comment]:
        """``pullrequest:comment_created``; makes the user a participant."""
        when = self.now()
        pull.participants.join(user).commented_on = when
        made = Comment(len(pull.comments) + 1, user, text, when, when)
        pull.comments[made.id] = made
        return self._commented(pull, made, "pullrequest:comment_created", user, when)

    @locked
    def edit_comment(self, pull: PullRequest, comment: Comment, text: str) -> Events[Comment]:
        """``pullrequest:comment_updated``."""
        when = self.now()
        comment.text, comment.updated_on = text, when
        return self._commented(pull, comment, "pullrequest:comment_updated", comment.author, when)

    @locked
    def delete_comment(self, pull: PullRequest, comment: Comment) -> Events[Comment]:
        """``pullrequest:comment_deleted``; the comment stays, marked and without text."""
        when = self.now()
        comment.text, comment.deleted, comment.updated_on = "", True, when
        return self._commented(pull, comment, "pullrequest:comment_deleted", comment.author, when)

    @locked
    def resolve_comment(self, pull: PullRequest, comment: Comment, user: User) -> Events[Comment]:
        """``pullrequest:comment_resolved``."""
        when = self.now()
        comment.resolved_by, comment.resolved_on = user, when
        return self._commented(pull, comment, "pullrequest:comment_resolved", user, when)

    @locked
    def reopen_comment(self, pull: PullRequest, comment: Comment, user: User) -> Events[Comment]:
        """``pullrequest:comment_reopened``."""
        comment.resolved_by = comment.resolved_on = None
        return self._commented(pull, comment, "pullrequest:comment_reopened", user, self.now())

    # The end of a pull request.

    @locked
    def merge(self, pull: PullRequest, *, by: User | None = None) -> Events[PullRequest]:
        """``repo:push`` of the destination (and of the source branch, when it is closed with the pull request), then
        ``pullrequest:fulfilled``; pull requests from the destination branch are updated too.
        """
        pull.must_be_open()
        when, user, target = self.now(), by or self.owner, pull.repository
        message = f"Merged in {pull.source_branch} (pull request #{pull.id})"
        changes = [pull.merge_into_target(author=user, message=message, when=when)]
        self._close(pull, when, user)
        if pull.close_source_branch and pull.source is target:
            old = target.git.branches.pop(pull.source_branch, None)
            changes.append(RefChange(pull.source_branch, "branch", old, None))
        events: Events[PullRequest] = Events(pull, self._pushed(target, changes, when, user))
        events += self.announce(pull, when, self._event("pullrequest:fulfilled", user, self._pull_payload(pull)))
        return events

    @locked
    def decline(self, pull: PullRequest, *, reason: str = "", by: User | None = None) -> Events[PullRequest]:
        """``pullrequest:rejected``."""
        pull.must_be_open()
        when = self.now()
        self._close(pull, when, by or self.owner)
        pull.state, pull.reason = "DECLINED", reason
        return self.announce(pull, when, self._event("pullrequest:rejected", by, self._pull_payload(pull)))

    @locked
    def supersede(self, pull: PullRequest) -> Events[PullRequest]:
        """Another pull request takes its place. No event is known for that, so none is sent."""
        pull.must_be_open()
        when = self.now()
        self._close(pull, when, None)
        pull.state = "SUPERSEDED"
        return self.announce(pull, when)

    # What a change causes.

    def _close(self, pull: PullRequest, when: datetime, user: User | None) -> None:
        pull.updated_on, pull.closed_by = when, user

    def _updated(self, pull: PullRequest, key: str, by: User | None) -> Events[PullRequest]:
        pull.updated_on = self.now()
        return self.announce(pull, pull.updated_on, self._event(key, by, self._pull_payload(pull)))

    def _reviewed(self, pull: PullRequest, key: str, part: str, user: User, when: datetime) -> Events[PullRequest]:
        review: Json = {part: {"date": stamp(when), "user": self.write.user(user)}}
        return self.announce(pull, when, self._event(key, user, self._pull_payload(pull) | review))

    def _commented(self, pull: PullRequest, comment: Comment, key: str, user: User, when: datetime) -> Events[Comment]:
        pull.updated_on = when
        payload = self._pull_payload(pull) | {"comment": self.write.comment(pull, comment)}
        return self.announce(comment, when, self._event(key, user, payload))
