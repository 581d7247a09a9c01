"""Layers for this machine are what the deployment's own Makefiles build, and are built anew only when they must be."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import layers
from local.layers import ROOT, layer, layers_of, runtime
from local.template import read

TEMPLATE = read(ROOT / "template.yaml")
BUILDER = """
build-Tried:
	@mkdir -p "$(ARTIFACTS_DIR)/python"
	@cp "{source}/words.txt" "$(ARTIFACTS_DIR)/python/"
	@echo "$(PLATFORM) $(PYTHON)" > "$(ARTIFACTS_DIR)/python/for.txt"
	@echo built >> "{source}/../builds"
sources:
	@echo "{source}"
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A layer's folder in a repository of its own."""
    monkeypatch.setattr(layers, "ROOT", tmp_path)
    monkeypatch.setattr(layers, "MADE", tmp_path / "made")
    folder = tmp_path / "tried"
    folder.mkdir()
    (folder / "words.txt").write_text("one")
    (folder / "Makefile").write_text(BUILDER.format(source=folder))
    return folder


def builds(source: Path) -> int:
    file = source.parent / "builds"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_layer_is_built_once_and_again_when_its_source_changed(source: Path) -> None:
    first = layer("Tried", source)
    assert layer("Tried", source) == first
    assert builds(source) == 1
    (source / "words.txt").write_text("two")
    second = layer("Tried", source)
    assert builds(source) == 2
    assert (first / "python/words.txt").read_text() == "one", "what an older process runs on stays as it was"
    assert (second / "python/words.txt").read_text() == "two"


def test_bytecode_that_lies_about_is_no_change(source: Path) -> None:
    layer("Tried", source)
    (source / "__pycache__").mkdir()
    (source / "__pycache__/words.pyc").write_bytes(b"x")
    layer("Tried", source)
    assert builds(source) == 1


def test_it_is_built_for_the_interpreter_in_use(source: Path) -> None:
    assert (layer("Tried", source) / "python/for.txt").read_text().split() == ["native", sys.executable]


def test_the_last_editions_are_kept_and_all_that_were_in_use_within_a_day(source: Path) -> None:
    def edition(number: int) -> Path:
        (source / "words.txt").write_text(str(number))
        return layer("Tried", source)

    made = [edition(number) for number in range(layers.KEPT + 2)]
    assert all(one.exists() for one in made), "somebody may run on them"
    for number, one in enumerate(made):
        moment = time.time() - layers.IN_USE_SECONDS - 1000 + number
        os.utime(one, (moment, moment))
    assert edition(0) == made[0], "and from now on it is in use again"
    made.append(edition(len(made)))
    assert [one.exists() for one in made] == [True, False, False, False, True, True]


def test_a_build_that_fails_says_so_and_leaves_nothing_that_could_be_used(source: Path) -> None:
    (source / "Makefile").write_text(
        "build-Tried:\n\t@touch $(ARTIFACTS_DIR)/half; echo oh no; exit 3\nsources:\n\t@echo\n"
    )
    for _ in range(2):
        with pytest.raises(RuntimeError, match="oh no"):
            layer("Tried", source)
    assert not list(source.parent.rglob("half"))


def test_a_layer_that_no_makefile_builds_is_not_passed_over() -> None:
    properties = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layers/bitbucket_port/"}}
    with pytest.raises(NotImplementedError, match="Other"):
        layers.layers({"Resources": {"Other": properties}})


def test_every_function_has_the_layers_that_the_template_gives_it() -> None:
    names = [path.name.rpartition("-")[0] for path in layers_of(TEMPLATE, "PushProcess")]
    assert names == ["DependenciesLayer", "BitbucketPortLayer"]


# --- what is in them -------------------------------------------------------------------------------------------------


def test_the_package_layer_holds_the_package_and_its_mappings_as_json() -> None:
    package = layer("BitbucketPortLayer", ROOT / "layers/bitbucket_port") / "python/bitbucket_port"
    original = ROOT / "layers/bitbucket_port/bitbucket_port"
    sources = {path.relative_to(original) for path in original.rglob("*.py")}
    command_line = {path for path in sources if path.parts[0] in ("cli", "__main__.py") or path.name == "sqlite.py"}
    assert {path.relative_to(package) for path in package.rglob("*.py")} == sources - command_line
    assert command_line
    for mapping in (ROOT / "mappings").glob("*/*.yaml"):
        json.loads((package / "mappings" / mapping.parent.name / f"{mapping.stem}.json").read_text(encoding="utf-8"))


def test_of_awss_services_those_are_described_that_the_package_has_clients_of() -> None:
    data = layer("DependenciesLayer", ROOT / "layers/dependencies") / "python/botocore/data"
    package = ROOT / "layers/bitbucket_port/bitbucket_port"
    used = [
        re.findall(r'boto3\.client\("(\w+)"', path.read_text(encoding="utf-8"))
        for path in package.rglob("*.py")
        if "cli" not in path.relative_to(package).parts
    ]
    assert {path.name for path in data.iterdir() if path.is_dir()} == {name for names in used for name in names}


@pytest.mark.parametrize("logical_id", ["DependenciesLayer", "BitbucketPortLayer"])
def test_the_bytecode_is_checked_by_hash_and_is_this_interpreters(logical_id: str) -> None:
    folder = ROOT / "layers" / ("dependencies" if logical_id == "DependenciesLayer" else "bitbucket_port")
    python = layer(logical_id, folder) / "python"
    compiled = list(python.rglob("*.pyc"))
    assert len(compiled) > 20
    for path in compiled:
        head = path.read_bytes()[:8]
        assert head[:4] == importlib.util.MAGIC_NUMBER, path
        assert int.from_bytes(head[4:], "little") == 0b11, path
    assert not (python / "bin").exists()


def test_the_runtimes_folder_alone_has_lambdas_client(tmp_path: Path) -> None:
    alone = [
        sys.executable,
        "-S",
        "-P",
        "-c",
        "import awslambdaric.bootstrap, runtime_client; print(awslambdaric.__file__)",
    ]
    # It asks for the address of the Runtime API when it is imported, but does not call there.
    environment = {"PYTHONPATH": str(runtime()), "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}
    done = subprocess.run(alone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(runtime())


@pytest.mark.parametrize("target", ["sources", "-n build-DependenciesLayer"])
def test_what_sam_builds_is_still_for_lambda(target: str) -> None:
    make = shutil.which("make")
    assert make
    makefile = ROOT / "layers/dependencies/Makefile"
    command = [make, "--no-print-directory", "--makefile", str(makefile), *target.split(), "ARTIFACTS_DIR=/nowhere"]
    environment = {"PATH": os.environ["PATH"]}  # Not the flags of a make that runs this test.
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    if target == "sources":
        assert Path(told.strip()) == makefile.parent
    else:
        assert "--platform manylinux_2_28_aarch64" in told
        assert "--platform manylinux_2_28_x86_64" in told
        assert "--python-version 3.13" in told
