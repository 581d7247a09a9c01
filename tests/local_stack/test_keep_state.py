"""State on disk: the last whole snapshot comes back, and anything else is refused with what to do about it."""

from __future__ import annotations

import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest

from local import state
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.port import PortStandIn
from local.standins.server.pull_requests import ServerWorld
from local.state import State, StateError, read_objects, write_objects

PURPOSE = {"servers": "stand-ins"}


@pytest.fixture
def kept(tmp_path: Path) -> State:
    found = State(tmp_path / "state", PURPOSE)
    found.open()
    return found


def save(kept: State, text: str) -> None:
    kept.write({"said": text}, lambda folder: _ignore((folder / "file").write_text(text, encoding="utf-8")))


def _ignore(_: object) -> None:
    return None


def test_what_was_written_last_is_read(kept: State) -> None:
    assert kept.read() is None
    for text in ("first", "second"):
        save(kept, text)

    again = State(kept.folder, PURPOSE)
    found = again.read()

    assert found is not None
    facts, files = found
    assert facts == {"said": "second"}
    assert (files / "file").read_text(encoding="utf-8") == "second"
    assert [path.name for path in kept.folder.iterdir() if path.is_dir()] == [files.name]


def test_a_snapshot_that_was_not_finished_never_counts(kept: State) -> None:
    save(kept, "whole")

    def die(folder: Path) -> None:
        (folder / "file").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.write({"said": "half"}, die)

    again = State(kept.folder, PURPOSE)
    found = again.read()
    assert found is not None
    assert (found[1] / "file").read_text(encoding="utf-8") == "whole"
    save(again, "next")
    assert [path.name for path in kept.folder.iterdir() if path.is_dir()] == ["2"]


