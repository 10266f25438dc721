"""The files of the viewer: complete, in order, checked, and made of what was submitted."""

import hashlib
import json
import re
import struct

import numpy as np
import pytest
from pixels.pixel_objects import (
    SECONDARY_CAPTURE,
    encapsulated,
    file_of,
    image,
    ramp,
)
from pixels.reference_decoder import decode
from received import BASIC_TEXT_SR, CT, KEY_OBJECTS, bundled, data_set, item, split_file

from mkiso.core.file_ids import place
from mkiso.core.index_page import describe_disc
from mkiso.pixels.viewer_payload import ViewerPayload

GUARD = re.escape('if(typeof document!=="undefined"&&window.MKISO)')
CALL = re.compile(GUARD + r"MKISO\.(\w+)\((.*)\);\n", re.DOTALL)
H264 = "1.2.840.10008.1.2.4.102"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CDA = "1.2.840.10008.5.1.4.1.1.104.2"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"


class Viewer:
    """The viewer's files as the page reads them."""

    def __init__(self, made):
        self.made = made
        self.files = {}
        for file in made.files:
            content = file.source.read_bytes() if file.content is None else file.content
            assert len(content) == file.size_bytes, file.path
            assert hashlib.sha256(content).hexdigest() == file.sha256, file.path
            self.files[file.path] = content
        (self.manifest,) = self.call("VIEWER/MANIFEST.JS", "manifest")

    def call(self, path, function):
        name, arguments = CALL.fullmatch(self.files[path].decode("ascii")).groups()
        assert name == function
        return json.loads(f"[{arguments}]")

    def series(self, folder):
        name, index = self.call(f"VIEWER/{folder}/INDEX.JS", "series")
        assert name == folder
        return index

    def attributes(self, folder, position, frame=0):
        index = self.series(folder)
        instance = index["instances"][position]
        return {**index["common"], **instance, **instance["frames"][frame]}

    def decoded(self, folder, position, frame=0):
        attributes = self.attributes(folder, position, frame)
        parts = []
        for chunk, entry in attributes["at"]:
            path = f"VIEWER/{folder}/C{chunk:04d}.JS"
            name, number, entries = self.call(path, "chunk")
            assert (name, number) == (folder, chunk)
            assert self.series(folder)["chunks"][chunk] == len(self.files[path])
            parts.append(entries[entry])
        return decode(attributes, attributes, parts)


@pytest.fixture
def made(tmp_path):
    """Make the viewer of data sets: (content, transfer syntax) or content alone."""
    viewers = []
    for name in ("spools", "target", "received"):
        (tmp_path / name).mkdir()

    def make(contents, *, submit=True, preview=False, **options):
        levels = {}
        spools = tmp_path / "spools" / str(len(viewers))
        spools.mkdir()
        instances = [
            file_of(c, tmp_path / "received", levels=levels)
            if isinstance(c, bytes) or not isinstance(c, tuple)
            else file_of(c[0], tmp_path / "received", c[1], levels)
            for c in contents
        ]
        payload = ViewerPayload(spools, workers=1, preview=preview)
        viewers.append(payload)
        for instance in instances if submit else ():
            payload.submit(instance)
        placed = place(instances)
        page = describe_disc(placed, volume_id="A1", made_on="2024-01-31")
        return Viewer(payload.collect(page, placed, tmp_path / "target", "mkiso 1", **options))

    yield make
    for payload in viewers:
        payload.close()


def slices(count, **attributes):
    return [
        image(
            ramp(64, 64, "i2") + 10 * number,
            number,
            sop_class=CT,
            InstanceNumber=number,
            WindowCenter=40,
            WindowWidth=400,
            RescaleSlope=1 + number,
            **attributes,
        )
        for number in range(1, count + 1)
    ]


def test_a_series_comes_in_order_with_every_value(made):
    contents = slices(12)
    viewer = made([*contents[6:], *contents[:6]])
    index = viewer.series("S00001")
    assert [i.get("number") for i in index["instances"]] == list(range(1, 13))
    assert [i["rescale_slope"] for i in index["instances"]] == list(range(2, 14))
    assert index["common"]["windows"] == [{"center": 40, "width": 400}]
    for position in range(12):
        expected = ramp(64, 64, "i2") + 10 * (position + 1)
        assert (viewer.decoded("S00001", position) == expected).all()
    assert viewer.made.tiles == 0


