"""A made-up disc for looking at the viewer: a CT phantom and one series of each other kind."""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
from browser import viewer_files as files

from mkiso.pixels.phantom import SLICE_SPACING_MM, phantom_slices
from mkiso.pixels.phantom_painting import PIXEL_SPACING_MM

CT = {
    "photometric_interpretation": "MONOCHROME2",
    "bits_allocated": 16,
    "bits_stored": 16,
    "high_bit": 15,
    "pixel_representation": 1,
    "rescale_slope": 1,
    "rescale_intercept": 0,
    "rescale_type": "HU",
    "pixel_spacing": [PIXEL_SPACING_MM] * 2,
    "image_orientation_patient": [1, 0, 0, 0, 1, 0],
    "frame_of_reference_uid": "1.2.3.9",
    "slice_thickness": SLICE_SPACING_MM,
    "kvp": 120,
    "xray_tube_current": 210,
    "exposure_time": 500,
    "convolution_kernel": "STANDARD",
    "manufacturer": "mkiso",
    "manufacturer_model_name": "Phantom",
    "institution_name": "Demonstration Hospital",
    "acquisition_date": "2026-01-15",
    "acquisition_time": "09:35",
    "windows": [
        {"center": 40, "width": 400, "explanation": "SOFT TISSUE"},
        {"center": -550, "width": 1500, "explanation": "LUNG"},
    ],
}


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
                "number": number + 1,
                "image_position_patient": list(position),
                "slice_location": position[2],
                "frames": [{"parts": parts, **attributes}],
                **more,
            }
        )
    return instances


def coronal_of(volume: np.ndarray, positions) -> tuple[list[dict], dict]:
    """Some coronal planes of the same volume: another series in the same frame of reference."""
    step = positions[0][2] - positions[1][2]
    instances = []
    for number, row in enumerate(range(120, 400, 28)):
        parts, attributes = files.coded_frame(np.ascontiguousarray(volume[:, row, :]))
        origin = [positions[0][0], positions[0][1] + row * PIXEL_SPACING_MM, positions[0][2]]
        instances.append(
            {
                "number": number + 1,
                "image_position_patient": origin,
                "frames": [{"parts": parts, **attributes}],
            }
        )
    common = {
        **CT,
        "image_orientation_patient": [1, 0, 0, 0, 0, -1],
        "pixel_spacing": [step, PIXEL_SPACING_MM],
        "slice_thickness": 20,
    }
    return instances, common


def ultrasound() -> tuple[list[dict], dict, np.ndarray]:
    """A colour loop of 20 frames with a calibrated region, and one of its images."""
    y, x = np.mgrid[0:360, 0:480]
    depth, angle = np.hypot(x - 240, y - 8), np.arctan2(x - 240, y - 8)
    inside = (np.abs(angle) < 0.68) & (depth > 18) & (depth < 345)
    speckle = np.random.default_rng(4).rayleigh(1, (360, 480))
    speckle = (speckle + np.roll(speckle, 1, 1) + np.roll(speckle, 1, 0)) / 3
    frames = []
    for number in range(20):
        beat = np.sin(number / 20 * 2 * np.pi)
        tissue = np.full((360, 480), 62.0)
        for across, down, wide, high in (
            (205, 150, 34, 74),
            (272, 160, 30, 64),
            (215, 275, 38, 34),
            (278, 270, 32, 32),
        ):
            away = np.hypot((x - across) / (wide + 3 * beat), (y - down) / (high + 4 * beat))
            tissue = np.where(away < 1, 9, np.where(away < 1.22, 130, tissue))
        grey = np.clip(tissue * speckle * (1.15 - depth / 700), 0, 255) * inside
        image = np.stack([grey, grey, grey], -1).astype(np.uint8)
        jet = inside & (np.hypot((x - 208) / 11, (y - 232) / (26 + 10 * beat)) < 1)
        image[jet] = np.stack(
            [np.clip(120 + 60 * speckle, 0, 255), 40 * speckle, 20 * speckle], -1
        )[jet]
        parts, attributes = files.coded_frame(image)
        frames.append({"parts": parts, **attributes})
    region = {
        "spatial_format": 1,
        "data_type": 1,
        "bounds": [0, 0, 479, 359],
        "units_x": 3,
        "units_y": 3,
        "delta_x": 0.05,
        "delta_y": 0.05,
    }
    common = {
        "photometric_interpretation": "RGB",
        "bits_stored": 8,
        "ultrasound_regions": [region],
        "frame_time": 40,
        "transducer_data": "C5-1",
        "mechanical_index": 1.1,
    }
    return [{"number": 1, "frames": frames}], common, image


