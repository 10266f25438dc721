"""The values around a finished disc: what should be on it, what was found, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mkiso.core.conversion_plan import Conversion
from mkiso.core.findings import ERROR, Finding
from mkiso.core.model import FileSet, ViewerContent


@dataclass(frozen=True, slots=True)
class FileOnDisc:
    """One file as read back: path in upper case without version, size in bytes, SHA-256 in hex."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class InstanceOnDisc:
    """One DICOM file as read back."""

    path: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ImageStructure:
    """The first bytes of an image: volume descriptors, path tables, directories."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ExpectedContent:
    """What exactly a disc must hold."""

    files: Mapping[str, tuple[str, int]]  # path -> SHA-256, size in bytes
    sop_instance_uids: frozenset[str]
    volume_id: str
    size_bytes: int | None = None  # of the image
    structure: ImageStructure | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the judge says about a disc. No patient data in it."""

    findings: tuple[Finding, ...]
    files: tuple[FileOnDisc, ...] = ()
    instances: tuple[InstanceOnDisc, ...] = ()
    volume_id: str = ""
    size_bytes: int = 0
    sha256: str = ""  # of the whole image; "" for a folder
    profiles: tuple[str, ...] = ()  # application profiles that it meets (PS3.11)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the disc unfit."""
        return tuple(f for f in self.findings if f.severity == ERROR)

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class Image:
    """A written image that nobody has checked: it has its temporary name."""

    part: Path
    size_bytes: int
    structure: ImageStructure


@dataclass(frozen=True, slots=True)
class VerifiedImage:
    """An image that was read back and is what was planned; it still has its temporary name."""

    part: Path
    size_bytes: int
    sha256: str
    result: CheckResult


@dataclass(frozen=True, slots=True)
class Disc:
    """A finished disc: the image has its name. `existed` when it was there before."""

    path: Path
    sidecar: Path
    size_bytes: int
    sha256: str
    volume_id: str
    instances: int
    number: int = 1
    of: int = 1
    complete: bool = True
    existed: bool = False
    profile: str = ""  # the application profile that it meets (PS3.11), "" when none
    profile_problems: tuple[str, ...] = ()  # why not the one that was asked for
    conversions: tuple[Conversion, ...] = ()
    viewer: ViewerContent | None = None


def expected_content(file_set: FileSet, image: Image | None = None) -> ExpectedContent:
    """Give what the disc made from `file_set` must hold, and as which `image` it was written."""
    return ExpectedContent(
        files={f.path: (f.sha256, f.size_bytes) for f in file_set.files},
        sop_instance_uids=frozenset(i.instance.sop_instance_uid for i in file_set.instances),
        volume_id=file_set.volume_id,
        size_bytes=image.size_bytes if image else None,
        structure=image.structure if image else None,
    )
