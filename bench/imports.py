"""What each function imports, against importing boto3 alone, with and without the bytecode that the layers carry.

Every sample is a fresh interpreter that sees one function's folder and copies of the two layers, nothing else. Subjects
take turns within each round, so that a busy machine slows all of them; the figure is the shortest, the result a ratio.
Exits with 1 when a `receive` imports more than a third more modules than boto3 alone.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode

from scripts.compile_mappings import compile_mappings
from scripts.sam_template import TEMPLATE, environment_of, functions, nowhere, read

REPOSITORY = TEMPLATE.parent
BUILT_LAYER = REPOSITORY / ".aws-sam/build/DependenciesLayer/python"
ALLOWED = 4 / 3
BASELINE = "boto3 and one client"
BASELINE_PROGRAM = 'import boto3; boto3.client("sqs")'
PROGRAM = """
import json, sys, time
sys.path[:0] = sys.argv[1:]
before, began = set(sys.modules), time.perf_counter()
{subject}
print(json.dumps([len(set(sys.modules) - before), (time.perf_counter() - began) * 1000]))
"""


@dataclass
class Samples:
    """What one subject took: modules imported, and milliseconds per round."""

    modules: int = 0
    milliseconds: list[float] = field(default_factory=list)

    @property
    def shortest(self) -> float:
        """What it takes when nothing else is in the way, in milliseconds."""
        return min(self.milliseconds)


@dataclass(frozen=True)
class Tree:
    """A copy of everything a function imports; ``python`` is the interpreter its compiled modules are made for."""

    root: Path
    python: str

    def paths(self, folder: str) -> list[str]:
        """Where a function in ``folder`` finds its modules."""
        return [str(self.root / folder), str(self.root / "dependencies"), str(self.root / "package")]


def runtime_python() -> tuple[str, Path | None]:
    """python3.13 with the dependency layer that `make build` made for it; else this Python, with its own packages."""
    found = subprocess.run([REPOSITORY / "scripts/python313_folder.sh"], capture_output=True, text=True, check=False)
    if found.returncode == 0 and BUILT_LAYER.is_dir():
        return str(Path(found.stdout.strip(), "python3.13")), BUILT_LAYER
    return sys.executable, None


def copy_tree(root: Path) -> Tree:
    """Copies functions, package and dependencies to ``root``, without any bytecode."""
    python, layer = runtime_python()
    without_bytecode = shutil.ignore_patterns("__pycache__")
    if layer:
        shutil.copytree(layer, root / "dependencies", ignore=without_bytecode)
    else:
        _copy_distributions(root / "dependencies")
    package = root / "package/bitbucket_port"
    shutil.copytree(REPOSITORY / "layers/bitbucket_port/bitbucket_port", package, ignore=without_bytecode)
    compile_mappings(REPOSITORY / "mappings", package / "mappings")
    shutil.copytree(REPOSITORY / "functions", root / "functions", ignore=without_bytecode)
    return Tree(root, python)


def _copy_distributions(target: Path) -> None:
    pinned = (REPOSITORY / "layers/dependencies/requirements.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([\w.-]+)==", pinned, re.MULTILINE):
        for file in importlib.metadata.files(name) or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                destination = target / file
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path(str(file.locate())), destination)


def add_bytecode(tree: Tree) -> Tree:
    """A second copy of the tree, whose layers carry bytecode that is checked by its source's hash."""
    copy = Tree(tree.root.with_name("with-bytecode"), tree.python)
    shutil.copytree(tree.root, copy.root)
    layers = [str(copy.root / "dependencies"), str(copy.root / "package")]
    if tree.python == sys.executable:
        for layer in layers:
            compileall.compile_dir(layer, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    else:
        command = [tree.python, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", *layers]
        subprocess.run(command, check=True)
    return copy


def subjects() -> dict[str, tuple[str, str]]:
    """Name to folder and statement: boto3 alone, then each function's handler module."""
    found = {BASELINE: ("", BASELINE_PROGRAM)}
    for name, function in functions(read()).items():
        found[name] = (function["CodeUri"], f"import {function['Handler'].rsplit('.', 1)[0]}")
    return found


def sample(tree: Tree, folder: str, statement: str, variables: dict[str, str]) -> tuple[int, float]:
    """Modules and milliseconds of one import in a fresh interpreter."""
    command = [tree.python, "-I", "-S", "-B", "-c", PROGRAM.format(subject=statement), *tree.paths(folder)]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    modules, milliseconds = json.loads(result.stdout.splitlines()[-1])
    return int(modules), float(milliseconds)


def environment(name: str) -> dict[str, str]:
    """Variables of a subject's process."""
    template = read()
    function = functions(template).get(name)
    return nowhere() if function is None else environment_of(function, template)


def measure(trees: dict[str, Tree], rounds: int) -> dict[str, dict[str, Samples]]:
    """Samples by tree and subject; the first round only warms the disk's cache."""
    found = {tree: {name: Samples() for name in subjects()} for tree in trees}
    variables = {name: environment(name) for name in subjects()}
    for turn in range(rounds + 1):
        for name, (folder, statement) in subjects().items():
            for label, tree in trees.items():
                modules, milliseconds = sample(tree, folder, statement, variables[name])
                found[label][name].modules = modules
                if turn:
                    found[label][name].milliseconds.append(milliseconds)
    return found


def too_heavy(modules: dict[str, int]) -> list[str]:
    """The `receive` functions that import more than a third more modules than boto3 alone."""
    return [name for name, count in modules.items() if name.endswith("Receive") and count > ALLOWED * modules[BASELINE]]


def report(found: dict[str, dict[str, Samples]]) -> Iterator[str]:
    """The measurement as a table, one line each."""
    plain, fast = found["without"], found["with"]
    yield f"{'':22}{'modules':>8}{'/ boto3':>9}{'with bytecode':>16}{'/ boto3':>9}{'without':>12}{'without / with':>16}"
    for name in plain:
        modules = fast[name].modules
        yield (
            f"{name:22}{modules:8}{modules / fast[BASELINE].modules:9.2f}"
            f"{fast[name].shortest:13.0f} ms{fast[name].shortest / fast[BASELINE].shortest:9.2f}"
            f"{plain[name].shortest:9.0f} ms{plain[name].shortest / fast[name].shortest:16.1f}"
        )


def main() -> int:
    """Command line: measures and prints; 1 when a `receive` is too heavy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        plain = copy_tree(Path(folder, "without-bytecode"))
        found = measure({"without": plain, "with": add_bytecode(plain)}, rounds)
        version = subprocess.run([plain.python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, the shortest of {rounds} fresh interpreters each")
    print("\n".join(report(found)))
    heavy = too_heavy({name: samples.modules for name, samples in found["with"].items()})
    for name in heavy:
        print(f"{name} imports more than a third more modules than boto3 alone", file=sys.stderr)
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
