"""What must not be in a de-identified result, read from the originals by pydicom."""

import warnings
from io import BytesIO
from pathlib import Path

import pydicom

KEY = b"an example of a key that is long enough"
#: Texts of this length may stand anywhere by chance.
LEAST = 6


def originals_of(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            yield pydicom.dcmread(path)


def strings_of(data_sets):
    """The identifying strings of data sets: names, numbers, dates and UIDs."""
    found = set()
    for data_set in data_sets:
        for element in data_set.iterall():
            if element.VR in ("PN", "LO", "SH", "UI", "DA", "DT") and element.value:
                if element.keyword in KEPT or element.tag.group == 2:
                    continue
                values = element.value if element.VM > 1 else [element.value]
                for value in map(str, values):
                    parts = value.split("^") if element.VR == "PN" else []
                    found |= {v for v in (value, *parts) if len(v) >= LEAST}
    return {v for v in found if not v.startswith("1.2.840.10008.")}


#: Not identifying by the table: the attribute is not in it.
KEPT = {"SOPClassUID", "Manufacturer", "SoftwareVersions", "ManufacturerModelName", "CodeMeaning"}


def every_byte(*paths):
    return b"".join(path.read_bytes() for path in paths)


DATA = Path(__file__).parents[2] / "shared" / "data"
FACTS = Path(__file__).parent / "deidentification" / "table_e1_1.txt"
REGISTERED = "1.2.840.10008."
#: pydicom reads a VR of two blanks as one with a length of four bytes, and goes astray.
ASTRAY = {"GH179A.dcm"}


def facts():
    found, section = {}, ""
    for line in FACTS.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            found.setdefault(section, set()).update(int(word, 16) for word in line.split())
    return found


TABLE = facts()
BASIC = {
    tag: action
    for action in ("X", "Z", "D", "U", "X/Z", "X/D", "X/Z/D", "Z/D", "X/Z/U*")
    for tag in TABLE[action]
}


def real_files():
    if not DATA.is_dir():
        return []
    files = (p for p in sorted(DATA.rglob("*")) if p.is_file() and p.name not in ASTRAY)
    return [p for p in files if "DICOMDIR" not in p.name and _head(p)[128:132] == b"DICM"]


def _head(path):
    with path.open("rb") as file:
        return file.read(132)


def read(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(content), force=True)


def levels(data_set, where=()):
    """Each data set of a data set: itself and every item, with its place."""
    yield where, data_set
    for element in data_set:
        if element.VR == "SQ" and element.value:
            for number, item in enumerate(element.value):
                yield from levels(item, (*where, (int(element.tag), number)))


DUMMIES = {"REMOVED", "000Y", "19000101", "19000101000000", "000000", "0", "0.0", repr(b"\0\0")}


def values_of(element):
    assert element is not None
    return [str(v) for v in (element.value if element.VM > 1 else [element.value or ""])]


def identifying(data_set):
    """The texts of every listed attribute, at any level, in the bytes that they had."""
    found = set()
    for _, each in levels(data_set):
        for element in each:
            action = BASIC.get(int(element.tag))
            if not action or element.VR not in ("PN", "LO", "SH", "UI", "DA", "DT", "LT", "ST"):
                continue
            raw = each.get_item(element.tag).value
            texts = values_of(element)
            if isinstance(raw, bytes):
                found.add(raw.strip(b" \0"))
            found |= {text.encode("latin-1", "ignore") for text in texts}
    long = {text.strip(b" \0") for text in found}
    return {
        text for text in long
        if len(text) >= 6 and not text.startswith(REGISTERED.encode())
        and text.decode("latin-1") not in DUMMIES
    }  # fmt: skip


def kept_bytes(data_set):
    """What stays by the table, where the same text may stand for something else."""
    parts = []
    for _, each in levels(data_set):
        for element in each:
            if int(element.tag) not in BASIC and element.VR != "SQ":
                raw = each.get_item(element.tag).value
                texts = element.value if isinstance(raw, bytes) is False else ""
                parts.append(
                    raw if isinstance(raw, bytes) else str(texts).encode("latin-1", "ignore")
                )
                parts.append(str(element.value).encode("latin-1", "ignore"))
    return b"\n".join(parts)
