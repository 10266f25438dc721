"""Discs for tests: pydicom's bundled files as one patient's, planned as a job would plan them."""

import dataclasses
import hashlib
import io
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.core.disc_content import expected_content
from mkiso.core.file_ids import place
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import read_header
from mkiso.core.index_page import describe_disc
from mkiso.core.job import Institution
from mkiso.core.model import DiscFile, FileSet, ReceivedInstance
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.disc.image import write_image
from mkiso.disc.pages import index_file, readme_file

EPOCH = 1_700_000_000
INSTITUTION = Institution("St. Mary's & Sons", "Radiology\nphone 123", "Keep it private.")

#: Different classes, syntaxes and byte orders; some of them lack what a directory wants.
BUNDLED = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "examples_rgb_color.dcm",
    "SC_rgb_jpeg_dcmd.dcm",
    "rtplan.dcm",
    "rtdose_1frame.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
    "liver_1frame.dcm",
)


def data_set_of(name, **changes):
    """Give a bundled file's data set as one of the test patient's, with a UID of its own."""
    data_set = pydicom.dcmread(get_testdata_file(name, download=False))
    data_set.PatientName = "Müller^Jörg=米勒^約克"
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.PatientID = "4711"
    data_set.PatientBirthDate = "19700101"
    data_set.SOPInstanceUID = (
        f"1.2.826.0.1.3680043.8.498.{int.from_bytes(name.encode()[:12], 'big')}"
    )
    for keyword, value in changes.items():
        setattr(data_set, keyword, value)
    return data_set


def received(folder: Path, number: int, data_set, levels) -> ReceivedInstance:
    """Store a data set as the receiver does."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=False)
    content = stream.getvalue()
    start = content.index(b"DICM") + 4 + 12 + int.from_bytes(content[140:144], "little")
    body = content[start:]
    syntax = str(data_set.file_meta.TransferSyntaxUID)
    parsed = read_header(body, lambda o, n: body[o : o + n], len(body), syntax, levels)
    meta = encode_file_meta(parsed.sop_class_uid, parsed.sop_instance_uid, syntax)
    path = folder / f"{number:08d}.dcm"
    path.write_bytes(meta + body)
    return ReceivedInstance(
        path=path,
        size_bytes=len(meta) + len(body),
        sha256=hashlib.sha256(meta + body).hexdigest(),
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        study_instance_uid=parsed.study_instance_uid,
        transfer_syntax_uid=syntax,
        header=parsed.header,
        data_set_offset=len(meta),
    )


def plan(instances, **changes) -> FileSet:
    """Give the plan of a disc with these instances."""
    placed = place(instances)
    heads = (
        file_in_memory("DICOMDIR", build_dicomdir("TESTDISC", placed)),
        index_file(describe_disc(placed, volume_id="TESTDISC", made_on="2023-11-14"), INSTITUTION),
        readme_file(INSTITUTION),
    )
    files = tuple(
        DiscFile(
            "/".join(i.file_id), i.instance.size_bytes, i.instance.sha256, source=i.instance.path
        )
        for i in placed
    )
    whole = FileSet(
        file_set_id="TESTDISC",
        volume_id="TESTDISC",
        instances=placed,
        files=(*heads, checksum_file((*heads, *files)), *files),
    )
    return dataclasses.replace(whole, **changes)


def bundled_file_set(folder: Path, names=BUNDLED) -> FileSet:
    """Give the plan of a disc with pydicom's bundled files."""
    folder.mkdir(parents=True, exist_ok=True)
    levels = {}
    return plan([received(folder, n, data_set_of(name), levels) for n, name in enumerate(names, 1)])


def write_disc(folder: Path, names=BUNDLED):
    """Give (path, plan, what is expected) of a written image in `folder`."""
    file_set = bundled_file_set(folder / "received", names)
    path = folder / "disc.part"
    image = write_image(file_set, path, source_date_epoch=EPOCH)
    return path, file_set, expected_content(file_set, image)
