"""The index and the manifest say everything, once, in an order a person expects."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkiso.core import viewer_chunks
from mkiso.core.viewer_chunks import ChunkPlan, Entry, chunk_name, series_folder
from mkiso.core.viewer_index import (
    IndexedInstance,
    instance_json,
    lifted,
    series_script,
    shared,
    without,
)
from mkiso.core.viewer_kinds import is_mpeg_2, is_video, kind_of
from mkiso.core.viewer_order import order_key, stacks_of
from mkiso.core.viewer_script import chunk_frame, script, to_json

CALL = re.compile(
    r'if\(typeof document!=="undefined"&&window\.MKISO\)MKISO\.(\w+)\((.*)\);\n', re.DOTALL
)
H264 = "1.2.840.10008.1.2.4.102"


def called(content):
    """The function of a script and its arguments."""
    function, arguments = CALL.fullmatch(content.decode("ascii")).groups()
    return function, json.loads(f"[{arguments}]")


NASTY = "</script><!-- & \u2028 \u2029 \u202e \U0001f480 \x7f \\ \" ' \x00"


def test_a_script_is_ascii_and_says_what_was_meant():
    content = script("series", "S00001", {"name": NASTY, "n": [1, 2.5]})
    assert content.isascii()
    for forbidden in (b"<", b">", b"&&&", b"\x7f\x7f", b"-->"):
        assert forbidden not in content.replace(b"&&window", b"")
    assert called(content) == ("series", ["S00001", {"name": NASTY, "n": [1, 2.5]}])


def test_numbers_that_json_does_not_know_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": float("nan")})


def test_a_chunk_is_a_script_too():
    before, between, after = chunk_frame("S00002", 7)
    content = before + b"QUJD" + between + b"REVG" + after
    assert called(content) == ("chunk", ["S00002", 7, ["QUJD", "REVG"]])


values = st.integers(0, 3)
attributes = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), values)


@given(st.lists(st.tuples(attributes, st.lists(attributes, min_size=1, max_size=4)), max_size=5))
def test_what_is_shared_is_lost_nowhere(instances):
    """Common, instance and frame laid over each other are what was said of the frame."""
    expected = [{**own, **frame} for own, frames in instances for frame in frames]
    common = None
    for own, frames in instances:
        common = shared([lifted(own, frames)[0]], common)
    found = []
    for own, frames in instances:
        described, kept = lifted(own, frames)
        described = without(described, common)
        found += [{**common, **described, **frame} for frame in kept]
    assert found == expected


def test_what_frames_share_is_said_once():
    described, frames = lifted(
        {"rows": 5}, [{"coding": "med", "sum": 1}, {"coding": "med", "sum": 2}]
    )
    assert described == {"rows": 5, "coding": "med"}
    assert frames == [{"sum": 1}, {"sum": 2}]


def test_the_index_of_a_series_has_common_chunks_and_instances():
    instance = IndexedInstance(
        "1.2.3", "1.2", "DICOM/IM0", {"kind": "image", "rows": 5, "kvp": 120}, [{"at": [(0, 1)]}]
    )
    text = instance_json(instance, {"rows": 5}, {})
    content = series_script("S00001", "1.9", {"rows": 5}, [100, 50], [text, text])
    function, (folder, index) = called(content)
    assert (function, folder) == ("series", "S00001")
    assert index["common"] == {"rows": 5}
    assert index["chunks"] == [100, 50]
    assert index["instances"][0] == {
        "uid": "1.2.3",
        "class": "1.2",
        "kind": "image",
        "file": "DICOM/IM0",
        "frames": [{"at": [[0, 1]]}],
        "kvp": 120,
    }
    assert len(index["instances"]) == 2


def test_a_series_without_instances_is_still_a_script():
    assert called(series_script("S00001", "1.9", {}, [], []))[1][1]["instances"] == []


def test_chunks_are_filled_in_order_and_their_sizes_are_known(monkeypatch):
    monkeypatch.setattr(viewer_chunks, "CHUNK_CHARACTERS", 100)
    plan = ChunkPlan("S00001")
    places = [plan.add([Entry("p", 0, length)]) for length in (40, 40, 40, 250, 10)]
    assert places == [[(0, 0)], [(0, 1)], [(1, 0)], [(2, 0)], [(3, 0)]]
    before, between, after = chunk_frame("S00001", 0)
    assert plan.sizes()[0] == len(before) + 40 + len(between) + 40 + len(after)


def test_parts_of_one_frame_may_lie_in_several_chunks(monkeypatch):
    monkeypatch.setattr(viewer_chunks, "CHUNK_CHARACTERS", 100)
    plan = ChunkPlan("S00001")
    assert plan.add([Entry("p", 0, 60), Entry("p", 60, 60)]) == [(0, 0), (1, 0)]


def test_names_are_8_3_upper_case():
    names = [chunk_name(n) for n in (0, 9999, 123456)] + [series_folder(7)]
    assert names == ["C0000.JS", "C9999.JS", "C123456.JS", "S00007"]
    assert all(re.fullmatch(r"[A-Z0-9]{1,8}(\.[A-Z0-9]{1,3})?", name) for name in names)


def plane(z, **extra):
    return {
        "image_position_patient": [0, 0, z],
        "image_orientation_patient": [1, 0, 0, 0, 1, 0],
        **extra,
    }


def test_instances_are_in_order_of_number_place_time_and_uid():
    described = {
        "1.5": plane(5, number=1),
        "1.4": plane(2, number=1),
        "1.3": {"content_time": "0900"},
        "1.2": {"content_time": "0800"},
        "1.1": {"content_time": "0800"},
        "1.6": plane(1, number=7),
    }
    found = sorted(described, key=lambda uid: order_key(described[uid], uid))
    assert found == ["1.4", "1.5", "1.6", "1.1", "1.2", "1.3"]


def test_single_frames_are_one_stack_and_everything_else_stands_alone():
    kinds = [("image", 1), ("image", 20), ("image", 1), ("report", 0), ("none", 0), ("image", 1)]
    stacks = [(stack.kind, stack.members, stack.frames) for stack in stacks_of(kinds)]
    assert stacks == [
        ("image", [0, 2, 5], 3),
        ("image", [1], 20),
        ("report", [3], 0),
        ("none", [4], 0),
    ]


@pytest.mark.parametrize(
    ("sop_class", "syntax", "pixels", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", True, "image"),
        ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", False, "none"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.1.2", False, "key_objects"),
        ("1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.1.2", False, "report"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.1.2", False, "presentation_state"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.1.2", False, "waveform"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.1.2", False, "document"),
        ("1.2.840.10008.5.1.4.1.1.77.1.1.1", H264, True, "video"),
        ("1.2.840.10008.5.1.4.1.1.77.1.1.1", f"{H264}.1", True, "video"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.1.2", False, "none"),
        ("1.3.12.2.1107.5.9.1", "1.2.840.10008.1.2", True, "image"),
    ],
)
def test_each_class_has_its_kind(sop_class, syntax, pixels, kind):
    assert kind_of(sop_class, syntax, has_pixels=pixels) == kind


def test_mpeg_2_is_a_video_that_no_browser_plays():
    assert is_video("1.2.840.10008.1.2.4.100")
    assert is_mpeg_2("1.2.840.10008.1.2.4.101")
    assert not is_mpeg_2(H264)
    assert not is_video("1.2.840.10008.1.2.4.110")
    assert not is_video("1.2.840.10008.1.2.4.90")