def test_the_manifest_tells_of_patient_studies_series_and_stacks(made):
    viewer = made(slices(3))
    manifest = viewer.manifest
    assert manifest["format"] == 1
    assert manifest["patients"][0]["name"]["alphabetic"] == "Doe, Jane"
    assert manifest["studies"][0]["series"] == ["S00001"]
    series = manifest["series"]["S00001"]
    assert (series["modality"], series["instances"], series["frames"]) == ("CT", 3, 3)
    assert series["bytes"] == sum(viewer.series("S00001")["chunks"])
    assert series["preview"] is False
    (stack,) = series["stacks"]
    assert (stack["kind"], stack["first"], stack["instances"]) == ("image", 0, 3)
    assert (stack["rows"], stack["columns"]) == (64, 64)
    assert stack["thumbnail"].startswith("data:image/png;base64,")


def test_files_are_in_the_order_of_the_disc_and_named_8_3(made):
    viewer = made([*slices(3), *slices(3, SeriesInstanceUID="1.2.3.5", StudyID="S1")[:0]])
    paths = [file.path for file in viewer.made.files]
    assert paths == ["VIEWER/MANIFEST.JS", "VIEWER/S00001/INDEX.JS", "VIEWER/S00001/C0000.JS"]
    assert viewer.made.size_bytes == sum(map(len, viewer.files.values()))


def test_every_instance_is_there_though_it_was_never_submitted(made):
    viewer = made(slices(5), submit=False)
    assert len(viewer.series("S00001")["instances"]) == 5


def test_frames_of_a_multi_frame_object_are_a_stack_of_their_own(made):
    frames = np.stack([ramp(16, 16) + n for n in range(40)])
    viewer = made([image(frames, 1, FrameTime=40), image(ramp(16, 16), 2)])
    stacks = viewer.manifest["series"]["S00001"]["stacks"]
    assert [(s["kind"], s["frames"], s["instances"]) for s in stacks] == [
        ("image", 40, 1),
        ("image", 1, 1),
    ]
    assert (viewer.decoded("S00001", 0, 39) == frames[39]).all()
    assert viewer.attributes("S00001", 0, 5)["frame_time"] == 40


def test_a_large_frame_lies_in_several_chunks(made):
    noise = np.random.default_rng(1).integers(0, 4000, (1800, 1900)).astype("u2")
    viewer = made([image(noise)])
    assert len(viewer.attributes("S00001", 0)["at"]) == 3
    assert (viewer.decoded("S00001", 0) == noise).all()


def reference(content_number, number=1):
    return item(
        ReferencedSOPClassUID=SECONDARY_CAPTURE,
        ReferencedSOPInstanceUID=f"1.2.3.4.{content_number}",
        ReferencedFrameNumber=number,
    )


def test_key_objects_and_presentation_states_know_their_images(made):
    content = [
        item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=[reference(2)])
    ]
    key_object = data_set(
        KEY_OBJECTS, 90, SeriesInstanceUID="1.2.3.90", Modality="KO", ContentSequence=content
    )
    state = data_set(
        GSPS,
        91,
        SeriesInstanceUID="1.2.3.91",
        Modality="PR",
        ContentLabel="ARROW",
        ReferencedSeriesSequence=[item(ReferencedImageSequence=[reference(1), reference(999)])],
    )
    viewer = made([*slices(3), key_object, state])
    place_of = {s["modality"]: folder for folder, s in viewer.manifest["series"].items()}
    images, states = place_of["CT"], place_of["PR"]
    (key,) = viewer.manifest["key_objects"]
    assert key["references"] == [{"uid": "1.2.3.4.2", "frames": [1], "at": [images, 1]}]
    (entry,) = viewer.manifest["presentation_states"]
    assert entry == {"at": [states, 0], "label": "ARROW", "series": [images]}
    assert viewer.manifest["series"][images]["presentation_states"] == [[states, 0]]
    instance = viewer.series(states)["instances"][0]
    assert instance["kind"] == "presentation_state"
    assert instance["presentation_state"]["references"] == [
        {"uid": "1.2.3.4.1", "frames": [1], "at": [images, 0]},
        {"uid": "1.2.3.4.999", "frames": [1]},
    ]


def document(content, mime_type, sop_class=PDF, **attributes):
    return data_set(
        sop_class,
        MIMETypeOfEncapsulatedDocument=mime_type,
        DocumentTitle="Letter",
        EncapsulatedDocument=content + b"\0" * (len(content) % 2),
        EncapsulatedDocumentLength=len(content),
        Modality="DOC",
        **attributes,
    )


