"""What the page is told of an image: windows, tables, palettes, regions, segments, dose."""

import base64
import warnings
import zlib

import numpy as np
import pytest
from core.viewer_objects import values_of
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_color_lut
from received import EXPLICIT, data_set, item

from mkiso.core.viewer_groups import frame_attributes, shared_attributes
from mkiso.core.viewer_image import image_attributes
from mkiso.core.viewer_luts import palette_of
from mkiso.core.viewer_regions import rgb_of_lab


def told(**attributes):
    return image_attributes(values_of(data_set(**attributes)))


def entries(table):
    found = np.frombuffer(zlib.decompress(base64.b64decode(table["data"])), "<u2")
    assert len(found) == table["entries"]
    return found.tolist()


def test_what_is_not_there_is_left_out():
    found = told(PixelSpacing=None, WindowCenter=None, KVP=None, ImageComments="")
    assert not {"pixel_spacing", "windows", "kvp", "image_comments"} & found.keys()
    assert None not in found.values()
    assert found["samples_per_pixel"] == 1


def test_vectors_of_the_wrong_length_are_left_out():
    found = told(PixelSpacing=[1], ImagePositionPatient=[1, 2], ImageOrientationPatient=[1] * 6)
    assert "pixel_spacing" not in found
    assert "image_position_patient" not in found
    assert found["image_orientation_patient"] == [1] * 6


def test_all_windows_come_with_their_explanations():
    found = told(
        WindowCenter=[40, -600],
        WindowWidth=[400, 1500],
        WindowCenterWidthExplanation=["SOFT", "LUNG"],
        VOILUTFunction="LINEAR",
    )
    assert found["windows"] == [
        {"center": 40, "width": 400, "explanation": "SOFT"},
        {"center": -600, "width": 1500, "explanation": "LUNG"},
    ]
    assert found["voi_lut_function"] == "LINEAR"


def test_windows_that_show_nothing_are_left_out():
    assert "windows" not in told(WindowCenter=[0, 5], WindowWidth=[0, -3])
    assert "windows" not in told(WindowCenter=0.5, WindowWidth=0.5)
    exact = told(WindowCenter=0.5, WindowWidth=0.5, VOILUTFunction="LINEAR_EXACT")
    assert exact["windows"] == [{"center": 0.5, "width": 0.5}]


def test_a_slope_of_zero_is_left_out():
    assert "rescale_slope" not in told(RescaleSlope=0, RescaleIntercept=5)


def lut(first, values, bits=16, **extra):
    made = item(LUTDescriptor=[len(values), first, bits], LUTExplanation="x", **extra)
    made["LUTDescriptor"].VR = "US"
    made.add_new(0x00283006, "OW", np.array(values, "<u2").tobytes())
    return made


def test_lookup_tables_come_with_their_entries():
    modality = lut(5, [1, 2, 30000], ModalityLUTType="HU")
    found = told(ModalityLUTSequence=[modality], VOILUTSequence=[lut(0, [7, 8], 12), lut(1, [9])])
    table = found["modality_lut"]
    assert (table["first"], table["bits"], table["modality_lut_type"]) == (5, 16, "HU")
    assert entries(table) == [1, 2, 30000]
    assert [entries(t) for t in found["voi_luts"]] == [[7, 8], [9]]
    assert found["voi_luts"][0]["explanation"] == "x"


def test_the_first_entry_of_a_table_is_signed_where_the_pixels_are():
    made = data_set(PixelRepresentation=1, ModalityLUTSequence=[lut(65000, [1, 2])])
    assert image_attributes(values_of(made))["modality_lut"]["first"] == 65000 - 65536
    made.PixelRepresentation = 0
    assert image_attributes(values_of(made))["modality_lut"]["first"] == 65000


def test_a_table_that_says_0_has_65536_entries():
    large = lut(0, [*range(65535), 5])
    large["LUTDescriptor"].value = [0, 0, 16]
    table = told(VOILUTSequence=[large])["voi_luts"][0]
    assert table["entries"] == 65536
    assert entries(table)[-1] == 5


def test_a_table_without_entries_is_none():
    broken = item(LUTDescriptor=[4, 0, 16])
    broken["LUTDescriptor"].VR = "US"
    assert "voi_luts" not in told(VOILUTSequence=[broken])


def palette(bits, tables, first=0, segmented=False):
    made = {}
    for colour, values in zip(("Red", "Green", "Blue"), tables, strict=True):
        made[f"{colour}PaletteColorLookupTableDescriptor"] = values[0]
        made[f"{'Segmented' if segmented else ''}{colour}PaletteColorLookupTableData"] = values[1]
    found = data_set(**made)
    for element in found:
        if "Descriptor" in element.keyword:
            element.VR = "US"
    return found


def test_palettes_of_16_bits_and_of_8_bits_are_told_apart():
    wide = np.array([0, 257, 65535], "<u2").tobytes()
    found = palette_of(values_of(palette(16, [([3, 0, 16], wide)] * 3)))
    assert entries(found["red"]) == [0, 257, 65535]
    assert {table["bits"] for table in found.values()} == {16}
    narrow = bytes([0, 128, 255, 0])
    found = palette_of(values_of(palette(8, [([3, 0, 8], narrow)] * 3)))
    assert entries(found["green"]) == [0, 128, 255]
    assert {table["bits"] for table in found.values()} == {8}
    in_words = np.array([0, 128, 255], "<u2").tobytes()
    found = palette_of(values_of(palette(16, [([3, 0, 16], in_words)] * 3)))
    assert {table["bits"] for table in found.values()} == {8}


