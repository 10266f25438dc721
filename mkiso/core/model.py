"""The values on the arrows between the stages. All frozen; sizes in bytes; UIDs as str.

accession numbers ─find─▶ FindResult ─retrieve─▶ RetrieveResult ─author─▶ FileSet ─write─▶ Image;
what becomes of an image is in `disc_content`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mkiso.core.conversion_plan import Conversion
from mkiso.core.header import InstanceHeader


@dataclass(frozen=True, slots=True)
class ExpectedInstance:
    """One instance the archive says it has (C-FIND at IMAGE level)."""

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sop_class_uid: str = ""  # "" when the archive does not return it (dcmqrscp)


@dataclass(frozen=True, slots=True)
class Series:
    """One series the archive lists. `instances` is empty when IMAGE level is unsupported."""

    series_instance_uid: str
    study_instance_uid: str
    modality: str
    instances: tuple[ExpectedInstance, ...] = ()
    number_of_instances: int | None = None  # what the archive claims, if it says so
    series_number: str = field(default="", compare=False)  # for a person, where it is said


@dataclass(frozen=True, slots=True)
class Study:
    """One study the archive lists, with the series that are wanted."""

    study_instance_uid: str
    accession_number: str
    series: tuple[Series, ...] = ()
    patient_id: str = ""  # from C-FIND: good enough to refuse, not to identify
    issuer_of_patient_id: str = ""
    number_of_instances: int | None = None
    instance_availability: str = ""  # ONLINE, NEARLINE, OFFLINE, UNAVAILABLE or ""


@dataclass(frozen=True, slots=True)
class LeftOutSeries:
    """A series that the modality filter leaves out."""

    series_instance_uid: str
    study_instance_uid: str
    modality: str


@dataclass(frozen=True, slots=True)
class FindResult:
    """What the archive says belongs to the job."""

    studies: tuple[Study, ...]
    left_out: tuple[LeftOutSeries, ...] = ()
    not_found: tuple[str, ...] = ()  # accession numbers skipped with --skip-not-found
    warnings: tuple[str, ...] = ()
    filtered: bool = False  # a modality filter applies: series not listed are not asked for
    count_verified: bool = True  # False: neither IMAGE level nor counts were to be had

    @property
    def expected(self) -> tuple[ExpectedInstance, ...]:
        """All expected instances, in the archive's order."""
        return tuple(i for study in self.studies for s in study.series for i in s.instances)


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """One instance in the job folder: zero preamble, our file meta, the archive's data set."""

    path: Path
    size_bytes: int  # of the whole file
    sha256: str  # hex, of the whole file
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    header: InstanceHeader
    data_set_offset: int = 0  # bytes before the data set (preamble, prefix, file meta)


@dataclass(frozen=True, slots=True)
class ShortSeries:
    """A series that the archive only counts, and how many of its instances did not arrive."""

    series_instance_uid: str
    study_instance_uid: str
    missing: int


@dataclass(frozen=True, slots=True)
class RetrieveResult:
    """What arrived, reconciled with what was expected."""

    instances: tuple[ReceivedInstance, ...]
    missing: tuple[ExpectedInstance, ...] = ()
    short_series: tuple[ShortSeries, ...] = ()

    @property
    def unnamed_missing(self) -> int:
        """How many are missing that nobody can name."""
        return sum(series.missing for series in self.short_series)

    @property
    def missing_count(self) -> int:
        """How many instances did not arrive."""
        return len(self.missing) + self.unnamed_missing


@dataclass(frozen=True, slots=True)
class DiscFile:
    """One file that goes on the disc: either a `source` on disk or `content` in memory.

    `path` is the path on the disc in upper case with `/`, without a version (`DICOM/PT000000/…`).
    `sha256` is hex and always known, since the image is verified against it.
    """

    path: str
    size_bytes: int
    sha256: str
    source: Path | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class FileSetInstance:
    """An instance with its place on the disc."""

    file_id: tuple[str, ...]  # PS3.10 8.2, at most 8 components of 8 characters
    instance: ReceivedInstance


@dataclass(frozen=True, slots=True)
class ViewerContent:
    """What the viewer on a disc can show. Not there at all when the disc has none."""

    format: int  # of docs/viewer-format.md
    size_bytes: int  # of all its files
    preview_series: tuple[str, ...] = ()  # Series Instance UIDs shown in 8 bits
    tiles: int = 0  # frames and objects that cannot be shown

    @property
    def mode(self) -> str:
        """`full`: all pixel values are there; `preview`: of some series there are pictures."""
        return "preview" if self.preview_series else "full"


@dataclass(frozen=True, slots=True)
class FileSet:
    """A complete plan of one disc: nothing is written before it exists."""

    file_set_id: str  # at most 16 characters of A-Z 0-9 _
    volume_id: str
    instances: tuple[FileSetInstance, ...]
    files: tuple[DiscFile, ...]  # all files of the disc in image order, DICOMDIR first
    number: int = 1
    of: int = 1
    complete: bool = True
    missing: tuple[ExpectedInstance, ...] = ()
    short_series: tuple[ShortSeries, ...] = ()
    overruled: tuple[str, ...] = ()  # what --same-patient overruled, without the values
    accession_numbers: tuple[str, ...] = ()  # of the studies on this disc
    profile: str = ""  # the application profile that it meets (PS3.11), "" when none
    viewer: ViewerContent | None = None
    set_number: int = 1  # disc n of m of one patient; `number` counts the discs of the job
    set_of: int = 1
    volume_set_id: str = ""
    conversions: tuple[Conversion, ...] = ()  # of its instances, for the profile asked for
    profile_problems: tuple[str, ...] = ()  # why it is not conformant to the profile asked for
