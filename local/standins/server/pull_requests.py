"""Pull requests of a made-up Bitbucket Data Center instance, and the webhooks their changes cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from local.standins.reviews import Participants, make_source_branch, must_have_branch
from local.standins.server.model import Comment, Participant, PullRequest, Status, User
from local.standins.server.serialise import Json, minimal_ref
from local.standins.server.world import RepositoryName, RepositoryWorld
from local.standins.world import Events, locked

REVIEW_EVENTS: dict[Status, str] = {
    "APPROVED": "pr:reviewer:approved",
    "UNAPPROVED": "pr:reviewer:unapproved",
    "NEEDS_WORK": "pr:reviewer:needs_work",
}


class ServerWorld(RepositoryWorld):
    """The whole world. Reviews and comments leave ``version`` and ``updatedDate`` as they are (captured webhooks);
    every other change moves both.
    """

    def pull_request(self, repository: RepositoryName, number: int) -> PullRequest:
        """The pull request with that number; KeyError when there is none."""
        return self.repository(repository).pull_requests[number]

    @locked
    def open_pull_request(
        self,
        repository: RepositoryName,
        source_branch: str,
        target_branch: str | None = None,
        *,
        title: str | None = None,
        description: str = "",
        author: User | None = None,
        reviewers: Sequence[User] = (),
        draft: bool = False,
        source: RepositoryName | None = None,
    ) -> Events[PullRequest]:
        """``pr:opened``. A source branch that does not exist is made first, silently, with one commit; ValueError
        when the target does not exist. ``source`` is the fork the branch is in.
        """
        target = self.repository(repository)
        origin = self.repository(source) if source is not None else target
        destination = target_branch or target.base_branch
        must_have_branch(target, destination)
        when, writer = self.now(), author or self.administrator
        make_source_branch(origin, source_branch, destination, author=writer, when=when)
        target.last_pull_request += 1
        made = PullRequest(
            id=target.last_pull_request,
            repository=target,
            source=origin,
            source_branch=source_branch,
            target_branch=destination,
            title=title or f"Merge {source_branch}",
            description=description,
            author=writer,
            created=when,
            updated=when,
            draft=draft,
            participants=Participants(Participant, reviewers),
        )
        target.pull_requests[made.id] = made
        return self._told(made, "pr:opened", author, when)

    @locked
    def update_pull_request(
        self,
        pull: PullRequest,
        *,
        title: str | None = None,
        description: str | None = None,
        draft: bool | None = None,
        target_branch: str | None = None,
        by: User | None = None,
    ) -> Events[PullRequest]:
        """``pr:modified`` with what was there before: what the edit page changes."""
        before: Json = {
            "previousTitle": pull.title,
            "previousDescription": pull.description,
            "previousTarget": {**minimal_ref(pull.target_branch), "latestCommit": pull.target_commit},
        }
        if draft is not None:
            before["previousDraft"] = pull.draft
        pull.edit(title=title, description=description, draft=draft, target_branch=target_branch)
        return self._told(pull, "pr:modified", by, self._touch(pull), before)

    def retarget(self, pull: PullRequest, target_branch: str, *, by: User | None = None) -> Events[PullRequest]:
        """Another target: ``pr:modified`` with ``previousTarget`` (running servers know no ``pr:to_ref_updated``)."""
        return self.update_pull_request(pull, target_branch=target_branch, by=by)

    @locked
    def set_reviewers(
        self, pull: PullRequest, *, add: Sequence[User] = (), remove: Sequence[User] = (), by: User | None = None
    ) -> Events[PullRequest]:
        """``pr:reviewer:updated``."""
        pull.participants.ask(add)
        for user in remove:
            del pull.participants[user]
        when, write = self._touch(pull), self.write.webhook
        changed = {
            "addedReviewers": [write.user(user) for user in add],
            "removedReviewers": [write.user(user) for user in remove],
        }
        return self._told(pull, "pr:reviewer:updated", by, when, changed)

    # Reviews: version and updatedDate stay.

    def approve(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pr:reviewer:approved``; whoever was not asked to review becomes a participant."""
        return self.review(pull, user, "APPROVED")

    def unapprove(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pr:reviewer:unapproved``: whatever the user had decided is withdrawn."""
        return self.review(pull, user, "UNAPPROVED")

    def needs_work(self, pull: PullRequest, user: User) -> Events[PullRequest]:
        """``pr:reviewer:needs_work``."""
        return self.review(pull, user, "NEEDS_WORK")

    @locked
    def review(self, pull: PullRequest, user: User, status: Status) -> Events[PullRequest]:
        """Somebody decides."""
        participant = pull.participants.join(user)
        before, participant.status = participant.status, status
        participant.reviewed_commit = pull.source_commit
        decided = {"participant": self.write.webhook.participant(participant), "previousStatus": before}
        return self._told(pull, REVIEW_EVENTS[status], user, self.now(), decided)

    # Comments.

    @locked
    def comment(self, pull: PullRequest, user: User, text: str, *, parent: Comment | None = None) -> Events[Comment]:
        """``pr:comment:added``; makes the user a participant."""
        if user is not pull.author:
            pull.participants.join(user)
        when = self.now()
        made = Comment(self.new_id(), user, text, when, when, parent=parent.id if parent else None)
        pull.comments[made.id] = made
        more: Json = {"commentParentId": parent.id} if parent else {}
        return self._commented(pull, made, "pr:comment:added", when, more)

    @locked
    def edit_comment(self, pull: PullRequest, comment: Comment, text: str) -> Events[Comment]:
        """``pr:comment:edited``."""
        before, when = comment.text, self.now()
        comment.text, comment.updated, comment.version = text, when, comment.version + 1
        return self._commented(pull, comment, "pr:comment:edited", when, {"previousComment": before})

    @locked
    def delete_comment(self, pull: PullRequest, comment: Comment) -> Events[Comment]:
        """``pr:comment:deleted``; the comment is gone."""
        del pull.comments[comment.id]
        return self._commented(pull, comment, "pr:comment:deleted", self.now(), {})

    # The end of a pull request.

    @locked
    def merge(self, pull: PullRequest, *, by: User | None = None) -> Events[PullRequest]:
        """``repo:refs_changed`` of the target, then ``pr:merged`` with ``properties.mergeCommit``; pull requests
        from the target branch are updated too.
        """
        pull.must_be_open()
        when, user = self.now(), by or self.administrator
        moved = pull.merge_into_target(author=user, message=f"Merge pull request #{pull.id}", when=when)
        pull.updated, pull.closed, pull.version = when, when, pull.version + 1
        events: Events[PullRequest] = Events(pull, self._pushed(pull.repository, [moved], when, user))
        payload = {"pullRequest": self.write.webhook.pull_request(pull)}
        events += self.announce(pull, when, self._event("pr:merged", when, user, payload))
        return events

    @locked
    def decline(self, pull: PullRequest, *, by: User | None = None) -> Events[PullRequest]:
        """``pr:declined``."""
        pull.must_be_open()
        when = self._touch(pull)
        pull.state, pull.closed = "DECLINED", when
        return self._told(pull, "pr:declined", by, when)

    @locked
    def reopen(self, pull: PullRequest) -> Events[PullRequest]:
        """A declined pull request is opened again; no event is known for that, so none is sent."""
        if pull.state != "DECLINED":
            raise ValueError(f"pull request {pull.id} is {pull.state}")
        when = self._touch(pull)
        pull.state, pull.closed = "OPEN", None
        return self.announce(pull, when)

    @locked
    def delete_pull_request(self, pull: PullRequest, *, by: User | None = None) -> Events[PullRequest]:
        """``pr:deleted`` with the pull request as it last was; its number is not used again."""
        del pull.repository.pull_requests[pull.id]
        return self._told(pull, "pr:deleted", by, self.now())

    # What a change causes.

    def _touch(self, pull: PullRequest) -> datetime:
        pull.updated, pull.version = self.now(), pull.version + 1
        return pull.updated

    def _told(
        self, pull: PullRequest, key: str, by: User | None, when: datetime, more: Json | None = None
    ) -> Events[PullRequest]:
        payload = {"pullRequest": self.write.webhook.pull_request(pull), **(more or {})}
        return self.announce(pull, when, self._event(key, when, by, payload))

    def _commented(self, pull: PullRequest, comment: Comment, key: str, when: datetime, more: Json) -> Events[Comment]:
        write = self.write.webhook
        payload = {"pullRequest": write.pull_request(pull), "comment": write.comment(pull, comment), **more}
        return self.announce(comment, when, self._event(key, when, comment.author, payload))