def test_a_pdf_file_comes_without_its_padding(made):
    content = b"%PDF-1.4 something odd"[:21]
    viewer = made([document(content, "application/pdf")])
    assert viewer.files["VIEWER/DOCS/D0001.PDF"] == content
    (stack,) = viewer.manifest["series"]["S00001"]["stacks"]
    assert stack["kind"] == "document"
    assert (stack["title"], stack["file"]) == ("Letter", "VIEWER/DOCS/D0001.PDF")
    found = viewer.series("S00001")["instances"][0]["document"]
    assert found == {
        "mime_type": "application/pdf",
        "title": "Letter",
        "bytes": 21,
        "file": "VIEWER/DOCS/D0001.PDF",
    }


def test_what_calls_itself_pdf_and_is_none_is_a_tile(made):
    viewer = made([document(b"<script>alert(1)</script>", "application/pdf")])
    (stack,) = viewer.manifest["series"]["S00001"]["stacks"]
    assert stack["reason"]["code"] == "unreadable"
    assert stack["file"].startswith("DICOM/")


def test_a_clinical_document_is_its_text(made):
    text = (
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><title>Note</title><component><text>"
        "<paragraph>All &lt;b&gt;well</paragraph><list><item>one</item><item>two</item></list>"
        "</text></component></ClinicalDocument>"
    )
    viewer = made([document(text.encode(), "text/XML", CDA)])
    found = viewer.series("S00001")["instances"][0]["document"]
    assert found["paragraphs"] == ["Note", "All <b>well", "one", "two"]


def test_a_clinical_document_with_entities_is_a_tile(made):
    bomb = "<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;'>]><a>&y;</a>"
    viewer = made([document(bomb.encode(), "text/XML", CDA)])
    assert viewer.series("S00001")["instances"][0]["reason"]["code"] == "unreadable"


def test_a_video_is_a_file_as_it_was(made):
    parts = [struct.pack(">I", 24) + b"ftypisom" + bytes(52), b"moov" * 10]
    content = encapsulated((48, 64), parts, NumberOfFrames=25)
    viewer = made([(content, H264)])
    assert viewer.files["VIEWER/VIDEO/V0001.MP4"] == b"".join(parts)
    (stack,) = viewer.manifest["series"]["S00001"]["stacks"]
    assert (stack["kind"], stack["file"]) == ("video", "VIEWER/VIDEO/V0001.MP4")
    found = viewer.series("S00001")["instances"][0]["video"]
    assert (found["rows"], found["columns"], found["frames"]) == (48, 64, 25)


def test_a_transport_stream_is_a_tile(made):
    content = encapsulated((48, 64), [b"\x47" + bytes(187)], NumberOfFrames=25)
    viewer = made([(content, H264)])
    assert viewer.series("S00001")["instances"][0]["reason"]["code"] == "video_format"


def test_a_report_and_a_waveform_are_told(made):
    report = data_set(
        BASIC_TEXT_SR,
        5,
        Modality="SR",
        SeriesInstanceUID="1.2.3.5",
        ContentSequence=[
            item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue="</script>")
        ],
    )
    viewer = made([report])
    (instance,) = viewer.series("S00001")["instances"]
    assert instance["report"]["content"][0]["value"] == "</script>"
    ecg = made([split_file(bundled("waveform_ecg.dcm"))])
    (instance,) = ecg.series("S00001")["instances"]
    assert instance["kind"] == "waveform"
    attributes = ecg.attributes("S00001", 0)
    groups = attributes["waveform"]["groups"]
    expected = 12, groups[0]["samples"]
    assert ecg.decoded("S00001", 0, groups[0]["frame"]).shape == expected


def test_an_ecg_comes_with_the_values_that_pydicom_reads(made):
    import pydicom  # noqa: PLC0415 - of this test alone

    viewer = made([split_file(bundled("waveform_ecg.dcm"))])
    expected = pydicom.dcmread(bundled("waveform_ecg.dcm")).waveform_array(0)
    channels = viewer.attributes("S00001", 0)["waveform"]["groups"][0]["channels"]
    found = viewer.decoded("S00001", 0).T.astype(float)
    for number, channel in enumerate(channels):
        scale = channel.get("sensitivity", 1) * channel.get("correction", 1)
        value = found[:, number] * scale + channel.get("baseline", 0)
        assert np.allclose(value, expected[:, number])


