"""Turns mappings/<product>/<preset>.yaml into JSON: what the package layer carries, so that no function reads YAML.

The blueprints beside them are JSON already: they come along without the blanks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml


def compile_mappings(source: Path, target: Path) -> list[Path]:
    """Writes ``target/<product>/<preset>.json`` for every ``source/<product>/<preset>.yaml``, and its blueprints.

    Returns what it wrote. Raises FileNotFoundError when there is no mapping, or one without ``.blueprints.json``,
    TypeError for a document that is not an object (a list, for blueprints) or not JSON.
    """
    mappings = sorted(source.glob("*/*.yaml"))
    if not mappings:
        raise FileNotFoundError(f"there is no mapping in {source}")
    written = []
    for path in mappings:
        folder = target / path.parent.name
        written += [_compile(path, folder), _copy(path.with_suffix(".blueprints.json"), folder)]
    return written


def _compile(source: Path, folder: Path) -> Path:
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise TypeError(f"{source} is not a mapping: its top level must be an object")
    return _write(document, folder / f"{source.stem}.json")


def _copy(source: Path, folder: Path) -> Path:
    blueprints = json.loads(source.read_text(encoding="utf-8"))
    if not isinstance(blueprints, list):
        raise TypeError(f"{source} is not a list of blueprints")
    return _write(blueprints, folder / source.name)


def _write(document: Any, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def main() -> None:
    """Command line: the folder with the mappings, and the folder to write to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    for path in compile_mappings(arguments.source, arguments.target):
        print(path)


if __name__ == "__main__":
    main()
