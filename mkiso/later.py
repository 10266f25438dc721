"""Modules that are imported when they are first used, or by a thread ahead of that."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable
from typing import Any


class Later:
    """Stands for a module: imports it for the first attribute that is asked for."""

    def __init__(self, name: str) -> None:
        """Stand for the module `name`."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Give what the module has under that name."""
        return getattr(importlib.import_module(self._name), attribute)


def later(*names: str) -> tuple[Later, ...]:
    """Return what stands for each of these modules."""
    return tuple(Later(name) for name in names)


class Preparation:
    """Imports modules and does one thing more beside the thread that waits for an archive."""

    def __init__(self, modules: Iterable[str], then: Callable[[], object]) -> None:
        """Begin at once; `then` may raise what `require` is to raise."""
        self._modules, self._then = tuple(modules), then
        self._error: BaseException | None = None
        # Not a daemon: the interpreter must not end inside an import
        self._thread = threading.Thread(target=self._run, name="mkiso-prepare")
        self._thread.start()

    def _run(self) -> None:
        try:
            for name in self._modules:
                importlib.import_module(name)
            self._then()
        except BaseException as error:  # noqa: BLE001 - `require` raises it
            self._error = error

    def require(self) -> None:
        """Wait for the end of it, a second at most on any machine; raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
