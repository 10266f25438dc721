"""A made-up disc for looking at the viewer: a CT phantom and one series of each other kind."""

import sys
import warnings
from pathlib import Path

import numpy as np
from browser import viewer_files as files
from mkiso.pixels.phantom import SLICE_SPACING_MM, phantom_slices
from mkiso.pixels.phantom_painting import PIXEL_SPACING_MM

CT = {
    "photometric_interpretation": "MONOCHROME2", "bits_allocated": 16, "bits_stored": 16,
    "high_bit": 15, "pixel_representation": 1, "rescale_slope": 1, "rescale_intercept": 0,
    "rescale_type": "HU", "pixel_spacing": [PIXEL_SPACING_MM] * 2,
    "image_orientation_patient": [1, 0, 0, 0, 1, 0], "frame_of_reference_uid": "1.2.3.9",
    "slice_thickness": SLICE_SPACING_MM, "kvp": 120, "xray_tube_current": 210, "exposure_time": 500,
    "convolution_kernel": "STANDARD", "manufacturer": "mkiso", "manufacturer_model_name": "Phantom",
    "institution_name": "Demonstration Hospital", "acquisition_date": "2026-01-15",
    "acquisition_time": "09:35",
    "windows": [
        {"center": 40, "width": 400, "explanation": "SOFT TISSUE"},
        {"center": -550, "width": 1500, "explanation": "LUNG"},
    ],
}  # fmt: skip


def ct_volume(count: int = 24) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
    """Every third slice of the phantom, from the chest downwards."""
    volume, positions = [], []
    for number, painted in enumerate(phantom_slices(3 * count)):
        if number % 3 == 0:
            volume.append(np.frombuffer(painted.pixels, "<i2").reshape(512, 512))
            positions.append(painted.position_mm)
    return np.stack(volume), positions


def ct_instances(volume: np.ndarray, positions, **more) -> list[dict]:
    instances = []
    for number, (pixels, position) in enumerate(zip(volume, positions, strict=True)):
        parts, attributes = files.coded_frame(pixels)
        instances.append(
            {
                "number": number + 1, "image_position_patient": list(position),
                "slice_location": position[2], "frames": [{"parts": parts, **attributes}], **more,
            }
        )  # fmt: skip
    return instances


def coronal_of(volume: np.ndarray, positions) -> tuple[list[dict], dict]:
    """Some coronal planes of the same volume: another series in the same frame of reference."""
    step = positions[0][2] - positions[1][2]
    instances = []
    for number, row in enumerate(range(120, 400, 28)):
        parts, attributes = files.coded_frame(np.ascontiguousarray(volume[:, row, :]))
        origin = [positions[0][0], positions[0][1] + row * PIXEL_SPACING_MM, positions[0][2]]
        instances.append(
            {"number": number + 1, "image_position_patient": origin, "frames": [{"parts": parts, **attributes}]}
        )  # fmt: skip
    common = {
        **CT, "image_orientation_patient": [1, 0, 0, 0, 0, -1],
        "pixel_spacing": [step, PIXEL_SPACING_MM], "slice_thickness": 20,
    }  # fmt: skip
    return instances, common


def ultrasound() -> tuple[list[dict], dict]:
    """A colour loop of 20 frames with a calibrated region."""
    y, x = np.mgrid[0:240, 0:320]
    frames = []
    for number in range(20):
        radius = 60 + 10 * np.sin(number / 20 * 2 * np.pi)
        away = np.hypot(x - 160, y - 130)
        grey = np.clip(200 - np.abs(away - radius) * 8, 20, 255)
        image = np.stack([grey, grey, grey], -1).astype(np.uint8)
        image[..., 0][away < radius - 20] = 140
        parts, attributes = files.coded_frame(image)
        frames.append({"parts": parts, **attributes})
    region = {
        "spatial_format": 1, "data_type": 1, "bounds": [0, 0, 319, 239], "units_x": 3, "units_y": 3,
        "delta_x": 0.05, "delta_y": 0.05,
    }  # fmt: skip
    common = {
        "photometric_interpretation": "RGB", "bits_stored": 8, "ultrasound_regions": [region],
        "frame_time": 40, "transducer_data": "C5-1", "mechanical_index": 1.1,
    }  # fmt: skip
    return [{"number": 1, "frames": frames}], common


