"""Files made to be awkward, through the program's encoder: what the screen shows is what pydicom's
functions compute from the data set."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import warnings

import numpy as np
import pydicom
import pytest
from browser import viewer_files
from browser.encoded_disc import painted, write_disc
from pixels.pixel_objects import file_of, image
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing
from received import item

pytestmark = pytest.mark.peers

CT, MR, DX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.1.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"

VALUES = (np.arange(20 * 30).reshape(20, 30) * 7 % 4096).astype("<u2")
SIGNED = (VALUES.astype(int) - 2048).astype("<i2")
GARBAGE = (VALUES | ((VALUES * 5) & 0xF000)).astype("<u2")


def table(values, first, bits, explanation=None, **more):
    made = item(LUTData=np.asarray(values, "<u2").tobytes(), **more)
    made["LUTData"].VR = "OW"
    made.add_new(0x00283002, "SS" if first < 0 else "US", [len(values), first, bits])
    if explanation:
        made.LUTExplanation = explanation
    return made


CURVE = (np.sqrt(np.arange(4096)) * 63).astype("<u2")
TWELVE = {"BitsStored": 12, "HighBit": 11}
WINDOW = {"WindowCenter": "900", "WindowWidth": "1500"}

#: name: what is in Pixel Data, the values that are meant, attributes.
MADE = {
    "bits above the high bit": (GARBAGE, VALUES, {**TWELVE, **WINDOW, "Modality": "MR"}),
    "twelve signed bits": (SIGNED.view("<u2") & 0xFFF, SIGNED, {**TWELVE, **WINDOW, "PixelRepresentation": 1, "RescaleSlope": "2", "RescaleIntercept": "-100"}),
    "ten bits": (VALUES & 0x3FF, VALUES & 0x3FF, {"BitsStored": 10, "HighBit": 9, "WindowCenter": "400", "WindowWidth": "700"}),
    "thirteen bits of a slope": (VALUES, VALUES, {"BitsStored": 13, "HighBit": 12, **WINDOW, "RescaleSlope": "0.37", "RescaleIntercept": "11.5"}),
    "eight signed bits": ((VALUES % 256).astype("u1").view("i1"), (VALUES % 256).astype("u1").view("i1"), {"WindowCenter": "10", "WindowWidth": "150"}),
    "monochrome1": (VALUES, VALUES, {**TWELVE, **WINDOW, "PhotometricInterpretation": "MONOCHROME1"}),
    "inverse": (VALUES, VALUES, {**TWELVE, **WINDOW, "PresentationLUTShape": "INVERSE"}),
    "inverse monochrome1": (VALUES, VALUES, {**TWELVE, **WINDOW, "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}),
    "sigmoid": (VALUES, VALUES, {**TWELVE, **WINDOW, "VOILUTFunction": "SIGMOID"}),
    "linear exact": (VALUES, VALUES, {**TWELVE, "WindowCenter": "900.5", "WindowWidth": "0.5", "VOILUTFunction": "LINEAR_EXACT"}),
    "the first of two windows": (VALUES, VALUES, {**TWELVE, "WindowCenter": ["900", "40"], "WindowWidth": ["1500", "400"], "WindowCenterWidthExplanation": ["WIDE", "SOFT"]}),
    "a table of the VOI": (VALUES, VALUES, {**TWELVE, "Modality": "DX", "VOILUTSequence": [table(CURVE, 0, 12, "CURVED")]}),
    "a signed table of the VOI": (SIGNED, SIGNED, {"Modality": "DX", "VOILUTSequence": [table(CURVE, -2048, 12)]}),
    "a table of the modality": (VALUES, VALUES, {**TWELVE, **WINDOW, "Modality": "DX", "ModalityLUTSequence": [table(CURVE[::-1], 0, 16, ModalityLUTType="US")]}),
}  # fmt: skip

PADDED = np.where(np.arange(600).reshape(20, 30) % 3 == 0, -3000, SIGNED).astype("<i2")


def enhanced():
    """Three frames, each with a slope, a window and a position of its own (PS3.3 C.7.6.16)."""
    groups = []
    for number in range(3):
        transformation = item(
            RescaleSlope=str(number + 1), RescaleIntercept=str(-10 * number), RescaleType="HU"
        )
        voi = item(WindowCenter=str(100 * (number + 1)), WindowWidth=str(500 * (number + 1)))
        position = item(ImagePositionPatient=["-10", "20", str(3 * number)])
        groups.append(
            item(PixelValueTransformationSequence=[transformation], FrameVOILUTSequence=[voi], PlanePositionSequence=[position])
        )  # fmt: skip
    measures = item(PixelSpacing=["0.5", "0.75"], SliceThickness="3")
    turn = item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])
    shared = item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[turn])
    pixels = np.stack([VALUES, VALUES[::-1], VALUES[:, ::-1]])
    return image(
        pixels, 90, sop_class=ENHANCED_CT, SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=groups, **TWELVE,
    ), pixels  # fmt: skip


@pytest.fixture(scope="module")
def shown(chromium, tmp_path_factory):
    """Open a disc of all made files; give {name: series}."""
    folder = tmp_path_factory.mktemp("made")
    contents = {
        name: image(stored, number, sop_class=DX if more.get("Modality") == "DX" else MR if more.get("Modality") == "MR" else CT, **more)
        for number, (name, (stored, _, more)) in enumerate(MADE.items(), 1)
    }  # fmt: skip
    contents["padding"] = image(PADDED, 80, sop_class=MR, Modality="MR", PixelPaddingValue=-3000)
    contents["enhanced"] = enhanced()[0]
    paths = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in contents.items():
            paths[file_of(content, folder).path] = name
    order = write_disc(paths, folder / "disc", folder / "work")
    viewer_files.protect(folder / "disc")
    chromium.open((folder / "disc" / "INDEX.HTM").as_uri())
    chromium.wait_for("document.documentElement.dataset.viewer === 'ready'")
    yield {paths[path]: (f"S{number:05d}", path) for number, path in enumerate(order, 1)}
    viewer_files.unprotect(folder / "disc")


def expected(data_set, values):
    """Shares of white, 0 to 1, by pydicom's functions."""
    meant = apply_modality_lut(values, data_set)
    if "VOILUTSequence" in data_set:
        bits = data_set.VOILUTSequence[0].LUTDescriptor[2]
        shares = apply_voi_lut(meant.astype(int), data_set) / (2**bits - 1)
    else:
        low, high = 0, 2**data_set.BitsStored - 1
        if data_set.PixelRepresentation:
            low, high = -(2 ** (data_set.BitsStored - 1)), 2 ** (data_set.BitsStored - 1) - 1
        slope, intercept = (
            float(data_set.get("RescaleSlope", 1)),
            float(data_set.get("RescaleIntercept", 0)),
        )
        low, high = low * slope + intercept, high * slope + intercept
        if "ModalityLUTSequence" in data_set:
            low, high = 0, 2 ** data_set.ModalityLUTSequence[0].LUTDescriptor[2] - 1
        shares = (apply_windowing(meant, data_set) - low) / (high - low)
    inverted = (
        data_set.PhotometricInterpretation == "MONOCHROME1"
        or data_set.get("PresentationLUTShape") == "INVERSE"
    )
    return 1 - shares if inverted else shares


