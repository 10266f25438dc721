"""A VIEWER folder of DICOM files, made by the program's own encoder: each file a series."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import dataclasses
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
from browser import viewer_files
from received import received, split_file

from mkiso.core.byte_source import HeaderError
from mkiso.core.index_page import describe_disc
from mkiso.core.model import FileSetInstance
from mkiso.pixels.viewer_payload import ViewerPayload


def instances_of(paths, folder: Path):
    """Give (path, instance) of each file that the receiver would take; UIDs are made unique."""
    found = []
    for number, path in enumerate(paths, 1):
        parts = split_file(path)
        if parts is None:
            continue
        try:
            instance = received(parts[0], folder, parts[1])
        except (HeaderError, ValueError, KeyError):
            continue
        found.append(
            (
                path,
                dataclasses.replace(
                    instance,
                    sop_instance_uid=f"1.2.3.4.{number}",
                    series_instance_uid=f"1.2.3.{number}",
                    study_instance_uid="1.2.3",
                ),
            )
        )
    return found


def write_disc(paths, folder: Path, work: Path):
    """Write INDEX.HTM and VIEWER/ into `folder`; give the paths by series name, in order."""
    for each in (work / "received", work / "payload", work / "chunks"):
        each.mkdir(parents=True)
    named = instances_of(paths, work / "received")
    placed = [
        FileSetInstance(("DICOM", f"SE{number:06d}", "IM000000"), instance)
        for number, (_, instance) in enumerate(named)
    ]
    page = describe_disc(placed, volume_id="TESTDISC", made_on="2026-01-16")
    payload = ViewerPayload(work / "payload", workers=2)
    try:
        for item in placed:
            payload.submit(item.instance)
        made = payload.collect(page, placed, work / "chunks", "mkiso test")
    finally:
        payload.close()
    for file in made.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content if file.content is not None else file.source.read_bytes())
    viewer_files.write_program(folder / "VIEWER")
    (folder / "INDEX.HTM").write_text(viewer_files.PAGE, "utf-8")
    paths_by_uid = {instance.series_instance_uid: path for path, instance in named}
    return [paths_by_uid[item.instance.series_instance_uid] for item in placed]


#: pydicom decodes them otherwise or not at all; tests/pixels says why the encoder is right.
NOT_COMPARED = {
    "JPEG-lossy.dcm", "JPGExtended.dcm", "MR1_JPLY", "badVR.dcm", "vlut_04.dcm",
    "liver_deflate.dcm", "liver_rle.dcm",
    "liver_nonbyte_aligned_deflate.dcm", "liver_nonbyte_aligned_rle.dcm",
    "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm",
}  # fmt: skip
FEW_FRAMES = 4
KINDS = {"u8": "u1", "i8": "i1", "u16": "u2", "i16": "i2", "u32": "u4", "i32": "i4", "f32": "f4", "f64": "f8"}  # fmt: skip

READ = """
    const entry = MKISO.disc.entries().find(each => each.name === arguments[0]);
    const content = await MKISO.disc.open(entry), out = [];
    for (const frame of content.frames.slice(0, arguments[1])) {
        if (!frame.at) { out.push({ reason: frame.reason.code }); continue; }
        const picture = await MKISO.frames.get(frame);
        out.push({ coding: frame.coding, sum: picture.sum, sample: picture.sample });
    }
    return out;
"""


def frames_of(path):
    """Stored values of a file's frames by pydicom, colours as RGB by pixel; None without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = pydicom.dcmread(path)
            pixels = data_set.pixel_array
        except Exception:  # noqa: BLE001 - whatever it is, there is nothing to compare with
            return None
    single = pixels.ndim == (3 if data_set.SamplesPerPixel == 3 else 2)
    return pixels[None] if single else pixels


def stored_sum(frame, values):
    """Adler-32 of the values as the page has them; of the packed bytes for single bits."""
    if frame["coding"] == "bits":
        return zlib.adler32(np.packbits(values.reshape(-1) != 0, bitorder="little").tobytes())
    return zlib.adler32(np.ascontiguousarray(values.astype(KINDS[frame["sample"]])).tobytes())


def compare(browser, series, path):
    """Compare the first frames on the page with pydicom's; give how many could be compared."""
    pixels, compared = frames_of(path), 0
    if pixels is None:
        return 0
    shown = browser.eval(READ, series, FEW_FRAMES)
    for frame, values in zip(shown, pixels, strict=False):
        if frame.get("coding") in ("med", "planes", "bits"):
            assert frame["sum"] == stored_sum(frame, values), path.name
            compared += 1
    return compared


PAINT = """
    const entry = MKISO.disc.entries().find(each => each.name === arguments[0]);
    const viewport = MKISO.app.active();
    await viewport.open(entry);
    const frame = viewport.frames[0], picture = await MKISO.frames.get(frame);
    const chain = MKISO.display.chainOf(frame, picture, viewport.state());
    const canvas = MKISO.render.paint(picture, frame, chain, document.createElement("canvas"), 1);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return { rows: canvas.height, columns: canvas.width, data: Array.from(data), voi: { ...chain.voi, table: !!chain.voi.table } };
"""


def painted(chromium, series):
    """Give the colours that stand on the canvas for a series' first frame, and the window used."""
    got = chromium.eval(PAINT, series)
    return np.array(got["data"], np.uint8).reshape(got["rows"], got["columns"], 4)[..., :3], got[
        "voi"
    ]
