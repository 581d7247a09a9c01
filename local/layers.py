"""What functions run on here, made as for Lambda: the layers by their own Makefiles, the runtime client by pip.

Everything lies in ``.local/`` under a name that says what it was made of, so nothing stale is ever used and what an
older process still runs on stays. ``python -m local.layers`` makes what is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local.template import read

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / ".local"
KEPT = 3
"""Editions of one thing that are kept in any case."""
IN_USE_SECONDS = 24 * 3600.0
"""So long after it was last asked for, somebody may still run on an edition."""


def layers(template: Mapping[str, Any]) -> dict[str, Path]:
    """The folder of every layer (what would be unpacked in ``/opt``) by logical id; ``template`` as written.

    Raises NotImplementedError for a layer that no Makefile builds, RuntimeError with the output of a build that failed.
    """
    found = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            if resource.get("Metadata", {}).get("BuildMethod") != "makefile":
                raise NotImplementedError(f"{logical_id}: only layers built by a Makefile can be built here")
            found[logical_id] = layer(logical_id, ROOT / resource["Properties"]["ContentUri"])
    return found


def layers_of(template: Mapping[str, Any], function: str) -> list[Path]:
    """The folders of one function's layers, in the template's order; ``template`` as written."""
    built = layers(template)
    shared = template.get("Globals", {}).get("Function", {}).get("Layers", [])
    own = template["Resources"][function]["Properties"].get("Layers", [])
    return [built[reference["Ref"]] for reference in [*shared, *own]]


def layer(logical_id: str, source: Path) -> Path:
    """One layer, built for this interpreter and machine unless it is there already."""
    makefile = source / "Makefile"
    sources = _run(["make", "--no-print-directory", "--makefile", makefile, "sources"]).split()

    def build(target: Path) -> None:
        variables = [f"ARTIFACTS_DIR={target}", f"PYTHON={sys.executable}", "PLATFORM=native"]
        _run(["make", "--makefile", makefile, f"build-{logical_id}", *variables])

    return _made(f"layers/{logical_id}", map(Path, sources), build)


def runtime() -> Path:
    """The folder of Lambda's runtime client and what it needs, what ``/var/runtime`` is in Lambda."""
    requirements = ROOT / "requirements" / "runtime.txt"

    def install(target: Path) -> None:
        options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
        _run([sys.executable, "-m", "pip", "install", *options, "--requirement", requirements, "--target", target])

    return _made("runtime", [requirements], install)


def _made(name: str, sources: Iterable[Path], make: Callable[[Path], None]) -> Path:
    """``.local/<name>-<stamp>``, which ``make`` fills when it is not there yet."""
    target = MADE / f"{name}-{_stamp(sources)}"
    if target.exists():
        os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (MADE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run side by side; one of them makes it.
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=MADE) as scratch:
                filled = Path(scratch) / "made"
                filled.mkdir()
                make(filled)
                filled.rename(target)
            _forget_old(target)
    return target


def _forget_old(newest: Path) -> None:
    name = newest.name.rpartition("-")[0]
    editions = sorted(newest.parent.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for edition in editions[KEPT:]:
        if edition.stat().st_mtime < time.time() - IN_USE_SECONDS:
            shutil.rmtree(edition)


def _stamp(sources: Iterable[Path]) -> str:
    """A name for what lies in these files and folders, and for the interpreter it is made for."""
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {sysconfig.get_platform()}".encode())
    for source in sources:
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"\0{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str | Path]) -> str:
    # Of a `make` around this one nothing is handed down: it would bring its own variables and jobs along.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """Make what is missing."""
    runtime()
    layers(read(ROOT / "template.yaml"))


if __name__ == "__main__":
    main()