@pytest.mark.parametrize("name", MADE)
def test_the_screen_shows_what_pydicom_computes(chromium, shown, name):
    series, path = shown[name]
    rgb, _ = painted(chromium, series)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = expected(pydicom.dcmread(path), MADE[name][1]) * 255
    assert np.abs(rgb[..., 0] - wanted).max() <= 0.51
    assert (rgb[..., 0] == rgb[..., 1]).all()


@pytest.mark.parametrize("name", MADE)
def test_the_page_has_the_values_that_are_meant(chromium, shown, name):
    """What lies above the high bit is cut off and the sign is extended."""
    got = chromium.eval(
        "const entry = MKISO.disc.entries().find(e => e.name === arguments[0]); const f = (await MKISO.disc.open(entry)).frames[0]; return Array.from((await MKISO.frames.get(f)).planes[0]);",
        shown[name][0],
    )
    assert (np.array(got).reshape(20, 30) == MADE[name][1]).all()


def test_all_windows_and_tables_can_be_chosen_by_their_names(chromium, shown):
    names = []
    for name in ("the first of two windows", "a table of the VOI"):
        chromium.eval(
            "await MKISO.app.open(MKISO.disc.entries().find(e => e.name === arguments[0]))",
            shown[name][0],
        )
        chromium.wait_for("MKISO.app.active().picture()")
        names += chromium.run(
            "return MKISO.toolbar.presets(MKISO.app.active()).slice(0, 2).map(p => p.name)"
        )
    assert names[0].startswith("WIDE")
    assert names[1].startswith("SOFT")
    assert names[2].startswith("CURVED")


def test_padding_has_no_part_in_the_window_that_is_estimated(chromium, shown):
    rgb, voi = painted(chromium, shown["padding"][0])
    kept = PADDED[PADDED != -3000]
    low, high = voi["center"] - voi["width"] / 2, voi["center"] + voi["width"] / 2
    wanted = np.percentile(kept, [1, 99])
    assert abs(low - wanted[0]) < 60
    assert abs(high - wanted[1]) < 60
    assert (rgb[PADDED == -3000] == 0).all()


def test_each_frame_of_an_enhanced_object_has_its_own_numbers(chromium, shown):
    got = chromium.eval(
        """
        const entry = MKISO.disc.entries().find(e => e.name === arguments[0]), v = MKISO.app.active();
        await v.open(entry);
        const out = [];
        for (const frame of v.frames) {
            const picture = await MKISO.frames.get(frame), voi = MKISO.display.voiOf(frame, picture, { choice: null });
            out.push({ window: [voi.center, voi.width], position: frame.image_position_patient, spacing: frame.pixel_spacing, unit: MKISO.display.unitOf(frame),
                       values: Array.from(picture.planes[0], (_, n) => MKISO.display.valueAt(frame, picture, n % 30, Math.floor(n / 30))) });
        }
        return out;
        """,
        shown["enhanced"][0],
    )
    _, pixels = enhanced()
    assert len(got) == 3
    for number, frame in enumerate(got):
        assert frame["window"] == [100 * (number + 1), 500 * (number + 1)]
        assert frame["position"] == [-10, 20, 3 * number]
        assert frame["spacing"] == [0.5, 0.75]
        assert frame["unit"] == "HU"
        wanted = pixels[number].astype(float) * (number + 1) - 10 * number
        assert (np.array(frame["values"]).reshape(20, 30) == wanted).all()