def radiograph() -> tuple[list[dict], dict]:
    """A large MONOCHROME1 image, flat pixels twice as wide as high."""
    y, x = np.mgrid[0:1400, 0:600]
    image = 3000 - 1500 * np.exp(-(((x - 300) / 200) ** 2 + ((y - 700) / 500) ** 2))
    image += 300 * ((y // 80) % 2) * (np.abs(x - 300) < 60)
    parts, attributes = files.coded_frame(image.astype(np.uint16), band_rows=400)
    common = {
        "photometric_interpretation": "MONOCHROME1", "bits_stored": 12, "patient_orientation": ["L", "F"],
        "imager_pixel_spacing": [0.2, 0.4], "view_position": "PA", "laterality": "R",
        "statistics": [1500, 3000, 1520, 3000], "lossy_image_compression": "01",
        "lossy_image_compression_ratio": [12],
    }  # fmt: skip
    return [{"number": 1, "frames": [{"parts": parts, **attributes}]}], common


def ecg() -> list[dict]:
    """Three leads of four seconds."""
    t = np.arange(2000) / 500
    beat = np.exp(-(((t % 0.9) - 0.3) ** 2) / 2e-4) - 0.2 * np.exp(-(((t % 0.9) - 0.34) ** 2) / 3e-4)
    wave = beat + 0.15 * np.exp(-(((t % 0.9) - 0.15) ** 2) / 1e-3) + 0.25 * np.exp(-(((t % 0.9) - 0.55) ** 2) / 3e-3)
    stored = np.stack([wave * 800, wave * 500, -wave * 300]).astype(np.int16)
    parts, attributes = files.coded_frame(stored)
    channels = [
        {"label": f"Lead {name}", "unit": "uV", "sensitivity": 1.25, "correction": 1, "baseline": 0}
        for name in ("I", "II", "aVR")
    ]
    waveform = {
        "groups": [{"label": "RHYTHM", "sampling_frequency": 500, "samples": 2000, "frame": 0, "channels": channels}],
        "annotations": [{"text": "Heart rate 67", "unit": "/min"}], "acquired": "2026-01-15 09:10",
    }  # fmt: skip
    return [{"kind": "waveform", "waveform": waveform, "frames": [{"parts": parts, **attributes}]}]


def report() -> list[dict]:
    content = [
        {"relation": "CONTAINS", "type": "CONTAINER", "name": "Findings", "children": [
            {"relation": "CONTAINS", "type": "TEXT", "name": "Finding", "value": "Lungs clear.\nNo effusion. <b>not bold</b>",
             "references": [{"uid": "1.2.3.00001.4", "at": ["S00001", 3]}]},
            {"relation": "CONTAINS", "type": "NUM", "name": "Aortic diameter", "value": "24.5", "unit": "mm"},
        ]},
        {"relation": "CONTAINS", "type": "CODE", "name": "Conclusion", "value": "Normal"},
    ]  # fmt: skip
    made = {
        "title": "Chest CT report", "completion": "COMPLETE", "verification": "VERIFIED",
        "created": "2026-01-15 11:20", "observers": [{"name": "Reader, Rita", "organization": "Demonstration Hospital"}],
        "content": content,
    }  # fmt: skip
    return [{"kind": "report", "report": made}]


def presentation_state() -> list[dict]:
    state = {
        "label": "LUNG NODULE", "description": "Marked by the reader", "created": "2026-01-15 11:00",
        "references": [{"uid": "1.2.3.00001.6", "at": ["S00001", 5]}],
        "modality": {"rescale_slope": 1, "rescale_intercept": 0, "rescale_type": "HU"},
        "voi": [{"windows": [{"center": -500, "width": 1400}]}],
        "displayed_areas": [{"top_left": [81, 101], "bottom_right": [432, 412], "size_mode": "SCALE TO FIT"}],
        "shutters": {"shapes": ["RECTANGULAR"], "left": 101, "right": 412, "upper": 121, "lower": 392, "value": 0},
        "layers": [{"name": "MARKS", "order": 1, "rgb": [255, 210, 80]}],
        "annotations": [{
            "layer": "MARKS",
            "graphics": [{"type": "CIRCLE", "units": "PIXEL", "points": [190, 230, 210, 230], "filled": False}],
            "texts": [{"text": "nodule?", "anchor": [212, 230], "anchor_units": "PIXEL", "anchor_visible": True}],
        }],
    }  # fmt: skip
    return [{"kind": "presentation_state", "presentation_state": state}]


def pdf() -> bytes:
    text = b"BT /F1 24 Tf 60 700 Td (A document) Tj ET"
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]  # fmt: skip
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table


def make(folder: Path, count: int = 24) -> Path:
    """Write the disc and give the page."""
    disc = files.Disc(name={"alphabetic": "Phantom, Paula", "ideographic": "幻影^保罗"})
    volume, positions = ct_volume(count)
    middle = files.thumbnail(volume[len(volume) // 2])
    name = disc.add_series(
        ct_instances(volume, positions), common=CT, description="Axial, 15 mm", modality="CT",
        presentation_states=[["S00006", 0]],
    )  # fmt: skip
    disc.manifest["series"][name]["stacks"][0]["thumbnail"] = middle
    instances, common = coronal_of(volume, positions)
    name = disc.add_series(instances, common=common, description="Coronal", modality="CT")
    disc.manifest["series"][name]["stacks"][0]["thumbnail"] = files.thumbnail(volume[:, 256, :])
    instances, common = ultrasound()
    disc.add_series(instances, common=common, description="Heart, four chambers", modality="US")
    instances, common = radiograph()
    disc.add_series(instances, common=common, description="Chest PA", modality="DX")
    disc.add_series(report(), description="Report", modality="SR")
    disc.add_series(presentation_state(), description="Marks", modality="PR")
    disc.add_series(
        [{"kind": "key_objects", "report": {"title": "For Referring Provider", "content": []}}],
        description="Key images", modality="KO",
    )  # fmt: skip
    disc.add_series(ecg(), description="Rhythm", modality="ECG")
    disc.add_series(
        [{"kind": "document", "document": {"title": "Letter", "mime_type": "application/pdf", "file": "VIEWER/DOCS/D0001.PDF", "bytes": 900}}],
        description="Letter", modality="DOC",
    )  # fmt: skip
    disc.files["VIEWER/DOCS/D0001.PDF"] = pdf()
    reason = {"code": "class", "text": "RT Plan Storage"}
    disc.add_series([{"kind": "none", "reason": reason}], description="Plan", modality="RTPLAN")
    disc.manifest["key_objects"].append(
        {
            "at": ["S00007", 0], "title": "For Referring Provider", "texts": [],
            "references": [
                {"uid": "1.2.3.00001.4", "at": ["S00001", 3]}, {"uid": "1.2.3.00001.9", "at": ["S00001", 8]},
            ],
        }
    )  # fmt: skip
    disc.manifest["presentation_states"].append(
        {"at": ["S00006", 0], "label": "LUNG NODULE", "description": "", "series": ["S00001"]}
    )
    return disc.write(folder)


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(make(Path(sys.argv[1])))  # noqa: T201 - run by hand to look at the page
