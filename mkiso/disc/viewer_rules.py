"""The judge's rules for VIEWER (docs/viewer-format.md): every image is there, and is that image."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mkiso.core.byte_source import HeaderError
from mkiso.core.findings import Findings
from mkiso.core.payload_decoding import Frame, PayloadError, check_sum, decode, inflate
from mkiso.core.stored_bytes import stored_bytes
from mkiso.disc.disc_reading import DiscReading
from mkiso.disc.examination import ExaminedInstance
from mkiso.disc.file_meta import MAX_META_BYTES, parse_file_meta

_FOLDER: Final = "VIEWER"
_FORMAT: Final = 1
_GUARD: Final = b'if(typeof document!=="undefined"&&window.MKISO)MKISO.'
_SCRIPT: Final = re.compile(re.escape(_GUARD) + rb"(\w+)\((.*)\);\n\Z", re.DOTALL)
#: A larger index takes too much memory to be looked through; its check sum is judged all the same.
_MAX_SCRIPT_BYTES: Final = 64 << 20
#: Values that are decoded one by one on one disc: a slice of 512 x 512 and some small frames.
_MOST_VALUES: Final = 3 << 17
#: What a script of a stranger may turn out to be.
_MALFORMED: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError)


def check_viewer(
    reading: DiscReading, instances: Mapping[str, ExaminedInstance], findings: Findings
) -> None:
    """Check the viewer of mkiso, when the disc has one: files, references, one frame a series."""
    manifest_path = f"{_FOLDER}/MANIFEST.JS"
    if manifest_path not in reading.files:
        return
    if reading.read_at(manifest_path, 0, len(_GUARD)) != _GUARD:
        findings.note("viewer.foreign", f"{manifest_path} is none of mkiso and not checked.")
        return
    _Viewer(reading, instances, findings).check(manifest_path)


class _Viewer:
    """One disc's viewer, series by series."""

    def __init__(
        self, reading: DiscReading, instances: Mapping[str, ExaminedInstance], findings: Findings
    ) -> None:
        self._reading = reading
        self._instances = instances
        self._findings = findings
        self._seen: set[str] = set()  # paths of instances
        self._used: set[str] = set()  # paths of files of the viewer
        self._values_left = _MOST_VALUES

    def check(self, manifest_path: str) -> None:
        try:
            (manifest,) = self._call(manifest_path, "manifest")
            if manifest["format"] != _FORMAT:
                self._findings.note("viewer.format", "The viewer is of another version of mkiso.")
                return
            series = dict(manifest["series"])
        except _MALFORMED:
            self._findings.error("viewer.unreadable", f"{manifest_path} cannot be read.")
            return
        for folder, described in series.items():
            try:
                self._check_series(folder, described)
            except _MALFORMED:  # noqa: PERF203 - some dozens of series
                self._findings.error("viewer.unreadable", f"{_FOLDER}/{folder} cannot be read.")
        for path in sorted(self._instances.keys() - self._seen):
            self._findings.error("viewer.instance-missing", f"The viewer does not know {path}.")
        self._check_orphans()

    def _check_series(self, folder: str, described: Mapping[str, Any]) -> None:
        path = described["index"]
        name, index = self._call(path, "series")
        if name != folder:
            raise ValueError("another series")
        chunks = [f"{_FOLDER}/{folder}/C{number:04d}.JS" for number in range(len(index["chunks"]))]
        self._used |= {path, *chunks}
        for chunk, size in zip(chunks, index["chunks"], strict=True):
            self._check_file(chunk, size)
        images = []
        for instance in index["instances"]:
            self._check_instance(instance)
            frames = instance.get("frames", ())
            for frame in frames:
                self._check_places(frame.get("at", ()), len(chunks), instance["file"])
            if instance["kind"] == "image" and frames:
                images.append(instance)
        if images:
            self._check_frame(folder, index["common"], images[len(images) // 2])

    def _check_instance(self, instance: Mapping[str, Any]) -> None:
        path = instance["file"]
        found = self._instances.get(path)
        if found is None or found.sop_instance_uid != instance["uid"]:
            self._findings.error(
                "viewer.instance-wrong", f"The viewer shows another instance for {path}."
            )
        if path in self._seen:
            self._findings.error("viewer.instance-twice", f"The viewer shows {path} twice.")
        self._seen.add(path)
        for kind in ("document", "video"):
            content = instance.get(kind, {})
            if "file" in content:
                self._used.add(content["file"])
                self._check_file(content["file"], content["bytes"])

    def _check_file(self, path: str, size_bytes: int) -> None:
        found = self._reading.files.get(path)
        if found is None:
            self._findings.error("viewer.file-missing", f"{path} is not on the disc.")
        elif found.size_bytes != size_bytes:
            self._findings.error("viewer.file-size", f"{path} has not the size that is told.")

    def _check_places(self, places: Any, chunks: int, path: str) -> None:
        if not all(0 <= chunk < chunks and entry >= 0 for chunk, entry in places):
            self._findings.error(
                "viewer.place", f"A frame of {path} lies in no part of the viewer."
            )

    def _check_orphans(self) -> None:
        """Find what no index names: it would be somebody else's images."""
        for path in self._reading.files:
            if path.count("/") > 1 and path.startswith(f"{_FOLDER}/") and path not in self._used:
                self._findings.error("viewer.orphan", f"{path} belongs to nothing.")

    # --- one frame of a series

    def _check_frame(
        self, folder: str, common: Mapping[str, Any], instance: Mapping[str, Any]
    ) -> None:
        """Check that the pixels of the middle frame are those of the DICOM file."""
        number = len(instance["frames"]) // 2
        attributes = {**common, **instance, **instance["frames"][number]}
        coding = attributes["coding"]
        if coding == "none":
            return
        try:
            parts = [self._part(folder, chunk, entry) for chunk, entry in attributes["at"]]
            if coding in {"jpeg", "preview"}:
                right = check_sum(b"".join(parts)) == attributes["sum"]
            else:
                right = self._is_right(attributes, parts, number)
        except (*_MALFORMED, OSError, PayloadError, HeaderError, binascii.Error):
            right = False
        if not right:
            self._findings.error(
                "viewer.pixels", f"The viewer has other pixels than {instance['file']}."
            )

    def _is_right(self, attributes: Mapping[str, Any], parts: list[bytes], number: int) -> bool:
        """Say whether a frame decodes to its check sum, and the DICOM file has that sum."""
        rows = attributes["rows"]
        frame = Frame(
            attributes["coding"],
            attributes["sample"],
            rows,
            attributes["columns"],
            attributes["samples_per_pixel"],
            attributes.get("band_rows", rows),
        )
        bands = inflate(parts, frame)
        if frame.values <= self._values_left:
            self._values_left -= frame.values
            if check_sum(decode(bands, frame)) != attributes["sum"]:
                return False
        stored = self._stored(attributes["file"], number)
        if stored is None:
            return True
        return stored[:2] == (rows, frame.columns) and check_sum(stored[2]) == attributes["sum"]

    def _stored(self, path: str, number: int) -> tuple[int, int, bytes] | None:
        """Give rows, columns and values of a frame as the DICOM file has them."""
        meta = parse_file_meta(self._reading.read_at(path, 0, MAX_META_BYTES))
        if meta is None:
            return None
        start = meta.size_bytes
        return stored_bytes(
            lambda offset, length: self._reading.read_at(path, start + offset, length),
            self._reading.files[path].size_bytes - start,
            meta.transfer_syntax_uid,
            number,
        )

    def _part(self, folder: str, chunk: int, entry: int) -> bytes:
        path = f"{_FOLDER}/{folder}/C{chunk:04d}.JS"
        name, number, entries = self._call(path, "chunk")
        if (name, number) != (folder, chunk):
            raise ValueError("another chunk")
        return base64.b64decode(entries[entry], validate=True)

    def _call(self, path: str, function: str) -> Iterator[Any]:
        """Give the arguments of the call that a script is. Raises ValueError, KeyError."""
        size = self._reading.files[path].size_bytes
        if size > _MAX_SCRIPT_BYTES:
            raise ValueError("too large")
        try:
            found = _SCRIPT.match(self._reading.read_at(path, 0, size))
        except OSError as error:
            raise ValueError("unreadable") from error
        if not found or found[1] != function.encode("ascii"):
            raise ValueError("another call")
        return iter(json.loads(b"[" + found[2] + b"]"))
