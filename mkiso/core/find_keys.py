"""What `find` asks an archive for: the keys of each level and the identifier made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mkiso.core.accessions import printable
from mkiso.core.query import (
    QUERY_RETRIEVE_LEVEL,
    RETURN_KEYS,
    SPECIFIC_CHARACTER_SET,
    Identifier,
)
from mkiso.errors import UsageError

#: From the root down (PS3.4 C.6.1.1).
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


@dataclass(frozen=True, slots=True)
class Key:
    """An attribute that can be asked for."""

    keyword: str
    tag: int
    vr: str
    level: str


def _keys(level: str, *rows: tuple[str, int, str]) -> tuple[Key, ...]:
    return tuple(Key(keyword, tag, vr, level) for keyword, tag, vr in rows)


#: Asked for at each level unless somebody says more. PS3.4 C.6.1.1.2 to C.6.1.1.5, C.3.4.
KEYS: Mapping[str, tuple[Key, ...]] = {
    "PATIENT": _keys(
        "PATIENT",
        ("PatientName", 0x00100010, "PN"),
        ("PatientID", 0x00100020, "LO"),
        ("IssuerOfPatientID", 0x00100021, "LO"),
        ("PatientBirthDate", 0x00100030, "DA"),
        ("PatientSex", 0x00100040, "CS"),
        ("NumberOfPatientRelatedStudies", 0x00201200, "IS"),
    ),
    "STUDY": _keys(
        "STUDY",
        ("StudyDate", 0x00080020, "DA"),
        ("StudyTime", 0x00080030, "TM"),
        ("AccessionNumber", 0x00080050, "SH"),
        ("ModalitiesInStudy", 0x00080061, "CS"),
        ("ReferringPhysicianName", 0x00080090, "PN"),
        ("StudyDescription", 0x00081030, "LO"),
        ("StudyInstanceUID", 0x0020000D, "UI"),
        ("StudyID", 0x00200010, "SH"),
        ("NumberOfStudyRelatedSeries", 0x00201206, "IS"),
        ("NumberOfStudyRelatedInstances", 0x00201208, "IS"),
    ),
    "SERIES": _keys(
        "SERIES",
        ("SeriesDate", 0x00080021, "DA"),
        ("Modality", 0x00080060, "CS"),
        ("SeriesDescription", 0x0008103E, "LO"),
        ("BodyPartExamined", 0x00180015, "CS"),
        ("SeriesInstanceUID", 0x0020000E, "UI"),
        ("SeriesNumber", 0x00200011, "IS"),
        ("NumberOfSeriesRelatedInstances", 0x00201209, "IS"),
    ),
    "IMAGE": _keys(
        "IMAGE",
        ("SOPInstanceUID", 0x00080018, "UI"),
        ("InstanceNumber", 0x00200013, "IS"),
    ),
}

#: The unique key of each level (PS3.4 C.6.1.1).
UNIQUE_KEY = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}

KNOWN = {key.keyword: key for keys in KEYS.values() for key in keys}


@dataclass(frozen=True, slots=True)
class FindRequest:
    """What is wanted: at which level, with which values ("": only to be returned)."""

    level: str = "STUDY"
    values: Mapping[str, str] = field(default_factory=dict)  # by keyword
    extra: tuple[Key, ...] = ()  # keys that no table here has

    def keys_at(self, level: str) -> tuple[Key, ...]:
        """Return the keys of one query. The Study Root's STUDY level has the patient's, too."""
        levels = ("PATIENT", "STUDY") if level == "STUDY" else (level,)
        keys = [key for each in levels for key in KEYS[each]]
        if level == "STUDY":
            keys = [key for key in keys if key.keyword != "NumberOfPatientRelatedStudies"]
        known = {key.keyword for key in keys}
        return (*keys, *(k for k in self.extra if k.level in levels and k.keyword not in known))

    def has_values_at(self, level: str) -> bool:
        """Return whether something is asked for at a level, and not only to be returned."""
        return any(self.values.get(key.keyword) for key in self.keys_at(level))


def identifier_at(
    request: FindRequest, level: str, parents: Mapping[str, str], *, without: Sequence[str] = ()
) -> Identifier:
    """Return the identifier of one level; `parents` are the unique keys above it."""
    rows: dict[int, tuple[str, bytes]] = {QUERY_RETRIEVE_LEVEL: ("CS", level.encode())}
    texts = []
    for key in request.keys_at(level):
        text = "" if key.keyword in without else request.values.get(key.keyword, "")
        texts.append(text)
        rows[key.tag] = (key.vr, text.encode("utf-8"))
    for keyword, value in parents.items():
        key = KNOWN[keyword]
        rows[key.tag] = (key.vr, value.encode("utf-8"))
        texts.append(value)
    if level == "STUDY":  # some archives want every study key that there is
        for tag, vr in RETURN_KEYS["STUDY"]:
            rows.setdefault(tag, (vr, b""))
    if not all(map(str.isascii, texts)):
        rows[SPECIFIC_CHARACTER_SET] = ("CS", b"ISO_IR 192")
    return tuple((tag, *rows[tag]) for tag in sorted(rows))


def parse_key(text: str, level: str) -> tuple[Key, str]:
    """Return key and value of `Keyword[=value]` or `gggg,eeee[=value]`.

    A key that the tables here do not know belongs to the level asked for. Raises UsageError.
    """
    name, _, value = text.partition("=")
    name = name.strip()
    key = KNOWN.get(name) or _from_dictionary(name, level)
    if key.vr == "SQ":
        raise UsageError(f"-k {name}: a sequence cannot be asked for; name a plain attribute.")
    if LEVELS.index(key.level) > LEVELS.index(level):
        raise UsageError(
            f"-k {name} belongs to a lower level; ask with --level {key.level.lower()}."
        )
    return key, value.strip()


def _from_dictionary(name: str, level: str) -> Key:
    from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword  # noqa: PLC0415 - slow to import, seldom needed

    tag = tag_for_keyword(name) if name else None  # one retired attribute has no keyword
    if tag is None:
        group, comma, element = name.strip("()").partition(",")
        try:
            tag = int(group, 16) << 16 | int(element, 16) if comma else None
        except ValueError:
            tag = None
    if tag is None or tag >> 16 < 8:
        raise UsageError(
            f"-k {printable(name)}: no attribute has this keyword; write it as the standard does, "
            "such as StudyDescription, or as a tag, 0008,1030."
        )
    keyword = str(keyword_for_tag(tag) or f"{tag >> 16:04X},{tag & 0xFFFF:04X}")
    if keyword in KNOWN:
        return KNOWN[keyword]
    try:
        vr = str(dictionary_VR(tag)).split(" ", maxsplit=1)[0]
    except KeyError:  # a private one
        vr = "LO"
    return Key(keyword, int(tag), vr, level)
