"""A machine's memory on disk: whole snapshots, of which the last complete one counts.

    <folder>/state.json    what the snapshot is and was made by; replaced as the last step of saving
    <folder>/<number>/     the files of that snapshot
    <folder>/logs/<stack>/ what its functions wrote, all the time
    <folder>/lock          held by the process that uses the folder

The folder holds secrets (the ones in Secrets Manager), so only its owner may read it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]
VERSION = 1
ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FOLDER = ROOT / ".local" / "state"
REMEMBERED = (
    "local.standins.git",
    "local.standins.reviews",
    "local.standins.cloud.model",
    "local.standins.server.model",
)
PLAIN = {("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta"), ("random", "Random")}


class StateError(Exception):
    """The state cannot be used; the text says why and what to do."""


class State:
    """The state in one folder.

    ``purpose`` are the settings the state is for (nothing secret): state of other settings, of another template or of
    other stand-ins is refused, because resources, addresses and objects would not fit together.
    """

    def __init__(self, folder: Path, purpose: Mapping[str, str]) -> None:
        self.folder = folder
        self._purpose = dict(purpose)
        self._lock: io.TextIOWrapper | None = None
        self._number = 0

    def open(self) -> None:
        """Take the folder for this process, making it where there is none; StateError when another one uses it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise StateError(f"{self.folder} is in use by another `python -m local`") from error

    def close(self) -> None:
        """Leave the folder to others."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def reset(self) -> None:
        """Forget everything; what else is in the folder stays."""
        (self.folder / "state.json").unlink(missing_ok=True)
        self._forget_snapshots(but="")
        shutil.rmtree(self.folder / "logs", ignore_errors=True)

    def logs_folder(self, name: str) -> Path:
        """Where the functions of a stack write their logs."""
        folder = self.folder / "logs" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def read(self) -> tuple[Json, Path] | None:
        """What was said about the last snapshot, and the folder of its files; None when there is none.

        Raises StateError when it is broken or does not belong to this template and these settings.
        """
        path = self.folder / "state.json"
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            version, facts, number = document["v"], document["facts"], str(document["snapshot"])
            made_by, purpose = document["made_by"], document["purpose"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._refused(f"{path} cannot be read: {error!r}") from error
        if version != VERSION or made_by != fingerprint():
            raise self._refused(f"{self.folder} was written by another version of the template or the stand-ins")
        if purpose != self._purpose:
            names = sorted({*purpose, *self._purpose})
            other = ", ".join(name for name in names if purpose.get(name) != self._purpose.get(name))
            raise self._refused(f"{self.folder} was kept for other settings ({other})")
        if not (self.folder / number).is_dir():
            raise self._refused(f"{self.folder} lacks its files")
        self._number = int(number)
        return facts, self.folder / number

    def write(self, facts: Json, write_files: Callable[[Path], None]) -> None:
        """Save a snapshot: ``write_files`` fills the folder it is given. A half-written one never counts."""
        self._number += 1
        folder = self.folder / str(self._number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        write_files(folder)
        document = {"v": VERSION, "made_by": fingerprint(), "purpose": self._purpose, "snapshot": self._number}
        temporary = self.folder / "state.json.new"
        temporary.write_text(json.dumps({**document, "facts": facts}, indent=1), encoding="utf-8")
        temporary.replace(self.folder / "state.json")
        self._forget_snapshots(but=folder.name)

    def _forget_snapshots(self, *, but: str) -> None:
        for path in self.folder.glob("[0-9]*"):
            if path.name != but and path.name.isdigit():
                shutil.rmtree(path)

    @staticmethod
    def _refused(why: str) -> StateError:
        return StateError(f"{why}; start with --reset to forget it")


def fingerprint() -> str:
    """Changes with the template and with the stand-ins, whose objects are stored as they are."""
    digest = hashlib.sha256((ROOT / "template.yaml").read_bytes())
    for path in sorted((ROOT / "local" / "standins").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def write_objects(path: Path, objects: Any) -> None:
    """Write objects of the stand-ins with all that hangs together among them, for the owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        pickle.dump(objects, file)


def read_objects(path: Path) -> Any:
    """What ``write_objects`` wrote. StateError for anything else; no class but the stand-ins' is ever called."""
    try:
        return _OwnObjects(io.BytesIO(path.read_bytes())).load()
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError, TypeError) as error:
        raise StateError(f"{path} cannot be read: {error!r}; start with --reset to forget it") from error


class _OwnObjects(pickle.Unpickler):
    """Restricted as the pickle documentation advises ("Restricting Globals"): a file cannot name what to run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in PLAIN:
            return super().find_class(module, name)
        if module in REMEMBERED and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
