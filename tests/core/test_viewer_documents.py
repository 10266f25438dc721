"""Reports, key objects, presentation states and waveforms as the page gets them."""

import json

import pytest
from core.viewer_objects import read_bytes, values_of
from received import BASIC_TEXT_SR, KEY_OBJECTS, bundled, data_set, item, split_file

from mkiso.core.viewer_presentation import presentation_state
from mkiso.core.viewer_references import with_places
from mkiso.core.viewer_report import key_object, report
from mkiso.core.viewer_waveform import waveform


def code(meaning, value="1"):
    return [item(CodeValue=value, CodingSchemeDesignator="X", CodeMeaning=meaning)]


def node(kind, name="Finding", relation="CONTAINS", **value):
    return item(
        RelationshipType=relation,
        ValueType=kind,
        ConceptNameCodeSequence=code(name),
        **value,
    )


def image_reference(uid, **extra):
    return [item(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID=uid, **extra)]


def test_every_kind_of_content_becomes_text_to_show():
    measured = [item(NumericValue="12.5", MeasurementUnitsCodeSequence=code("millimetre", "mm"))]
    content = [
        node("TEXT", TextValue="one\r\ntwo <b>"),
        node("NUM", MeasuredValueSequence=measured),
        node("CODE", ConceptCodeSequence=code("Lung")),
        node("PNAME", PersonName="Doe^Jane"),
        node("DATE", Date="20240131"),
        node("TIME", Time="101112"),
        node("DATETIME", DateTime="20240131101112.5+0100"),
        node("UIDREF", UID="1.2.3"),
        node("IMAGE", ReferencedSOPSequence=image_reference("1.2.9", ReferencedFrameNumber=[2, 3])),
        node("SCOORD", GraphicType="CIRCLE", GraphicData=[1.5, 2.0, 3.0, 4.0]),
        node("CONTAINER", ContentSequence=[node("TEXT", TextValue="deep")]),
    ]
    found = report(
        values_of(
            data_set(
                BASIC_TEXT_SR,
                ConceptNameCodeSequence=code("Report"),
                CompletionFlag="COMPLETE",
                VerificationFlag="VERIFIED",
                ContentDate="20240131",
                ContentTime="1011",
                VerifyingObserverSequence=[
                    item(VerifyingObserverName="Roe^R", VerificationDateTime="20240201")
                ],
                ContentSequence=content,
            )
        )
    )
    assert found["title"] == "Report"
    assert (found["completion"], found["verification"]) == ("COMPLETE", "VERIFIED")
    assert found["created"] == "2024-01-31 10:11"
    assert found["observers"] == [{"name": "Roe, R", "time": "2024-02-01"}]
    values = [part.get("value") for part in found["content"]]
    assert values[:8] == [
        "one\ntwo <b>",
        "12.5",
        "Lung",
        "Doe, Jane",
        "2024-01-31",
        "10:11",
        "2024-01-31 10:11 +0100",
        "1.2.3",
    ]
    assert found["content"][1]["unit"] == "mm"
    assert found["content"][8]["references"] == [{"uid": "1.2.9", "frames": [2, 3]}]
    assert found["content"][9]["points"] == [1.5, 2, 3, 4]
    assert found["content"][10]["children"][0]["value"] == "deep"


def test_a_tree_without_end_is_cut(monkeypatch):
    monkeypatch.setattr("mkiso.core.viewer_report._MAX_NODES", 10)
    content = [node("TEXT", TextValue=str(n)) for n in range(20)]
    found = report(values_of(data_set(BASIC_TEXT_SR, ContentSequence=content)))
    assert len(found["content"]) == 10
    assert found["cut"] is True


def test_key_objects_have_title_texts_and_references():
    content = [
        node("TEXT", "Key Object Description", TextValue="look here"),
        node("IMAGE", "", ReferencedSOPSequence=image_reference("1.2.9")),
        node("COMPOSITE", "", ReferencedSOPSequence=image_reference("1.2.8")),
    ]
    found = key_object(
        values_of(
            data_set(
                KEY_OBJECTS,
                ConceptNameCodeSequence=code("For Referring Provider"),
                ContentSequence=content,
            )
        )
    )
    assert found == {
        "title": "For Referring Provider",
        "texts": ["look here"],
        "references": [{"uid": "1.2.9"}, {"uid": "1.2.8"}],
    }


def test_references_get_their_place_where_the_instance_is_on_the_disc():
    content = {"references": [{"uid": "1.2.9", "frames": [1]}, {"uid": "1.2.8"}], "uid": 5}
    placed = with_places(content, {"1.2.9": ("S00003", 7)})
    assert placed["references"] == [
        {"uid": "1.2.9", "frames": [1], "at": ["S00003", 7]},
        {"uid": "1.2.8"},
    ]


