"""What people are told about webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bitbucket_port.hooks.store import Record
from bitbucket_port.hooks.wanted import PATH, HookSettings, event_keys
from bitbucket_port.setup.findings import Finding, Outcome

MOST_TOLD = 20
ABOUT = "webhooks"


def recorded(
    settings: HookSettings, records: Iterable[Record], overview: Mapping[str, str], refused: Mapping[str, str]
) -> list[Finding]:
    """How the webhooks stand: how many are right, and each that is not, with what to do (``MOST_TOLD`` of them)."""
    every = sorted(records, key=lambda record: record.subject.name)
    # Where every repository has its own, the workspace that refused one is no fault.
    shown = [one for one in every if not (one.subject.level == "workspace" and overview.get("level") == "repository")]
    wrong = [one for one in shown if one.state in {"refused", "failed"}]
    sick = [one for one in shown if one.state == "right" and one.health]
    findings = [_summary(shown, overview)]
    findings += [_of_wrong(one) for one in wrong[:MOST_TOLD]]
    findings += [
        Finding(
            _about(one),
            "warning",
            one.health,
            "See the log of the receiving function; Data Center tries again by itself, after at most ten hours.",
        )
        for one in sick[:MOST_TOLD]
    ]
    if max(len(wrong), len(sick)) > MOST_TOLD:
        findings.append(Finding(ABOUT, "warning", f"{len(wrong)} are not right and {len(sick)} not healthy in all"))
    if refused:
        text = f"the server does not know these events, so they were left out: {', '.join(sorted(refused))}"
        findings.append(Finding(ABOUT, "warning", text, "What they would tell is found by the next resync."))
    if overview.get("error"):
        findings.append(_of_error(overview["error"]))
    if wrong and not any(one.state == "right" for one in shown):
        findings += by_hand(settings, "Bitbucket does not allow it")
    return findings


def by_hand(settings: HookSettings, why: str = "") -> list[Finding]:
    """How webhooks are made by hand: URL, events, and the command that prints the secret."""
    url = settings.base_url + PATH if settings.base_url else f"<the address of this stack>{PATH}"
    level = "a repository" if settings.product == "cloud" else "each project (8.7 and older: each repository)"
    where = "the workspace" if settings.product == "cloud" else level
    keys = event_keys(settings.product, "workspace" if settings.product == "cloud" else "project")
    secret = settings.secret_command or "the value of WEBHOOK_SECRET"
    return [
        Finding(
            ABOUT,
            "skipped",
            f"none are made: {why or settings.why_none}",
            f"By hand: one webhook for {where} with the URL {url}",
        ),
        Finding(ABOUT, "skipped", "events to tick for a webhook made by hand:", " ".join(keys)),
        Finding(ABOUT, "skipped", "the secret to enter is printed by:", secret),
    ]


def _summary(records: list[Record], overview: Mapping[str, str]) -> Finding:
    right = [one for one in records if one.state == "right"]
    begun = sum(one.state == "begun" for one in records)
    if not records:
        missing = "nothing needs one" if overview and not overview.get("error") else "not looked at yet"
        return Finding(ABOUT, "skipped", missing)
    count = sum(len(one.hooks) for one in right)
    level = right[0].subject.level if right else records[0].subject.level
    places = {
        "workspace": "the workspace",
        "project": f"{len(right)} projects",
        "repository": f"{len(right)} repositories",
    }
    text = f"{count} are right, at {places[level]}" if right else "none is right"
    if right and overview.get("level") == "repository" and not overview.get("version"):
        text += " (the token may not administer the workspace's)"
    text += f" of {len(records)}" if right and len(right) < len(records) else ""
    text += f"; {begun} are being looked after" if begun else ""
    repaired = [one for one in right if one.repaired]
    outcome: Outcome = "ok" if right or begun else "warning"
    if repaired:
        outcome = "changed"
        some = ", ".join(f"{one.subject.name} ({', '.join(one.repaired)})" for one in repaired[:5])
        text += f"; put right: {some}" + (f" and {len(repaired) - 5} more" if len(repaired) > 5 else "")
    return Finding(ABOUT, outcome, text)


def _of_wrong(record: Record) -> Finding:
    verb = "may not be looked at" if record.state == "refused" else "could not be made right"
    return Finding(_about(record), "warning", f"{verb}: {record.text}", record.fix)


def _of_error(error: str) -> Finding:
    fix = "See the credentials; for a server that does not tell its version set BitbucketIsVersion8Point7OrOlder."
    return Finding(ABOUT, "warning", f"what needs webhooks could not be found out: {error}", fix)


def _about(record: Record) -> str:
    return f"webhook of {record.subject}"
