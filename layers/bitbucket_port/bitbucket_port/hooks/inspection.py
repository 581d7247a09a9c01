"""Looks at webhooks in Bitbucket itself, and changes nothing."""

from __future__ import annotations

from bitbucket_port.errors import BitbucketPortError, ForbiddenError, NotFoundError
from bitbucket_port.hooks.cloud import MissingScopeError
from bitbucket_port.hooks.compare import differences, is_ours, matched
from bitbucket_port.hooks.server import ServerHooks
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.hooks.upkeep import FIXES
from bitbucket_port.hooks.work import Work
from bitbucket_port.setup.findings import Finding

MOST_TRIED = 5
ABOUT = "webhooks"


def inspect(work: Work, most: int) -> list[Finding]:
    """How they stand in Bitbucket: at ``most`` projects or repositories at most.

    Raises TransientError when Bitbucket cannot be asked.
    """
    if work.settings.product == "cloud":
        workspace = work.subjects.workspace()
        try:
            return [_one(work, workspace)]
        except MissingScopeError as error:
            return [Finding(ABOUT, "warning", str(error), error.fix)]
        except ForbiddenError:
            text = "the token may not administer the workspace's webhooks: each repository gets its own"
            first = Finding(f"webhook of {workspace}", "skipped", text, FIXES["workspace"])
            return [first, *_each(work, work.subjects.repositories(), most)]
    version = work.subjects.version()
    if work.subjects.level(version, work.settings.repositories) == "project":
        return _each(work, work.subjects.projects(), most)
    return _each(work, work.subjects.repositories(), most)


def _each(work: Work, subjects: list[Subject], most: int) -> list[Finding]:
    findings: list[Finding] = []
    for subject in subjects[:most]:
        try:
            findings.append(_one(work, subject))
        except ForbiddenError as error:
            findings.append(Finding(f"webhook of {subject}", "warning", str(error), FIXES[subject.level]))
        except NotFoundError as error:
            findings.append(Finding(f"webhook of {subject}", "warning", str(error)))
    if len(subjects) > most:
        findings.append(Finding(ABOUT, "skipped", f"{len(subjects) - most} more were not looked at"))
    return findings or [Finding(ABOUT, "skipped", "nothing needs one")]


def _one(work: Work, subject: Subject) -> Finding:
    settings = work.settings
    record = work.store.record(subject.key)
    kept = record.hooks if record else {}
    ids = {one.id for one in kept.values()}
    hooks = work.api.hooks(subject)
    ours = [hook for hook in hooks if is_ours(hook, ids=ids, urls=settings.urls, name=settings.name)]
    match = matched(ours, settings.wanted(subject.level), kept)
    refused, secret = work.refused(), work.secret().value
    wrong: list[str] = []
    for wanted, hook in match.pairs:
        keys = [key for key in wanted.events if key not in refused]
        wrong += [f"{wanted.url} is missing"] if hook is None and keys else []
        if hook is not None and (differs := differences(hook, wanted, keys, secret)):
            wrong.append(f"{wanted.url} differs in {', '.join(differs)}")
    wrong += [f"{hook.url} is there twice or not wanted" for hook in match.surplus]
    about = f"webhook of {subject}"
    if wrong:
        return Finding(about, "warning", "; ".join(wrong), "The next set-up puts it right.")
    return Finding(about, "ok", f"{len(ours)} of ours, as they should be")


def test_reachability(work: Work, url: str) -> Finding | None:
    """Have the Data Center send a ping to ``url``: what it saw; None where it is not asked that (Cloud).

    Raises TransientError when Bitbucket cannot be asked.
    """
    if not isinstance(work.api, ServerHooks):
        return None
    level = work.subjects.level(work.subjects.version(), work.settings.repositories)
    subjects = work.subjects.projects() if level == "project" else work.subjects.repositories()
    refused = ""
    for subject in subjects[:MOST_TRIED]:
        try:
            seen = work.api.test(subject, url)
        except (ForbiddenError, NotFoundError) as error:
            refused = str(error)
        except BitbucketPortError as error:
            return _unreachable(url, str(error))
        else:
            return _seen(url, seen)
    return Finding("reachability", "skipped", f"the Data Center was not asked to send to us: {refused or 'nowhere to'}")


def _seen(url: str, seen: dict[str, object]) -> Finding:
    response = seen.get("response")
    status = response.get("statusCode") if isinstance(response, dict) else None
    if status == 200:
        return Finding("reachability", "ok", f"the Data Center reaches {url}")
    if isinstance(status, int):
        return _unreachable(url, f"it was answered {status}")
    said = seen.get("message") or seen.get("error") or "no answer came"
    return _unreachable(url, str(said)[:200])


def _unreachable(url: str, why: str) -> Finding:
    fix = (
        "Let the server's network reach that address (proxy, firewall, DNS, certificate), or set BaseUrl to one that "
        "it reaches. Where it may not talk to AWS at all, set BitbucketApi to none or LiveEvents to false."
    )
    return Finding("reachability", "warning", f"the Data Center does not reach {url}: {why}", fix)