def test_reset_forgets_everything_but_what_is_not_its_own(kept: State) -> None:
    save(kept, "old")
    (kept.folder / "notes.txt").write_text("mine", encoding="utf-8")

    kept.reset()

    assert kept.read() is None
    assert sorted(path.name for path in kept.folder.iterdir()) == ["lock", "notes.txt"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda document: document | {"v": 2}, "another version"),
        (lambda document: document | {"made_by": "0"}, "another version"),
        (lambda document: document | {"snapshot": 77}, "lacks its files"),
        (lambda document: {"v": 1}, "cannot be read"),
        (lambda document: [], "cannot be read"),
    ],
)
def test_state_that_does_not_fit_is_refused_and_names_the_way_out(kept: State, spoil: Any, why: str) -> None:
    save(kept, "old")
    path = kept.folder / "state.json"
    path.write_text(json.dumps(spoil(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")

    with pytest.raises(StateError, match=why) as refusal:
        State(kept.folder, PURPOSE).read()

    assert "--reset" in str(refusal.value)


def test_state_for_other_settings_is_refused_by_their_name(kept: State) -> None:
    save(kept, "old")

    with pytest.raises(StateError, match=r"other settings \(BitbucketWorkspace, servers\).*--reset"):
        State(kept.folder, {"BitbucketWorkspace": "acme"}).read()


def test_a_changed_template_is_another_version(kept: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save(kept, "old")
    root = tmp_path / "root"
    (root / "local" / "standins").mkdir(parents=True)
    (root / "template.yaml").write_text("Resources: {}\n", encoding="utf-8")
    monkeypatch.setattr(state, "ROOT", root)

    with pytest.raises(StateError, match="another version of the template"):
        State(kept.folder, PURPOSE).read()


def test_two_processes_do_not_share_a_folder(kept: State) -> None:
    other = State(kept.folder, PURPOSE)
    with pytest.raises(StateError, match="in use"):
        other.open()

    kept.close()
    other.open()
    other.close()


def test_only_the_owner_may_read_it(kept: State, tmp_path: Path) -> None:
    kept.write({}, lambda folder: write_objects(folder / "world", {"a": 1}))

    (files,) = [path for path in kept.folder.iterdir() if path.is_dir()]
    for path in (kept.folder, files, files / "world"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


# --- worlds ----------------------------------------------------------------------------------------------------------


def played_cloud() -> CloudWorld:
    world = CloudWorld("acme", seed=3)
    ada = world.create_user("Ada")
    world.create_project("PAY", "Payments")
    world.create_repository("PAY", "api", readme="# Api\n")
    world.fork("api", "PAY", "copy")
    pull = world.open_pull_request("api", "work", title="Work", author=ada, reviewers=[world.owner]).subject
    world.approve(pull, world.owner)
    world.comment(pull, ada, "Done")
    return world


def played_server() -> ServerWorld:
    world = ServerWorld(seed=3)
    eva = world.create_user("eva")
    world.create_project("SHOP")
    world.create_repository("SHOP", "cart", readme="# Cart\n")
    pull = world.open_pull_request("SHOP/cart", "work", title="Work", author=eva, reviewers=[eva]).subject
    world.needs_work(pull, eva)
    world.rename_repository("SHOP/cart", "basket")
    return world


def test_a_cloud_world_comes_back_as_it_was_and_lives_on(tmp_path: Path) -> None:
    before, after = played_cloud(), CloudWorld("acme", seed=3)
    write_objects(tmp_path / "world", before.memory())

    after.recall(read_objects(tmp_path / "world"))

    for write in (before, after):
        (pull,) = write.repository("api").pull_requests.values()
        assert pull.repository is write.repository("api")
        assert pull.participants[write.users[0]].review == "approved"
    assert [after.write.repository(one) for one in after.repositories] == [
        before.write.repository(one) for one in before.repositories
    ]
    pulls = [world.write.pull_request(world.pull_request("api", 1)) for world in (before, after)]
    assert pulls[0] == pulls[1]
    assert after.new_uuid() == before.new_uuid()  # Else it would give out the same ids a second time.
    merged = after.merge(after.pull_request("api", 1))
    assert [webhook.event_key for webhook in merged] == ["repo:push", "pullrequest:fulfilled"]


def test_a_data_center_world_comes_back_as_it_was_and_lives_on(tmp_path: Path) -> None:
    before, after = played_server(), ServerWorld(seed=3)
    write_objects(tmp_path / "world", before.memory())

    after.recall(read_objects(tmp_path / "world"))

    pulls = [world.write.pull_request(world.pull_request("SHOP/basket", 1)) for world in (before, after)]
    assert pulls[0] == pulls[1]
    assert after.repository("SHOP/cart") is after.repository("SHOP/basket")
    assert after.new_id() == before.new_id()
    assert [webhook.event_key for webhook in after.merge(after.pull_request("SHOP/basket", 1))][-1] == "pr:merged"


def test_subscribers_and_links_are_those_of_the_new_world(tmp_path: Path) -> None:
    before, after = played_cloud(), CloudWorld("acme")
    before.subscribe(lambda webhook: pytest.fail("the old world is gone"))
    before.site.api = "http://127.0.0.1:1/2.0"
    heard: list[str] = []
    after.subscribe(lambda webhook: heard.append(webhook.event_key))
    write_objects(tmp_path / "world", before.memory())

    after.recall(read_objects(tmp_path / "world"))
    after.push("api")

    assert heard[0] == "repo:push"
    assert "127.0.0.1" not in json.dumps(after.write.repository(after.repository("api")))


def test_ports_catalog_comes_back_with_its_times(tmp_path: Path) -> None:
    blueprints = json.loads((state.ROOT / "mappings" / "cloud" / "default.blueprints.json").read_text("utf-8"))
    before, after = PortStandIn("id", "secret", blueprints), PortStandIn("id", "secret")
    before.put_entity("bitbucketCloudProject", "acme/PAY", title="Payments")
    write_objects(tmp_path / "port", before.memory())

    after.recall(read_objects(tmp_path / "port"))

    assert after.catalog() == before.catalog() != {}
    assert after.entities("bitbucketCloudProject") == before.entities("bitbucketCloudProject")


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made-by-a-file",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing of ours",
        pickle.dumps(Hostile()),
        pickle.dumps(Path("x")),
        b"clocal.standins.cloud.model\nLiteral\n.",
        b"clocal.standins.server.learning\nlearn\n.",
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "world"
    path.write_bytes(content)

    with pytest.raises(StateError, match="--reset"):
        read_objects(path)

    assert [one.name for one in tmp_path.iterdir()] == ["world"]