def test_what_cannot_be_shown_is_named_with_its_file(made):
    plan = data_set("1.2.840.10008.5.1.4.1.1.481.5", Modality="RTPLAN")
    viewer = made([plan])
    (stack,) = viewer.manifest["series"]["S00001"]["stacks"]
    assert stack["kind"] == "none"
    assert stack["reason"] == {"code": "class", "text": "RT Plan Storage"}
    assert stack["file"] == "DICOM/PT000000/ST000000/SE000000/IM000000"
    assert viewer.made.tiles == 1


def test_one_bad_frame_is_one_tile(made):
    frames = np.stack([ramp(8, 8)] * 2)
    viewer = made([image(frames, NumberOfFrames=3)])
    instance = viewer.series("S00001")["instances"][0]
    codings = [frame.get("coding", "med") for frame in instance["frames"]]
    assert codings == ["med", "med", "none"]
    assert instance["frames"][2]["reason"]["code"] == "truncated"
    assert viewer.made.tiles == 1


def test_nothing_of_a_name_becomes_markup(made):
    viewer = made(slices(1, PatientName="<img src=x onerror=alert(1)>", ProtocolName="</script>"))
    for path, content in viewer.files.items():
        assert b"<" not in content, path
        assert content.isascii()
    assert viewer.manifest["patients"][0]["name"]["alphabetic"].startswith("<img")
    assert viewer.attributes("S00001", 0)["protocol_name"] == "</script>"


def test_the_same_instances_make_the_same_files(made):
    contents = slices(40)
    assert made(contents).files == made(contents[::-1]).files


def test_several_discs_are_made_of_one_payload(tmp_path):
    for name in ("spools", "received", "a", "b"):
        (tmp_path / name).mkdir()
    instances = [file_of(content, tmp_path / "received") for content in slices(6)]
    payload = ViewerPayload(tmp_path / "spools", workers=1)
    try:
        discs = []
        for name, part in (("a", instances[:3]), ("b", instances[3:])):
            placed = place(part)
            page = describe_disc(placed, volume_id=name, made_on="2024-01-31")
            discs.append(Viewer(payload.collect(page, placed, tmp_path / name, "mkiso 1")))
    finally:
        payload.close()
    numbers = [[i["number"] for i in disc.series("S00001")["instances"]] for disc in discs]
    assert numbers == [[1, 2, 3], [4, 5, 6]]
    assert (discs[1].decoded("S00001", 0) == ramp(64, 64, "i2") + 40).all()


def test_previews_take_the_place_of_what_does_not_fit(made):
    pytest.importorskip("PIL", reason="previews need Pillow")
    large = slices(6, SeriesInstanceUID="1.2.3.50", SeriesNumber=5)
    noise = np.random.default_rng(1).integers(0, 4000, (256, 256)).astype("i2")
    large = [
        image(noise + n, 50 + n, sop_class=CT, SeriesInstanceUID="1.2.3.50", SeriesNumber=5)
        for n in range(4)
    ]
    viewer = made([*slices(3), *large], budget_bytes=320_000)
    assert viewer.made.preview_series == ("1.2.3.50",)
    series = {s["number"]: (folder, s) for folder, s in viewer.manifest["series"].items()}
    assert series["2"][1]["preview"] is False
    assert series["5"][1]["preview"] is True
    folder = series["5"][0]
    attributes = viewer.attributes(folder, 0)
    assert (attributes["coding"], attributes["reason"]["code"]) == ("preview", "space")
    assert viewer.decoded(folder, 0).startswith(b"\xff\xd8\xff")


def test_previews_only_on_demand(made):
    pytest.importorskip("PIL", reason="previews need Pillow")
    viewer = made(slices(2), preview=True)
    assert viewer.attributes("S00001", 1)["coding"] == "preview"
    assert viewer.made.preview_series == ("1.2.3.4",)


def test_without_an_encoder_previews_are_tiles(made, tmp_path, monkeypatch):
    folder = tmp_path / "modules" / "PIL"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('not here')")
    monkeypatch.syspath_prepend(str(folder.parent))
    viewer = made(slices(2), preview=True)
    assert viewer.attributes("S00001", 0)["reason"]["code"] == "space"
    assert "at" not in viewer.attributes("S00001", 0)


def test_waiting_can_be_interrupted(made):
    class StopError(Exception):
        pass

    def tick():
        raise StopError

    with pytest.raises(StopError):
        made(slices(40), tick=tick)
