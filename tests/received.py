"""Data sets as the receiver hands them on, for tests of what is made of them."""

import hashlib
import struct
import warnings
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import read_header
from mkiso.core.model import ReceivedInstance

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

_LONG = (b"OB", b"OW", b"OF", b"SQ", b"UN", b"UT")


def bundled_files():
    """pydicom's own files (nothing is downloaded)."""
    folder = Path(pydicom.__file__).parent / "data"
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in {".dcm", ""})


def bundled(name):
    return Path(get_testdata_file(name, download=False))


def split_file(path):
    """The data set of a file and its transfer syntax, or None for what is no DICOM file."""
    content = Path(path).read_bytes()
    if content[128:132] != b"DICM":
        return None
    offset, syntax = 132, ""
    while content[offset : offset + 2] == b"\2\0":
        vr = content[offset + 4 : offset + 6]
        if vr in _LONG:
            (length,) = struct.unpack_from("<I", content, offset + 8)
            start = offset + 12
        else:
            (length,) = struct.unpack_from("<H", content, offset + 6)
            start = offset + 8
        if content[offset + 2 : offset + 4] == b"\x10\0":
            syntax = content[start : start + length].rstrip(b"\0 ").decode()
        offset = start + length
    return content[offset:], syntax


def encoded(data_set, syntax=EXPLICIT):
    """The bytes of a pydicom data set."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax != BIG_ENDIAN
    buffer.is_implicit_VR = syntax == IMPLICIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(buffer, data_set)
    return buffer.getvalue()


def data_set(sop_class=CT, number=1, **attributes):
    """A small valid data set; attributes by keyword, None takes one out."""
    made = Dataset()
    defaults = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": f"1.2.3.4.{number}",
        "StudyDate": "20240131",
        "StudyTime": "101112",
        "AccessionNumber": "A1",
        "Modality": "CT",
        "StudyDescription": "HEAD",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "StudyID": "S1",
        "SeriesNumber": 2,
        "InstanceNumber": number,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # illegal values are meant
        for keyword, value in {**defaults, **attributes}.items():
            if value is not None:
                setattr(made, keyword, value)
    return made


def item(**attributes):
    """A sequence item."""
    made = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in attributes.items():
            setattr(made, keyword, value)
    return made


def header_of(data, syntax=EXPLICIT, levels=None):
    return read_header(
        data[: 256 * 1024],
        lambda offset, length: data[offset : offset + length],
        len(data),
        syntax,
        {} if levels is None else levels,
    )


def received(source, folder=None, syntax=EXPLICIT, levels=None):
    """An instance of a pydicom data set or of the bytes of one; its file in `folder` if given."""
    data = encoded(source, syntax) if isinstance(source, Dataset) else source
    parsed = header_of(data, syntax, levels)
    meta = encode_file_meta(parsed.sop_class_uid, parsed.sop_instance_uid, syntax)
    digest = hashlib.sha256(meta + data).hexdigest()
    path = Path("nowhere")
    if folder is not None:
        path = folder / f"{digest[:16]}.dcm"
        path.write_bytes(meta + data)
    return ReceivedInstance(
        path=path,
        size_bytes=len(meta) + len(data),
        sha256=digest,
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        study_instance_uid=parsed.study_instance_uid,
        transfer_syntax_uid=syntax,
        header=parsed.header,
        data_set_offset=len(meta),
    )