SEGMENTS = {
    # discrete 3, linear to 250 in 10, a copy of these two from the beginning
    8: bytes([0, 3, 10, 20, 30, 1, 10, 250, 2, 2, 0, 0, 0, 0]),
    16: np.array([0, 3, 100, 2000, 30000, 1, 10, 65000, 2, 2, 0, 0], "<u2").tobytes(),
}


@pytest.mark.parametrize("bits", [8, 16])
def test_segmented_palettes_are_expanded_as_pydicom_does(bits):
    described = palette(bits, [([26, 0, bits], SEGMENTS[bits])] * 3, segmented=True)
    found = entries(palette_of(values_of(described))["red"])
    assert len(found) == 26
    described.PhotometricInterpretation = "PALETTE COLOR"
    described.file_meta = FileMetaDataset()
    described.file_meta.TransferSyntaxUID = EXPLICIT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = apply_color_lut(np.arange(26, dtype="u1"), described)[:, 0]
    assert np.abs(np.array(found) - expected).max() <= 1  # how halves are rounded is left open


def test_a_segmented_palette_that_goes_on_for_ever_ends():
    endless = bytes([2, 1, 0, 0, 0, 0]) * 50
    described = palette(8, [([256, 0, 8], endless)] * 3, segmented=True)
    assert palette_of(values_of(described)) == {}


def test_padding_is_read_with_the_sign_of_the_pixels():
    signed = data_set(PixelRepresentation=1)
    signed.add_new(0x00280120, "SS", -2000)
    signed.add_new(0x00280121, "SS", -1900)
    found = image_attributes(values_of(signed))
    assert found["pixel_padding_value"] == -2000
    assert found["pixel_padding_range_limit"] == -1900


def test_ultrasound_regions_have_bounds_and_scales():
    region = item(
        RegionSpatialFormat=1,
        RegionLocationMinX0=10,
        RegionLocationMinY0=20,
        RegionLocationMaxX1=300,
        RegionLocationMaxY1=200,
        PhysicalUnitsXDirection=3,
        PhysicalDeltaX=0.01,
    )
    found = told(SequenceOfUltrasoundRegions=[region, item(RegionDataType=1)])
    assert found["ultrasound_regions"] == [
        {
            "bounds": [10, 20, 300, 200],
            "spatial_format": 1,
            "units_x": 3,
            "delta_x": 0.01,
        }
    ]


def test_colours_of_segments_are_those_of_the_standard():
    assert rgb_of_lab([65535, 32896, 32896]) == [255, 255, 255]
    assert rgb_of_lab([0, 32896, 32896]) == [0, 0, 0]
    red = rgb_of_lab([34885, 53485, 50171])  # L 53.2, a 80.1, b 67.2 in D50
    assert red[0] > 240
    assert max(red[1:]) < 60


def test_dose_is_scaled_and_each_plane_has_its_place():
    made = data_set(
        DoseGridScaling=0.0005,
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        GridFrameOffsetVector=[0, 2.5, 5],
    )
    values = values_of(made)
    assert image_attributes(values)["rescale_slope"] == 0.0005
    assert [f["image_position_patient"][2] for f in frame_attributes(values)] == [3, 5.5, 8]


def test_functional_groups_stand_under_the_classic_names():
    def group(z, center):
        return item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, z])],
            FrameVOILUTSequence=[
                item(WindowCenter=center, WindowWidth=100, VOILUTFunction="SIGMOID")
            ],
            PixelValueTransformationSequence=[
                item(RescaleSlope=2, RescaleIntercept=-5, RescaleType="US")
            ],
            FrameContentSequence=[item(StackID="1", InStackPositionNumber=z)],
        )

    values = values_of(
        data_set(
            SharedFunctionalGroupsSequence=[
                item(
                    PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5], SliceThickness=3)],
                    PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
                )
            ],
            PerFrameFunctionalGroupsSequence=[group(1, 40), group(2, 50)],
        )
    )
    assert shared_attributes(values) == {
        "pixel_spacing": [0.5, 0.5],
        "slice_thickness": 3,
        "image_orientation_patient": [1, 0, 0, 0, 1, 0],
    }
    first, second = frame_attributes(values)
    assert first["windows"] == [{"center": 40, "width": 100}]
    assert (first["voi_lut_function"], first["rescale_slope"]) == ("SIGMOID", 2)
    assert second["image_position_patient"] == [0, 0, 2]
    assert second["in_stack_position"] == 2


def test_real_world_values_have_slope_and_unit():
    mapping = item(
        RealWorldValueSlope=0.1,
        RealWorldValueIntercept=-3.0,
        LUTLabel="ADC",
        MeasurementUnitsCodeSequence=[item(CodeValue="um2/s", CodeMeaning="square um per s")],
    )
    assert told(RealWorldValueMappingSequence=[mapping])["real_world_values"] == [
        {"slope": 0.1, "intercept": -3, "unit": "um2/s", "label": "ADC"}
    ]


def test_shutters_of_the_image_itself_are_told():
    found = told(
        ShutterShape=["RECTANGULAR", "CIRCULAR"],
        ShutterLeftVerticalEdge=1,
        ShutterRightVerticalEdge=500,
        ShutterUpperHorizontalEdge=2,
        ShutterLowerHorizontalEdge=400,
        CenterOfCircularShutter=[200, 250],
        RadiusOfCircularShutter=180,
    )
    assert found["shutters"] == {
        "shapes": ["RECTANGULAR", "CIRCULAR"],
        "left": 1,
        "right": 500,
        "upper": 2,
        "lower": 400,
        "radius": 180,
        "center": [200, 250],
    }
