"""The machine as a document of named parts, and its changes to whoever looks.

A part is a JSON value under a key such as ``delivery/…`` or ``entity/…``. Whoever begins to look gets all of them, then
only what changed. Nothing is read while nobody looks.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable

from local.page.watched import Json

Parts = dict[str, Json]

PAUSE = 0.4
"""Real seconds between two looks; a look that takes long is followed by a pause of several times its length, so that
watching never slows down what is watched."""
_BEHIND = 200
"""Messages a browser may be behind before its connection is cut; it connects again and gets everything."""


class Viewer:
    """One open page: messages ``{"whole": bool, "set": {key: part}, "gone": [key]}``; None ends it."""

    def __init__(self) -> None:
        self.messages: queue.Queue[str | None] = queue.Queue(_BEHIND)
        self.cut = False

    def tell(self, message: str | None) -> None:
        """Add a message; a viewer that does not keep up is cut off."""
        try:
            self.messages.put_nowait(message)
        except queue.Full:
            self.cut = True


class Feed:
    """Looks at the machine again and again while there are viewers; ``read`` gives all parts as they are now."""

    def __init__(self, read: Callable[[], Parts]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._parts: dict[str, str] = {}
        self._viewers: list[Viewer] = []
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="page")
        self._complaint = ""

    def start(self) -> None:
        """Begin to look, as soon as there is a viewer."""
        self._thread.start()

    def stop(self) -> None:
        """End all viewers' streams and stop looking."""
        with self._lock:
            self._stopping.set()
            self._wake.set()
            for viewer in self._viewers:
                viewer.tell(None)
        if self._thread.is_alive():
            self._thread.join()

    def open(self) -> Viewer:
        """A new viewer, told everything as it is now."""
        viewer = Viewer()
        with self._lock:
            self._look()
            viewer.tell(_message(self._parts, (), whole=True))
            self._viewers.append(viewer)
        self._wake.set()
        return viewer

    def close(self, viewer: Viewer) -> None:
        """The viewer has gone."""
        with self._lock:
            self._viewers.remove(viewer)
            if not self._viewers and not self._stopping.is_set():
                self._wake.clear()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            began = time.perf_counter()
            with self._lock:
                self._look()
            self._stopping.wait(max(PAUSE, 4 * (time.perf_counter() - began)))

    def _look(self) -> None:
        try:
            parts = {key: json.dumps(part, ensure_ascii=False) for key, part in self._read().items()}
        except Exception as error:  # noqa: BLE001 - reported here and on the page, which goes on looking
            self._complain(error)
            return
        self._complaint = ""
        changed = {key: part for key, part in parts.items() if self._parts.get(key) != part}
        gone = [key for key in self._parts if key not in parts]
        self._parts = parts
        if changed or gone:
            message = _message(changed, gone, whole=False)
            for viewer in self._viewers:
                viewer.tell(message)

    def _complain(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {error}"
        if said == self._complaint or self._stopping.is_set():
            return
        self._complaint = said
        print(f"the page could not look at the machine: {said}", file=sys.stderr, flush=True)
        part = {
            "level": "problem",
            "headline": "The machine cannot be looked at",
            "detail": said,
            "counts": [],
        }
        self._parts["overview"] = json.dumps(part)
        for viewer in self._viewers:
            viewer.tell(_message({"overview": self._parts["overview"]}, (), whole=False))


def _message(parts: dict[str, str], gone: list[str] | tuple[()], *, whole: bool) -> str:
    """Parts are text already, and put together as text."""
    entries = ",".join(f"{json.dumps(key, ensure_ascii=False)}:{part}" for key, part in parts.items())
    return f'{{"whole":{json.dumps(whole)},"set":{{{entries}}},"gone":{json.dumps(list(gone), ensure_ascii=False)}}}'
