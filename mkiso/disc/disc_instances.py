"""Where the instances of a finished image are, so that they can be sent from it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkiso.core.sidecar import MAX_SIDECAR_BYTES, decode_sidecar
from mkiso.disc.file_meta import parse_file_meta
from mkiso.disc.iso_reader import read_iso
from mkiso.errors import DiskError, VerifyError

#: The preamble and the file meta that mkiso writes are shorter (three UIDs, our own version).
_OUR_META_BYTES = 4096


@dataclass(frozen=True, slots=True)
class InstanceInImage:
    """The data set of one instance: `size_bytes` bytes of `image` from `offset` on."""

    image: Path
    offset: int
    size_bytes: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def instances_in_image(image: Path, sidecar: Path) -> tuple[InstanceInImage, ...]:
    """Return the instances that the sidecar lists, found in the image by their File IDs.

    Raises VerifyError when the image is not the one the sidecar describes, DiskError when one of
    them cannot be read.
    """
    try:
        with sidecar.open("rb") as file:
            content = decode_sidecar(file.read(MAX_SIDECAR_BYTES))
        if content is None:
            raise VerifyError(f"{sidecar} is not the description of a disc; make the disc again.")
        return _in_image(image, content["instances"])
    except OSError as error:
        raise DiskError(
            f"The disc {image} cannot be read again: {error.strerror}; nothing of it is sent."
        ) from error


def _in_image(image: Path, entries: Sequence[Mapping[str, Any]]) -> tuple[InstanceInImage, ...]:
    """Return the instances of these entries of a sidecar."""
    descriptor = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        places = read_iso(descriptor).primary.files
        return tuple(
            _instance(image, descriptor, entry, places.get(f"/{entry.get('file')}", ()))
            for entry in entries
        )
    finally:
        os.close(descriptor)


def _instance(
    image: Path, descriptor: int, entry: Mapping[str, Any], extents: tuple[tuple[int, int], ...]
) -> InstanceInImage:
    """Return one instance; its file meta must say what the sidecar says."""
    start, size = _whole(extents)
    meta = parse_file_meta(os.pread(descriptor, min(size, _OUR_META_BYTES), start))
    if meta is None or meta.sop_instance_uid != entry.get("sop_instance_uid"):
        raise VerifyError(
            f"{image} does not hold what its description says: {entry.get('file')} is not instance "
            f"{entry.get('sop_instance_uid')}. Nothing of it is sent; make the disc again."
        )
    return InstanceInImage(
        image,
        start + meta.size_bytes,
        size - meta.size_bytes,
        meta.sop_class_uid,
        meta.sop_instance_uid,
        meta.transfer_syntax_uid,
    )


def _whole(extents: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Return offset and size of a file; our images have the extents of a file in a row."""
    if not extents:
        return 0, 0
    end = extents[0][0]
    for start, size in extents:
        if start != end:
            raise VerifyError("A file of the image lies in pieces; it is not sent.")
        end = start + size
    return extents[0][0], end - extents[0][0]
