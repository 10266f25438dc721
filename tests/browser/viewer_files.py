"""Writes a VIEWER folder after docs/viewer-format.md, by hand: a second reading of that document.

Plain and slow on purpose; the program's own encoder is tested elsewhere.
"""

import base64
import json
import shutil
import zlib
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = PROJECT / "templates" / "viewer"
SAMPLES = {
    "uint8": "u8",
    "int8": "i8",
    "uint16": "u16",
    "int16": "i16",
    "uint32": "u32",
    "int32": "i32",
    "float32": "f32",
    "float64": "f64",
}

#: The lines that the page of contents needs for the viewer.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data: blob:; media-src 'self' file:; frame-src 'self' file:; "
    "worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>Medical images</title>
<style>body {{ font-family: serif; background: #fff; margin: 2em; }} h1 {{ color: green; }}</style>
<link rel="stylesheet" href="VIEWER/APP.CSS" />
<script src="VIEWER/APP.JS" defer="defer"></script>
</head><body>
<h1>What is on this disc</h1>
<p id="viewer-note">If the images do not appear by themselves, this browser cannot show them.</p>
<p data-viewer-link="" hidden="hidden"><a href="#images">View the images</a></p>
<table><tr><td>A static page</td></tr></table>
<div id="viewer" hidden="hidden"></div>
</body></html>
"""


def write_program(viewer: Path) -> None:
    """Assemble APP.JS and APP.CSS as assembly.txt says."""
    parts: dict[str, list[str]] = {}
    for line in (TEMPLATES / "assembly.txt").read_text("utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        target, pattern = line.split()
        for path in sorted(TEMPLATES.glob(pattern)):
            text = path.read_text("utf-8")
            if path.suffix == ".json":
                text = f"MKISO.locale({json.dumps(path.stem)},{json.dumps(json.loads(text))});\n"
            parts.setdefault(target, []).append(text)
    for target, texts in parts.items():
        (viewer / target).write_text("".join(texts), "utf-8")


def med(plane: np.ndarray) -> bytes:
    """Predict, zigzag, split into byte planes (4.1), value by value as the text has it."""
    signed = plane.astype(np.int64)
    bits = plane.dtype.itemsize * 8
    predicted = np.zeros_like(signed)
    predicted[0, 1:] = signed[0, :-1]
    predicted[1:, 0] = signed[:-1, 0]
    a, b, c = signed[1:, :-1], signed[:-1, 1:], signed[:-1, :-1]
    low, high = np.minimum(a, b), np.maximum(a, b)
    predicted[1:, 1:] = a + b - np.minimum(np.maximum(c, low), high)
    rest = (signed - predicted) & ((1 << bits) - 1)
    rest = np.where(rest >= 1 << (bits - 1), rest - (1 << bits), rest)
    coded = ((rest << 1) ^ (rest >> (bits - 1))) & ((1 << bits) - 1)
    return b"".join(
        ((coded >> (8 * byte)) & 255).astype(np.uint8).tobytes() for byte in range(bits // 8)
    )


def as_type(values: np.ndarray, dtype: str) -> np.ndarray:
    return values.astype(np.int64).astype(dtype)


def plane_of(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint32) if values.dtype == np.float32 else values


def coded_frame(pixels: np.ndarray, band_rows: int | None = None) -> tuple[list[str], dict]:
    """Give the base64 parts of a frame (rows, columns[, 3]) and its pixel attributes."""
    rows, columns = pixels.shape[:2]
    attributes = {
        "rows": rows,
        "columns": columns,
        "samples_per_pixel": 3 if pixels.ndim == 3 else 1,
        "sample": SAMPLES[pixels.dtype.name],
        "coding": "planes" if pixels.dtype == np.float64 else "med",
        "sum": zlib.adler32(np.ascontiguousarray(pixels).tobytes()),
    }
    if band_rows:
        attributes["band_rows"] = band_rows
    parts = []
    for first in range(0, rows, band_rows or rows):
        band = pixels[first : first + (band_rows or rows)]
        if pixels.ndim == 3:
            green = band[..., 1]
            kind = f"i{green.dtype.itemsize}"
            data = med(green) + b"".join(
                med(as_type(band[..., s].astype(np.int64) - green, kind)) for s in (0, 2)
            )
        elif pixels.dtype == np.float64:
            data = b"".join(band.tobytes()[byte::8] for byte in range(8))
        else:
            data = med(plane_of(band))
        parts.append(base64.b64encode(zlib.compress(data, 3)).decode())
    return parts, attributes


def coded_bits(pixels: np.ndarray) -> tuple[list[str], dict]:
    packed = np.packbits(pixels.reshape(-1).astype(np.uint8), bitorder="little").tobytes()
    rows, columns = pixels.shape
    return [base64.b64encode(zlib.compress(packed)).decode()], {
        "rows": rows,
        "columns": columns,
        "samples_per_pixel": 1,
        "sample": "u8",
        "coding": "bits",
        "sum": zlib.adler32(packed),
    }


def coded_stream(
    stream: bytes, rows: int, columns: int, coding: str = "jpeg"
) -> tuple[list[str], dict]:
    return [base64.b64encode(stream).decode()], {
        "rows": rows,
        "columns": columns,
        "samples_per_pixel": 3,
        "sample": "u8",
        "coding": coding,
        "sum": zlib.adler32(stream),
        "photometric_interpretation": "YBR_FULL_422",
    }


def blob(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def lookup_table(values, first: int = 0, bits: int = 16, explanation: str = "") -> dict:
    values = np.asarray(values, "<u2")
    return {
        "first": first,
        "entries": len(values),
        "bits": bits,
        "explanation": explanation,
        "data": blob(values.tobytes()),
    }


def thumbnail(pixels: np.ndarray) -> str:
    """Give a PNG of 8 bits grey, every n-th pixel."""
    step = max(1, -(-max(pixels.shape[:2]) // 96))
    small = pixels[::step, ::step].astype(np.float64)
    if small.ndim == 3:
        small = small.mean(2)
    low, high = np.percentile(small, [2, 98])
    grey = (np.clip((small - low) / max(1, high - low), 0, 1) * 255).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in grey)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        )

    header = (
        grey.shape[1].to_bytes(4, "big") + grey.shape[0].to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    )
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def script(call: str, *arguments) -> str:
    text = ",".join(json.dumps(argument, separators=(",", ":")) for argument in arguments)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'if(typeof document!=="undefined"&&window.MKISO)MKISO.{call}({text});\n'


class Disc:
    """Collects series and writes the folder: INDEX.HTM and VIEWER/."""

    def __init__(self, **patient) -> None:
        self.patient = {
            "name": {"alphabetic": "Phantom, Paula"},
            "patient_id": "PAT-0001",
            "birth_date": "1961-04-12",
            "sex": "F",
            **patient,
        }
        self.study = {
            "study_instance_uid": "1.2.3",
            "date": "2026-01-15",
            "time": "09:30",
            "description": "Chest and abdomen",
            "accession_number": "A1",
            "study_id": "1",
            "modalities": ["CT"],
            "series": [],
        }
        self.manifest = {
            "format": 1,
            "program": "mkiso test",
            "volume_id": "MKISO_TEST",
            "made_on": "2026-01-16",
            "number": 1,
            "of": 1,
            "complete": True,
            "patients": [self.patient],
            "studies": [self.study],
            "series": {},
            "key_objects": [],
            "presentation_states": [],
        }
        self.scripts: dict[str, str] = {}
        self.files: dict[str, bytes] = {}

    def add_series(
        self,
        instances: list[dict],
        *,
        stacks: list[dict] | None = None,
        common: dict | None = None,
        chunk_characters: int = 1_500_000,
        **about,
    ) -> str:
        """Add a series; frames come as `{"parts": [...], ...}` and get their place."""
        name = f"S{len(self.manifest['series']) + 1:05d}"
        chunks: list[list[str]] = []
        size = chunk_characters
        for number, instance in enumerate(instances):
            instance.setdefault("uid", f"1.2.3.{name[1:]}.{number + 1}")
            instance.setdefault("kind", "image")
            instance.setdefault("file", f"DICOM/PT000000/ST000000/SE{name[1:]}/IM{number:06d}")
            for frame in instance.get("frames", []):
                if "parts" not in frame:
                    continue
                frame["at"] = []
                for part in frame.pop("parts"):
                    if size + len(part) > chunk_characters:
                        chunks.append([])
                        size = 0
                    frame["at"].append([len(chunks) - 1, len(chunks[-1])])
                    chunks[-1].append(part)
                    size += len(part)
        for number, entries in enumerate(chunks):
            self.scripts[f"VIEWER/{name}/C{number:04d}.JS"] = script("chunk", name, number, entries)
        frames = sum(len(instance.get("frames", [])) for instance in instances)
        index = {
            "series_instance_uid": f"1.2.3.{name[1:]}",
            "common": common or {},
            "chunks": [0] * len(chunks),
            "instances": instances,
        }
        self.scripts[f"VIEWER/{name}/INDEX.JS"] = script("series", name, index)
        first = {**(common or {}), **(instances[0].get("frames") or [{}])[0]}
        stack = {
            "kind": instances[0]["kind"],
            "first": 0,
            "instances": len(instances),
            "frames": frames,
            "rows": first.get("rows"),
            "columns": first.get("columns"),
        }
        self.manifest["series"][name] = {
            "series_instance_uid": f"1.2.3.{name[1:]}",
            "number": str(len(self.manifest["series"]) + 1),
            "modality": "CT",
            "description": "",
            "instances": len(instances),
            "frames": frames,
            "bytes": 0,
            "index": f"VIEWER/{name}/INDEX.JS",
            "stacks": stacks or [stack],
            **about,
        }
        self.study["series"].append(name)
        return name

    def write(self, folder: Path) -> Path:
        """Write everything and give the page's path."""
        viewer = folder / "VIEWER"
        viewer.mkdir(parents=True)
        write_program(viewer)
        (folder / "INDEX.HTM").write_text(PAGE, "utf-8")
        (viewer / "MANIFEST.JS").write_text(script("manifest", self.manifest), "ascii")
        for path, text in self.scripts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "ascii")
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder / "INDEX.HTM"


def protect(folder: Path) -> None:
    """Take away the right to write, as on a disc."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)


def unprotect(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
