"""Turns mappings/<product>/<preset>.yaml into JSON: what the package layer carries, so that no function reads YAML."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml


def compile_mappings(source: Path, target: Path) -> list[Path]:
    """Writes ``target/<product>/<preset>.json`` for every ``source/<product>/<preset>.yaml``; returns what it wrote.

    Raises FileNotFoundError when there is none, TypeError for a document that is not an object or not JSON.
    """
    mappings = sorted(source.glob("*/*.yaml"))
    if not mappings:
        raise FileNotFoundError(f"there is no mapping in {source}")
    return [_compile(path, target / path.parent.name / f"{path.stem}.json") for path in mappings]


def _compile(source: Path, target: Path) -> Path:
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise TypeError(f"{source} is not a mapping: its top level must be an object")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def main() -> None:
    """Command line: the folder with the mappings, and the folder to write to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    for path in compile_mappings(arguments.source, arguments.target):
        print(path)


if __name__ == "__main__":
    main()
