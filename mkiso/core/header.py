"""What of a received data set the job must know, taken from its bytes."""

from __future__ import annotations

from dataclasses import dataclass

#: Attributes of one level of the hierarchy: (tag, raw value in little endian), sorted by tag.
Level = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """Raw attribute values by level; equal levels of different instances are the same object.

    Values are the bytes of the data set (little endian for binary VRs), trailing padding kept off.
    `instance` is the body of the directory record of this instance, already encoded in Explicit VR
    Little Endian, since 50,000 parsed headers would not fit the memory budget.
    """

    character_set: str  # (0008,0005) as it stands, "" when absent
    patient: Level
    study: Level
    series: Level
    record_type: str  # PS3.3 F.3-3, e.g. "IMAGE"
    record: bytes
    instance_number: int | None
    filled: tuple[str, ...] = ()  # keywords that were made up for the record
