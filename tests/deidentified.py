"""What must not be in a de-identified result, read from the originals by pydicom."""

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
