"""Retrieval by C-GET: the instances come over the association that asks, no port is needed."""

from __future__ import annotations

from collections.abc import Callable

from mkiso.core.context import Context
from mkiso.network.receiver import StorageJob
from mkiso.network.reception import Reception


class GetRetrieval:
    """Requests by C-GET."""

    def __init__(self, job: StorageJob, context: Context, tick: Callable[[], None]) -> None:
        self.reception = Reception()