def test_a_presentation_state_has_all_that_the_page_applies():
    state = data_set(
        "1.2.840.10008.5.1.4.1.1.11.1",
        ContentLabel="ARROWS",
        PresentationCreationDate="20240131",
        PresentationCreationTime="1011",
        ReferencedSeriesSequence=[item(ReferencedImageSequence=image_reference("1.2.9"))],
        RescaleSlope=1,
        RescaleIntercept=-1024,
        SoftcopyVOILUTSequence=[
            item(WindowCenter=40, WindowWidth=80, ReferencedImageSequence=image_reference("1.2.9"))
        ],
        PresentationLUTShape="INVERSE",
        DisplayedAreaSelectionSequence=[
            item(
                DisplayedAreaTopLeftHandCorner=[1, 1],
                DisplayedAreaBottomRightHandCorner=[100, 50],
                PresentationSizeMode="SCALE TO FIT",
                PresentationPixelSpacing=[0.5, 0.5],
            )
        ],
        ImageRotation=90,
        ImageHorizontalFlip="Y",
        ShutterShape=["CIRCULAR"],
        CenterOfCircularShutter=[10, 20],
        RadiusOfCircularShutter=5,
        GraphicLayerSequence=[
            item(
                GraphicLayer="LAYER1",
                GraphicLayerOrder=1,
                GraphicLayerRecommendedDisplayRGBValue=[65535, 0, 32896],
            )
        ],
        GraphicAnnotationSequence=[
            item(
                GraphicLayer="LAYER1",
                ReferencedImageSequence=image_reference("1.2.9", ReferencedFrameNumber=2),
                TextObjectSequence=[
                    item(
                        UnformattedTextValue="a\r\nb",
                        AnchorPoint=[5.0, 6.0],
                        AnchorPointAnnotationUnits="PIXEL",
                        AnchorPointVisibility="Y",
                    )
                ],
                GraphicObjectSequence=[
                    item(
                        GraphicAnnotationUnits="DISPLAY",
                        GraphicType="POLYLINE",
                        GraphicData=[0.25, 0.5, 0.75, 0.5],
                        GraphicFilled="N",
                    )
                ],
            )
        ],
        MaskSubtractionSequence=[item(Rows=1)],
    )
    found = presentation_state(values_of(state))
    assert found["references"] == [{"uid": "1.2.9"}]
    assert found["created"] == "2024-01-31 10:11"
    assert found["modality"] == {"rescale_slope": 1, "rescale_intercept": -1024}
    assert found["voi"] == [
        {"windows": [{"center": 40, "width": 80}], "references": [{"uid": "1.2.9"}]}
    ]
    assert found["presentation_lut_shape"] == "INVERSE"
    assert found["displayed_areas"][0]["bottom_right"] == [100, 50]
    assert (found["rotation"], found["horizontal_flip"]) == (90, True)
    assert found["shutters"] == {"shapes": ["CIRCULAR"], "center": [10, 20], "radius": 5}
    assert found["layers"] == [{"order": 1, "name": "LAYER1", "rgb": [255, 0, 128]}]
    (annotation,) = found["annotations"]
    assert annotation["references"] == [{"uid": "1.2.9", "frames": [2]}]
    assert annotation["texts"][0]["text"] == "a\nb"
    assert annotation["texts"][0]["anchor_visible"] is True
    assert annotation["graphics"] == [
        {"type": "POLYLINE", "units": "DISPLAY", "points": [0.25, 0.5, 0.75, 0.5]}
    ]
    assert found["not_shown"] == ["mask subtraction"]
    assert json.loads(json.dumps(found)) == found


def test_an_empty_presentation_state_is_no_error():
    assert presentation_state(values_of(data_set("1.2.840.10008.5.1.4.1.1.11.1"))) == {}


def test_a_bundled_ecg_has_its_channels_and_annotations():
    found = waveform(read_bytes(*split_file(bundled("waveform_ecg.dcm"))))
    rhythm = found["groups"][0]
    assert (rhythm["sampling_frequency"], rhythm["samples"]) == (1000, 10000)
    assert len(rhythm["channels"]) == 12
    assert rhythm["channels"][0]["label"].startswith("Lead I")
    assert rhythm["channels"][0]["unit"] == "uV"
    assert rhythm["channels"][0]["sensitivity"] == pytest.approx(1.25)
    assert found["annotations"]
    assert all(annotation["text"] for annotation in found["annotations"])


def test_a_group_whose_samples_nobody_knows_is_left_out():
    group = item(
        SamplingFrequency=500,
        NumberOfWaveformSamples=10,
        NumberOfWaveformChannels=1,
        WaveformBitsAllocated=16,
        WaveformSampleInterpretation="MB",
        ChannelDefinitionSequence=[item(ChannelLabel="x")],
    )
    assert waveform(values_of(data_set(WaveformSequence=[group])))["groups"] == []
