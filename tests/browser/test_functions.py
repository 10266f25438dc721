"""The page's pure functions against numbers computed with numpy and pydicom, in a real browser."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import zlib

import numpy as np
import pytest
from browser import viewer_files as files
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

pytestmark = pytest.mark.peers

DECODE = """
    const frame = await MKISO.decoder.decode(arguments[0], arguments[1]);
    return { planes: frame.planes.map(plane => Array.from(plane)), sum: frame.sum };
"""


def shape_of(attributes):
    return {
        "coding": attributes["coding"], "sample": attributes["sample"], "rows": attributes["rows"],
        "columns": attributes["columns"], "samples": attributes["samples_per_pixel"],
        "bandRows": attributes.get("band_rows"), "sum": attributes["sum"],
    }  # fmt: skip


def extremes(kind, shape):
    rng = np.random.default_rng(7)
    if np.dtype(kind).kind == "f":
        return rng.normal(0, 1000, shape).astype(kind)
    info = np.iinfo(kind)
    smooth = np.linspace(info.min, info.max, int(np.prod(shape))).astype(kind).reshape(shape)
    noise = rng.choice(np.array([info.min, info.max, 0, 1, info.max // 3], kind), shape)
    return np.where(rng.random(shape) < 0.3, noise, smooth)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("band_rows", [None, 7])
def test_stored_values_come_back_bit_for_bit(call, kind, band_rows):
    pixels = extremes(kind, (23, 17))
    parts, attributes = files.coded_frame(pixels, band_rows)
    frame = call(DECODE, parts, shape_of(attributes))
    assert (np.array(frame["planes"][0], pixels.dtype).reshape(23, 17) == pixels).all()
    assert frame["sum"] == zlib.adler32(pixels.tobytes())


@pytest.mark.parametrize("kind", ["u1", "u2", "i2"])
def test_colours_come_back_bit_for_bit(call, kind):
    pixels = extremes(kind, (12, 19, 3))
    parts, attributes = files.coded_frame(pixels)
    frame = call(DECODE, parts, shape_of(attributes))
    back = np.stack(
        [np.array(plane, pixels.dtype).reshape(12, 19) for plane in frame["planes"]], -1
    )
    assert (back == pixels).all()


def test_bits_come_back(call):
    pixels = (np.random.default_rng(1).random((9, 13)) < 0.4).astype("u1")
    parts, attributes = files.coded_bits(pixels)
    frame = call(DECODE, parts, shape_of(attributes))
    assert (np.array(frame["planes"][0]).reshape(9, 13) == pixels).all()


def test_a_changed_byte_is_never_shown(call):
    parts, attributes = files.coded_frame(extremes("u2", (40, 40)))
    text = parts[0]
    for place in (0, 5, len(text) // 2, len(text) - 6):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        said = call(
            "return MKISO.decoder.decode([arguments[0]], arguments[1]).then(() => 'shown', () => 'refused')",
            changed, shape_of(attributes),
        )  # fmt: skip
        assert said == "refused"
    wrong = {**shape_of(attributes), "sum": attributes["sum"] ^ 1}
    said = call(
        "return MKISO.decoder.decode(arguments[0], arguments[1]).then(() => 'shown', e => e.message)",
        parts,
        wrong,
    )
    assert said == "checksum"


@pytest.mark.parametrize("level", [0, 1, 9])
def test_the_slow_inflater_is_right_too(call, level):
    rng = np.random.default_rng(3)
    data = rng.integers(0, 4, 5000).astype("u1").tobytes() + bytes(range(256)) * 40 + bytes(3000)
    squeezed = zlib.compress(data, level)
    sums = call(
        """
        const bytes = Uint8Array.from(arguments[0]), broken = bytes.slice();
        broken[broken.length - 1] ^= 1;
        let refused = false;
        try { MKISO.inflateSlowly(broken); } catch (error) { refused = true; }
        return [MKISO.decoder.adler32(MKISO.inflateSlowly(bytes)), refused];
        """,
        list(squeezed),
    )
    assert sums == [zlib.adler32(data), True]


# --- PS3.3 C.11: modality, VOI, presentation ---

GREYS = "return arguments[0].map(value => MKISO.lut.grey(value, arguments[1]));"
STORED = np.concatenate([np.arange(-2000, 4000, 7), [-32768, 32767]]).astype(np.int16)


def chain(**more):
    return {
        "modality": {"slope": 1, "intercept": 0}, "voi": {"center": 40, "width": 400, "kind": "LINEAR"},
        "presentation": {"inverted": False}, **more,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("center", "width", "slope", "intercept"),
    [(40, 400, 1, -1024), (-600, 1500.5, 2.5, -3), (127.5, 255, 1, 0), (10, 2, 1, 0)],
)
def test_windows_are_those_of_pydicom(call, kind, center, width, slope, intercept):
    data_set = Dataset()
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.RescaleSlope, data_set.RescaleIntercept = slope, intercept
    data_set.WindowCenter, data_set.WindowWidth, data_set.VOILUTFunction = center, width, kind
    data_set.BitsStored, data_set.PixelRepresentation = 16, 1
    values = apply_modality_lut(STORED, data_set)
    y_min = (-(2**15)) * slope + intercept
    y_max = (2**15 - 1) * slope + intercept
    with np.errstate(over="ignore"):
        wanted = (apply_windowing(values, data_set) - y_min) / (y_max - y_min) * 255
    got = call(
        GREYS, STORED.tolist(),
        chain(modality={"slope": slope, "intercept": intercept}, voi={"center": center, "width": width, "kind": kind}),
    )  # fmt: skip
    assert np.abs(np.array(got) - wanted).max() <= 0.51


@pytest.mark.parametrize("first", [-1024, 0, 300])
def test_lookup_tables_are_those_of_pydicom(call, first):
    table = (np.sqrt(np.arange(900)) * 130).astype(np.uint16)
    data_set = Dataset()
    item = Dataset()
    item.LUTDescriptor = [len(table), first, 12]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = table.tolist()
    item["LUTData"].VR = "US"
    data_set.VOILUTSequence = [item]
    wanted = apply_voi_lut(STORED.astype(np.int32), data_set) / 4095 * 255
    got = call(
        "const t = arguments[1]; t.values = Uint16Array.from(t.values);" + GREYS.replace("arguments[1]", "{ modality: { slope: 1, intercept: 0 }, voi: { table: t }, presentation: {} }"),
        STORED.tolist(), {"first": first, "bits": 12, "values": table.tolist()},
    )  # fmt: skip
    assert np.abs(np.array(got) - wanted).max() <= 0.51


def test_the_modality_table_wins_over_the_slope(call):
    got = call(
        "return arguments[0].map(v => MKISO.lut.modalityValue(v, { slope: 2, intercept: 5, table: { first: 10, bits: 16, values: Uint16Array.from([7, 8, 9]) } }));",
        [-5, 10, 11, 12, 400],
    )
    assert got == [7, 7, 8, 9, 9]


def test_inverse_and_presentation_table(call):
    plain = np.array(call(GREYS, [-200, 0, 40, 100, 300], chain()))
    turned = np.array(call(GREYS, [-200, 0, 40, 100, 300], chain(presentation={"inverted": True})))
    assert np.abs(plain + turned - 255).max() <= 1
    table = {"bits": 8, "values": [255, 0]}
    assert call(GREYS, [-200, 300], chain(presentation={"table": table})) == [255, 0]


@pytest.mark.parametrize(
    ("photometric", "shape", "inverse"),
    [("MONOCHROME2", None, False), ("MONOCHROME1", None, True), ("MONOCHROME2", "INVERSE", True),
     ("MONOCHROME1", "INVERSE", True), ("MONOCHROME1", "IDENTITY", True)],
)  # fmt: skip
def test_monochrome1_and_inverse_invert_once(call, photometric, shape, inverse):
    frame = {"photometric_interpretation": photometric, "presentation_lut_shape": shape}
    assert call("return MKISO.display.isInverse(arguments[0], null)", frame) is inverse


@pytest.mark.parametrize(
    ("photometric", "presentation", "inverse"),
    [
        ("MONOCHROME1", {"shape": "IDENTITY"}, False),
        ("MONOCHROME2", {"shape": "INVERSE"}, True),
        ("MONOCHROME1", {"table": {}}, False),
        ("MONOCHROME1", {}, True),
    ],
)
def test_a_presentation_state_decides_alone_what_is_white(call, photometric, presentation, inverse):
    """PS3.4 N.2.1; a state that says nothing leaves it to the image."""
    frame = {"photometric_interpretation": photometric}
    said = call("return MKISO.display.isInverse(arguments[0], arguments[1])", frame, presentation)
    assert said is inverse


def test_a_presentation_state_replaces_the_steps_of_the_image(call):
    frame = {
        "uid": "1.2", "frameNumber": 1, "photometric_interpretation": "MONOCHROME2",
        "rescale_slope": 3, "windows": [{"center": 1, "width": 2}],
    }  # fmt: skip
    got = call(
        """
        const presentation = { modality: { slope: 2, intercept: -5 }, shape: "INVERSE", voi: [
            { references: [{ uid: "9.9" }], windows: [{ center: 7, width: 8 }], kind: "LINEAR", tables: [] },
            { references: [{ uid: "1.2", frames: [2] }], windows: [{ center: 8, width: 9 }], kind: "LINEAR", tables: [] },
            { references: [{ uid: "1.2", frames: [1] }], windows: [{ center: 40, width: 50 }], kind: "SIGMOID", tables: [] }] };
        const of = state => { const c = MKISO.display.chainOf(arguments[0], null, state); return [c.modality.slope, c.voi.center, c.voi.width, c.voi.kind, c.presentation.inverted]; };
        return [of({ presentation }), of({ presentation, inverted: true }), of({ presentation, choice: { window: 0 } }), of({})];
        """,
        frame,
    )
    assert got[0] == [2, 40, 50, "SIGMOID", True]
    assert got[1] == [2, 40, 50, "SIGMOID", False]
    assert got[2] == [2, 1, 2, "LINEAR", True]
    assert got[3] == [3, 1, 2, "LINEAR", False]
