"""What is done with every attribute: PS3.15 Annex E, the Basic Profile and its options.

The table is `attribute_confidentiality.tsv` beside this file; whoever touches the disk reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mkiso.errors import UsageError

EDITION = "2026c"
BASIC = "basic"

# PS3.16 CID 7050; PS3.15 E.3: option, code, meaning.
#: By the names that people write.
OPTIONS = {
    "clean-pixel-data": ("113101", "Clean Pixel Data Option"),
    "clean-graphics": ("113103", "Clean Graphics Option"),
    "clean-structured-content": ("113104", "Clean Structured Content Option"),
    "clean-descriptors": ("113105", "Clean Descriptors Option"),
    "retain-full-dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "retain-modified-dates": (
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    "retain-patient-characteristics": ("113108", "Retain Patient Characteristics Option"),
    "retain-device-identity": ("113109", "Retain Device Identity Option"),
    "retain-uids": ("113110", "Retain UIDs Option"),
    "retain-safe-private": ("113111", "Retain Safe Private Option"),
    "retain-institution-identity": ("113112", "Retain Institution Identity Option"),
}
_BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")


class Action(Enum):
    """What becomes of an attribute."""

    KEEP = "keep"  # of a sequence: its items are looked into
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    UID = "uid"
    CLEAN = "clean"  # a text without what identifies; else as the basic profile has it
    SHIFT = "shift"  # a date, by the patient's days
    CONTENT = "content"  # structured content, without its free text


# E.3: in doubt what conformance of the IOD needs is kept, as a dummy: the attribute does not go.
# `X/Z/U*` are sequences of references, whose UIDs are mapped.
_BASIC_ACTIONS = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.UID,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.KEEP,
}
#: What C means under each option of the table.
_CLEANING = {
    "device-identity": Action.DUMMY,  # AE titles: the option keeps the device, not its network
    "patient-characteristics": Action.CLEAN,
    "modified-dates": Action.SHIFT,
    "descriptors": Action.CLEAN,
    "structured-content": Action.CONTENT,
    "graphics": Action.KEEP,  # its texts have rows of their own
}
# PS3.15 table E.3.10-1: group, private creator, elements. Of it what says how an image was made, in
# numbers and codes; left out are acoustic data of ultrasound (OB), Hologic's coded pixels, UIDs and
# free messages.
_SAFE_PRIVATE = (
    (0x0019, "GEMS_ACQU_01", (0x23, 0x24, 0x27, 0x9E)),
    (0x0025, "GEMS_SERS_01", (0x07,)),
    (0x0043, "GEMS_PARM_01", (0x27, 0x39, 0x6F)),
    (0x0045, "GEMS_HELIOS_01", (0x01, 0x02)),
    (0x0903, "GEIIS PACS", (0x10, 0x11, 0x12)),
    (0x0019, "SIEMENS MR HEADER", (0x0C, 0x0D, 0x0E, 0x27)),
    (0x00E1, "ELSCINT1", (0x21, 0x50)),
    (0x01E1, "ELSCINT1", (0x26,)),
    (0x01F1, "ELSCINT1", (0x01, 0x07, 0x26, 0x27)),
    (0x2001, "Philips Imaging DD 001", (0x03, 0x04)),
    (0x2005, "Philips MR Imaging DD 001", (0x0D, 0x0E)),
    (0x7053, "Philips PET Private Group", (0x00, 0x09)),
    (0x0099, "NQHeader", (0x04, 0x10, 0x20, 0x21)),
    (0x0199, "NQLeft", tuple(range(0x01, 0x17))),
    (0x0299, "NQRight", tuple(range(0x01, 0x17))),
)
SAFE_PRIVATE = frozenset(
    (group, creator, element) for group, creator, elements in _SAFE_PRIVATE for element in elements
)


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of the table: the actions as the standard writes them, by option."""

    tag: int
    basic: str
    options: Mapping[str, str]
    name: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The profile with its options, ready to be applied."""

    options: tuple[str, ...] = ()  # names of OPTIONS, in its order
    actions: Mapping[int, Action] = field(default_factory=dict)
    basic: Mapping[int, Action] = field(default_factory=dict)
    safe_private: frozenset[tuple[int, str, int]] = frozenset()

    def has(self, option: str) -> bool:
        """Say whether an option is chosen."""
        return option in self.options

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """What was done, as codes and meanings of CID 7050."""
        return (_BASIC_CODE, *(OPTIONS[option] for option in self.options))

    @property
    def words(self) -> str:
        """Return the profile as people write it."""
        return ",".join((BASIC, *self.options))


def parse_table(text: str) -> tuple[Row, ...]:
    """Return the rows of the table."""
    rows = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        tag, basic, options, name = line.split("\t")
        pairs = (word.split("=") for word in options.split() if word != "-")
        rows.append(Row(int(tag, 16), basic, dict(pairs), name))
    return tuple(rows)


def parse_profile(text: str) -> tuple[str, ...]:
    """Return the options in `basic,retain-uids`; the first word may be left out. Raises UsageError.

    Full and modified dates exclude each other.
    """
    words = [word.strip() for word in text.lower().replace("+", ",").split(",") if word.strip()]
    chosen = {word for word in words if word != BASIC}
    unknown = sorted(chosen - set(OPTIONS))
    if unknown:
        raise UsageError(
            f"--deidentify {unknown[0]}: there is no such option of the profile; there are "
            f"{', '.join(OPTIONS)}. (A word after --deidentify is its profile: write "
            "--deidentify=basic, or what is meant before it.)"
        )
    if {"retain-full-dates", "retain-modified-dates"} <= chosen:
        raise UsageError("Dates are either retained in full or modified; choose one of the two.")
    return tuple(option for option in OPTIONS if option in chosen)


def make_rules(
    rows: tuple[Row, ...],
    options: tuple[str, ...] = (),
    safe_private: frozenset[tuple[int, str, int]] = SAFE_PRIVATE,
) -> Rules:
    """Return the rules of the Basic Profile with these options."""
    columns = [option.split("-", 1)[1] for option in options]
    return Rules(
        options,
        {row.tag: _action(row, columns) for row in rows},
        {row.tag: _BASIC_ACTIONS[row.basic] for row in rows},
        safe_private if "retain-safe-private" in options else frozenset(),
    )


def _action(row: Row, columns: list[str]) -> Action:
    """Return the action of a row: what keeps wins over what cleans, but a date is moved."""
    found = {column: row.options[column] for column in columns if column in row.options}
    if "K" in found.values() and "modified-dates" not in found:
        return Action.KEEP
    if "modified-dates" in found:
        return _CLEANING["modified-dates"]
    for column in found:
        return _CLEANING[column]
    return _BASIC_ACTIONS[row.basic]
