"""How an importer works; every option resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from mkiso.core.folder_names import FolderNames
from mkiso.core.job import Job
from mkiso.importer.delivering import Destinations
from mkiso.importer.places import Places


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """What is watched, how long it has to be quiet, where it goes. Times in seconds."""

    places: Places
    destinations: Destinations
    names: FolderNames = field(default_factory=FolderNames)
    settle_seconds: float = 180.0
    issuer: str = ""  # of the PatientIDs; "": none is stated
    keep_seconds: float | None = None  # archived folders; None: for ever
    first_pause_seconds: float = 60.0  # before another attempt; twice as long each time
    longest_pause_seconds: float = 900.0
    look_seconds: float = 30.0  # between two looks without an event
    poll: bool = False  # no events: look every few seconds
    disc: Job | None = None  # how a disc is made of each import; None: none is