def radiograph() -> tuple[list[dict], dict, np.ndarray]:
    """A large MONOCHROME1 image, flat pixels twice as wide as high; and its thumbnail's pixels."""
    y, x = np.mgrid[0:1400, 0:600]
    chest = np.hypot((x - 300) / 285, (y - 760) / 800) < 1
    image = np.where(chest, 1650.0, 3000.0) + 8 * np.sin(x / 7) * np.cos(y / 9)
    for side in (-1, 1):
        lung = np.clip(1.25 - np.hypot((x - 300 - side * 140) / 95, (y - 620) / 420), 0, 0.3) / 0.3
        rib = np.sin((y + 0.8 * np.abs(x - 300)) / 27) ** 8
        image += chest * lung * (900 - 260 * rib)
    image -= 330 * np.exp(-(((x - 345) / 75) ** 2 + ((y - 840) / 200) ** 2)) * chest
    image -= 260 * np.exp(-(((x - 300) / 24) ** 2)) * chest
    parts, attributes = files.coded_frame(image.astype(np.uint16), band_rows=400)
    common = {
        "photometric_interpretation": "MONOCHROME1",
        "bits_stored": 12,
        "patient_orientation": ["L", "F"],
        "imager_pixel_spacing": [0.2, 0.4],
        "view_position": "PA",
        "laterality": "R",
        "statistics": [1050, 3010, 1150, 2850],
        "lossy_image_compression": "01",
        "lossy_image_compression_ratio": [12],
    }
    series = [{"number": 1, "frames": [{"parts": parts, **attributes}]}]
    return series, common, -image.repeat(2, axis=1)


def ecg() -> list[dict]:
    """Three leads of four seconds."""
    t = np.arange(2000) / 500
    beat = np.exp(-(((t % 0.9) - 0.3) ** 2) / 2e-4) - 0.2 * np.exp(
        -(((t % 0.9) - 0.34) ** 2) / 3e-4
    )
    wave = (
        beat
        + 0.15 * np.exp(-(((t % 0.9) - 0.15) ** 2) / 1e-3)
        + 0.25 * np.exp(-(((t % 0.9) - 0.55) ** 2) / 3e-3)
    )
    stored = np.stack([wave * 800, wave * 500, -wave * 300]).astype(np.int16)
    parts, attributes = files.coded_frame(stored)
    channels = [
        {"label": f"Lead {name}", "unit": "uV", "sensitivity": 1.25, "correction": 1, "baseline": 0}
        for name in ("I", "II", "aVR")
    ]
    waveform = {
        "groups": [
            {
                "label": "RHYTHM",
                "sampling_frequency": 500,
                "samples": 2000,
                "frame": 0,
                "channels": channels,
            }
        ],
        "annotations": [{"text": "Heart rate: 67 /min"}],
        "acquired": "2026-01-15 09:10",
    }
    return [{"kind": "waveform", "waveform": waveform, "frames": [{"parts": parts, **attributes}]}]


def reduced(pixels: np.ndarray) -> list[dict]:
    """An image as a JPEG picture of half its size, as on a disc that is too small."""
    from PIL import Image  # noqa: PLC0415 - only for pictures of the page

    grey = np.clip((pixels[::2, ::2] + 160) / 400 * 255, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).convert("RGB").save(stream, "JPEG", quality=85)
    parts, attributes = files.coded_stream(stream.getvalue(), *pixels.shape, "preview")
    attributes["reason"] = {"code": "space"}
    return [{"number": 1, "frames": [{"parts": parts, **attributes}]}]


def report() -> list[dict]:
    content = [
        {
            "relation": "CONTAINS",
            "type": "CONTAINER",
            "name": "Findings",
            "children": [
                {
                    "relation": "CONTAINS",
                    "type": "TEXT",
                    "name": "Finding",
                    "value": "Lungs clear.\nNo effusion. <b>not bold</b>",
                    "references": [{"uid": "1.2.3.00001.4", "at": ["S00001", 3]}],
                },
                {
                    "relation": "CONTAINS",
                    "type": "NUM",
                    "name": "Aortic diameter",
                    "value": "24.5",
                    "unit": "mm",
                },
            ],
        },
        {"relation": "CONTAINS", "type": "CODE", "name": "Conclusion", "value": "Normal"},
    ]
    made = {
        "title": "Chest CT report",
        "completion": "COMPLETE",
        "verification": "VERIFIED",
        "created": "2026-01-15 11:20",
        "observers": [{"name": "Reader, Rita", "organization": "Demonstration Hospital"}],
        "content": content,
    }
    return [{"kind": "report", "report": made}]


