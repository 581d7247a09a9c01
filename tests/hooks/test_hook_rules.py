"""Which webhooks are ours, which is which, and what a refusal says, for any webhooks and texts there could be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.hooks.compare import differences, is_ours, matched, needs_secret
from bitbucket_port.hooks.model import Hook
from bitbucket_port.hooks.refusals import EventRefusals, named_key
from bitbucket_port.hooks.store import Kept
from bitbucket_port.hooks.wanted import HookSettings, event_keys
from bitbucket_port.http import RefusedError

SETTINGS = HookSettings("cloud", "https://hooks.example.com", "stack-1")
OTHER = HookSettings("cloud", "https://other.example.com", "stack-10")
IDS = st.sampled_from(["1", "2", "3", "4", "5", "6", "7", "8"])
URLS = st.sampled_from(
    [*SETTINGS.urls, *OTHER.urls, "https://hooks.example.com", "https://hooks.example.com/webhooks/other"]
)
NAMES = st.sampled_from([SETTINGS.name, OTHER.name, "bitbucket-port", "bitbucket-port/", "build", ""])
HOOKS = st.builds(
    Hook, IDS, NAMES, URLS, st.booleans(), st.frozensets(st.sampled_from(event_keys("cloud", "workspace")))
)
LISTS = st.lists(HOOKS, max_size=8, unique_by=lambda hook: hook.id)
KEPT = st.dictionaries(st.sampled_from(["project", "push", "repository"]), st.builds(Kept, IDS), max_size=3)


def ours_of(hooks: list[Hook], kept: dict[str, Kept]) -> list[Hook]:
    ids = {one.id for one in kept.values()}
    return [hook for hook in hooks if is_ours(hook, ids=ids, urls=SETTINGS.urls, name=SETTINGS.name)]


@given(HOOKS, st.sets(IDS))
def test_ours_are_those_we_recorded_that_send_to_us_or_bear_our_name_and_no_others(hook: Hook, ids: set[str]) -> None:
    expected = hook.id in ids or hook.url in SETTINGS.urls or hook.name == "bitbucket-port/stack-1"
    assert is_ours(hook, ids=ids, urls=SETTINGS.urls, name=SETTINGS.name) == expected


def test_without_an_address_of_ours_no_url_is_ours() -> None:
    nowhere = HookSettings("cloud", "", "stack-1")
    hook = Hook("1", "build", "/webhooks", active=True, events=frozenset())
    assert not is_ours(hook, ids=(), urls=nowhere.urls, name=nowhere.name)


@given(LISTS, KEPT)
def test_each_of_ours_is_one_that_is_wanted_or_surplus_and_never_both(hooks: list[Hook], kept: dict[str, Kept]) -> None:
    ours, wanted = ours_of(hooks, kept), SETTINGS.wanted("workspace")
    match = matched(ours, wanted, kept)
    used = [hook for _, hook in match.pairs if hook is not None]
    assert sorted(hook.id for hook in [*used, *match.surplus]) == sorted(hook.id for hook in ours)
    assert [one for one, _ in match.pairs] == list(wanted)
    # None is made anew while one of ours is left over.
    assert not match.surplus or all(hook is not None for _, hook in match.pairs)
    for one, hook in match.pairs:
        right = [other for other in ours if other.url == one.url]
        if right:
            assert hook in right


@given(LISTS, KEPT)
def test_made_right_they_stay_as_they_are(hooks: list[Hook], kept: dict[str, Kept]) -> None:
    match = matched(ours_of(hooks, kept), SETTINGS.wanted("workspace"), kept)
    made = [
        Hook(hook.id if hook else f"new-{one.part}", one.name, one.url, active=True, events=frozenset(one.events))
        for one, hook in match.pairs
    ]
    recorded: dict[str, Kept] = {one.part: Kept(hook.id) for (one, _), hook in zip(match.pairs, made, strict=True)}
    again = matched(list(reversed(made)), SETTINGS.wanted("workspace"), recorded)
    assert again.surplus == ()
    for one, hook in again.pairs:
        assert hook is not None
        assert hook.id == recorded[one.part].id
        assert differences(hook, one, one.events, "secret") == ()


def test_the_secret_is_sent_unless_it_is_known_to_be_there() -> None:
    hook = Hook("1", "", "", active=True, events=frozenset(), changed="17")
    same = Kept("1", "17")
    assert not needs_secret(hook, same, is_current=True, health=None)
    assert needs_secret(hook, same, is_current=False, health=None)
    assert needs_secret(hook, None, is_current=True, health=None)
    assert needs_secret(hook, Kept("2", "17"), is_current=True, health=None)
    assert needs_secret(hook, Kept("1", "16"), is_current=True, health=None)
    assert "secret" in differences(
        Hook("1", "", "", active=True, events=frozenset(), secret="other"), SETTINGS.wanted("workspace")[0], (), "mine"
    )
    assert "other" not in repr(Hook("1", "", "", active=True, events=frozenset(), secret="other"))


KEYS = event_keys("server", "project")


@given(st.sets(st.sampled_from(KEYS)), st.booleans(), st.booleans())
def test_whichever_keys_a_server_refuses_the_others_are_subscribed(
    unknown: set[str], names_them: bool, lists: bool
) -> None:
    written: list[tuple[str, ...]] = []

    def write(events: object) -> Hook:
        keys = tuple(events)  # type: ignore[arg-type, var-annotated]
        wrong = [key for key in keys if key in unknown]
        if wrong:
            raise RefusedError(f"The event {wrong[0]} is unknown" if names_them else "Invalid request", status=400)
        written.append(keys)
        return Hook("1", "", "", active=True, events=frozenset(keys))

    refusals = EventRefusals()
    try:
        hook = refusals.write(KEYS, write, lambda: frozenset(KEYS) - unknown if lists else None)
    except RefusedError:
        # Not one key was taken, and nothing said that the keys are the reason.
        assert unknown == set(KEYS)
        assert not names_them
        assert not lists
        return
    expected = [key for key in KEYS if key not in unknown]
    assert (hook.events if hook else frozenset()) == frozenset(expected)
    assert set(refusals.refused) == unknown
    assert not expected or list(written[-1]) == expected


@given(st.sampled_from([400, 409, 422, 413, 403]))
def test_a_refusal_about_something_else_refuses_no_event(status: int) -> None:
    tries = 0

    def write(events: object) -> Hook:
        nonlocal tries
        del events
        tries += 1
        raise RefusedError("the url cannot be reached", status=status)

    refusals = EventRefusals()
    for _ in range(3):
        try:
            refusals.write(KEYS, write)
        except RefusedError as error:
            assert "url" in str(error)
        else:
            raise AssertionError("nothing was raised")
    assert refusals.refused == {}
    assert tries <= 3 + len(KEYS)


def test_a_key_is_only_named_as_a_word() -> None:
    keys = ("pr:reviewer", "pr:reviewer:updated", "repo:modified")
    assert named_key("The event pr:reviewer:updated is unknown", keys) == "pr:reviewer:updated"
    assert named_key("'repo:modified': no such event", keys) == "repo:modified"
    assert named_key("xrepo:modified or repo:modified2", keys) is None
    assert named_key("Invalid request", keys) is None