def presentation_state() -> list[dict]:
    state = {
        "label": "LUNG NODULE",
        "description": "Marked by the reader",
        "created": "2026-01-15 11:00",
        "references": [{"uid": "1.2.3.00001.6", "at": ["S00001", 5]}],
        "modality": {"rescale_slope": 1, "rescale_intercept": 0, "rescale_type": "HU"},
        "voi": [{"windows": [{"center": -500, "width": 1400}]}],
        "displayed_areas": [
            {"top_left": [81, 101], "bottom_right": [432, 412], "size_mode": "SCALE TO FIT"}
        ],
        "shutters": {
            "shapes": ["RECTANGULAR"],
            "left": 101,
            "right": 412,
            "upper": 121,
            "lower": 392,
            "value": 0,
        },
        "layers": [{"name": "MARKS", "order": 1, "rgb": [255, 210, 80]}],
        "annotations": [
            {
                "layer": "MARKS",
                "graphics": [
                    {
                        "type": "CIRCLE",
                        "units": "PIXEL",
                        "points": [190, 230, 210, 230],
                        "filled": False,
                    }
                ],
                "texts": [
                    {
                        "text": "nodule?",
                        "anchor": [212, 230],
                        "anchor_units": "PIXEL",
                        "anchor_visible": True,
                    }
                ],
            }
        ],
    }
    return [{"kind": "presentation_state", "presentation_state": state}]


def pdf() -> bytes:
    text = b"BT /F1 24 Tf 60 700 Td (A document) Tj ET"
    font = b"/Resources << /Font << /F1 5 0 R >> >>"
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s >>" % font,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(
        b"%010d 00000 n \n" % place for place in places
    )
    return out + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table


NAME = {"alphabetic": "Phantom, Paula", "ideographic": "幻影 保罗"}


def make(folder: Path, count: int = 24, name=NAME, *, preview: bool = False) -> Path:
    """Write the disc and give the page; with a series that did not fit if `preview`."""
    disc = files.Disc(name=name)
    volume, positions = ct_volume(count)
    middle = files.thumbnail(volume[len(volume) // 2])
    name = disc.add_series(
        ct_instances(volume, positions),
        common=CT,
        description="Axial, 15 mm",
        modality="CT",
        presentation_states=[["S00006", 0]],
    )
    disc.manifest["series"][name]["stacks"][0]["thumbnail"] = middle
    instances, common = coronal_of(volume, positions)
    name = disc.add_series(instances, common=common, description="Coronal", modality="CT")
    stretched = np.repeat(volume[:, 256, :], round(15 / PIXEL_SPACING_MM), axis=0)
    disc.manifest["series"][name]["stacks"][0]["thumbnail"] = files.thumbnail(stretched)
    instances, common, middle = ultrasound()
    name = disc.add_series(
        instances, common=common, description="Heart, four chambers", modality="US"
    )
    disc.manifest["series"][name]["stacks"][0]["thumbnail"] = files.thumbnail(middle)
    instances, common, middle = radiograph()
    name = disc.add_series(instances, common=common, description="Chest PA", modality="DX")
    disc.manifest["series"][name]["stacks"][0]["thumbnail"] = files.thumbnail(middle)
    disc.add_series(report(), description="Report", modality="SR")
    disc.add_series(presentation_state(), description="Marks", modality="PR")
    disc.add_series(
        [{"kind": "key_objects", "report": {"title": "For Referring Provider", "content": []}}],
        description="Key images",
        modality="KO",
    )
    disc.add_series(ecg(), description="Rhythm", modality="ECG")
    disc.add_series(
        [
            {
                "kind": "document",
                "document": {
                    "title": "Letter",
                    "mime_type": "application/pdf",
                    "file": "VIEWER/DOCS/D0001.PDF",
                    "bytes": 900,
                },
            }
        ],
        description="Letter",
        modality="DOC",
    )
    disc.files["VIEWER/DOCS/D0001.PDF"] = pdf()
    reason = {"code": "class", "text": "RT Plan Storage"}
    disc.add_series([{"kind": "none", "reason": reason}], description="Plan", modality="RTPLAN")
    disc.manifest["key_objects"].append(
        {
            "at": ["S00007", 0],
            "title": "For Referring Provider",
            "texts": ["See the left lung"],
            "references": [
                {"uid": "1.2.3.00001.4", "at": ["S00001", 3]},
                {"uid": "1.2.3.00001.9", "at": ["S00001", 8]},
            ],
        }
    )
    disc.manifest["presentation_states"].append(
        {"at": ["S00006", 0], "label": "LUNG NODULE", "description": "", "series": ["S00001"]}
    )
    if preview:
        disc.add_series(
            reduced(volume[len(volume) // 3]),
            common=CT,
            description="Thin slices",
            modality="CT",
            preview=True,
        )
        stack = disc.manifest["series"]["S00011"]["stacks"][0]
        stack["thumbnail"] = files.thumbnail(volume[len(volume) // 3])
    return disc.write(folder)


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(make(Path(sys.argv[1])))  # noqa: T201 - run by hand to look at the page
