"""A data set in another transfer syntax, without loss: the check is part of it (PS3.5 A, 8.2).

Runs in a worker process with limits. Every element but the pixels must have the same bytes
afterwards, and the pixels the same words, unused bits included.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import UID

from mkiso.core.byte_source import EXPLICIT_LITTLE, UNDEFINED_LENGTH, Encoding, HeaderError
from mkiso.core.elements import swapped
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.header import ENCODINGS
from mkiso.core.media_profiles import EXPLICIT_VR_LITTLE_ENDIAN, JPEG_LOSSLESS_SV1
from mkiso.core.rewriting import PIXEL_DATA, NewValue, rewritten
from mkiso.pixels.decoding import PREFERRED
from mkiso.pixels.lossless_jpeg import encode_lossless_jpeg

_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_PHOTOMETRIC, _PLANAR = 0x00280004, 0x00280006
_EXTENDED_OFFSETS: Final = (0x7FE00001, 0x7FE00002)
#: What a change of the pixels' encoding may change beside them (PS3.5 8.2, PS3.3 C.7.6.3).
_MAY_CHANGE: Final = frozenset({_PHOTOMETRIC, _PLANAR, *_EXTENDED_OFFSETS})

#: Where two decoders must give the same words.
_LOSSLESS: Final = frozenset(
    f"1.2.840.10008.1.2.{n}" for n in ("4.57", "4.70", "4.80", "4.90", "5", "1.98", "8.1")
)


class NotLosslessError(Exception):
    """The conversion is not possible, or did not keep everything; the text says what."""


def convert_file(task: dict[str, Any], beat: Callable[[], None]) -> dict[str, Any]:
    """Write the file of an instance in another transfer syntax; return its size and SHA-256.

    Raises NotLosslessError, and whatever decoders raise.
    """
    with Path(task["path"]).open("rb") as file:
        file.seek(task["offset"])
        data_set = file.read()
    new = converted(data_set, UID(task["syntax"]), UID(task["target_syntax"]), beat)
    meta = encode_file_meta(task["sop_class_uid"], task["sop_instance_uid"], task["target_syntax"])
    descriptor = os.open(task["target"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(meta)
        file.write(new)
    digest = hashlib.sha256(meta)
    digest.update(new)
    return {
        "size_bytes": len(meta) + len(new),
        "sha256": digest.hexdigest(),
        "offset": len(meta),
    }


def converted(
    data_set: bytes, source: UID, target: UID, beat: Callable[[], None] = lambda: None
) -> bytes:
    """Return the data set in the syntax `target`, checked. Raises NotLosslessError."""
    original = _read(data_set, source)
    encoding = ENCODINGS.get(str(source), EXPLICIT_LITTLE)
    has_pixels = any(name in original for name in _PIXELS)
    changes: dict[int, NewValue | None] = {}
    if source.is_compressed:
        changes = _decompressed(original, beat)
    elif not source.is_little_endian:
        _require_known_words(original)
    new = _rewritten(data_set, encoding, changes)
    if target.is_compressed:
        plain = _read(new, _PLAIN)
        new = _rewritten(new, EXPLICIT_LITTLE, _compressed(plain, target))
        beat()
    again = _read(new, target)
    _require_same_elements(original, again)
    if has_pixels:
        _require_same_pixels(original, again, beat)
    return new


_PLAIN: Final = UID(EXPLICIT_VR_LITTLE_ENDIAN)


def _rewritten(
    data_set: bytes, encoding: Encoding, changes: Mapping[int, NewValue | None]
) -> bytes:
    try:
        return rewritten(data_set, encoding, changes)
    except HeaderError as error:
        raise NotLosslessError(f"its data set is broken: {error.message.rstrip('.')}") from error


def _read(data_set: bytes, syntax: UID) -> Dataset:
    head = encode_file_meta("1.2", "1.2", str(syntax))
    return dcmread(io.BytesIO(head + data_set), force=True)


def _require_known_words(data_set: Dataset) -> None:
    """Raise when big endian pixels have two readings: dcmtk swaps halves, pydicom the whole."""
    if "PixelData" in data_set and data_set.get("BitsAllocated", 0) > 16:
        raise NotLosslessError("big endian pixels of more than 16 bits have two readings")


def _decompressed(data_set: Dataset, beat: Callable[[], None]) -> dict[int, NewValue | None]:
    """Return the elements that change when the pixels are decompressed (PS3.5 8.2)."""
    if "PixelData" not in data_set:  # nothing is compressed but the name of the syntax
        return {}
    frames, properties = [], None
    for array, found in _decoded(data_set):
        frames.append(array.tobytes())
        properties = found
        beat()
    if properties is None:
        raise NotLosslessError("it has no frames")
    value = b"".join(frames)
    if len(value) >= UNDEFINED_LENGTH - 1:
        raise NotLosslessError("its pixels would have more than 4 GiB")
    vr = b"OB" if data_set.BitsAllocated <= 8 else b"OW"
    photometric = str(properties["photometric_interpretation"])
    if photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"}:  # every pixel has its colour now
        photometric = photometric.removesuffix("_422")
    changes: dict[int, NewValue | None] = {
        PIXEL_DATA: NewValue(vr, value),
        _PHOTOMETRIC: NewValue(b"CS", photometric.encode()),
        **dict.fromkeys(_EXTENDED_OFFSETS),
    }
    if int(data_set.SamplesPerPixel) > 1:
        planar = int(properties["planar_configuration"])
        changes[_PLANAR] = NewValue(b"US", planar.to_bytes(2, "little"))
    return changes


def _compressed(data_set: Dataset, target: UID) -> dict[int, NewValue | None]:
    """Return the elements that change when native pixels are compressed without loss."""
    if "PixelData" not in data_set:
        raise NotLosslessError("it has no pixels that could be compressed")
    try:
        if target == JPEG_LOSSLESS_SV1:
            encode_lossless_jpeg(data_set)
        else:
            data_set.compress(target, generate_instance_uid=False)
    except MemoryError:
        raise
    except Exception as error:  # encoders raise whatever they like
        raise NotLosslessError("the encoder does not take its pixels") from error
    # what pydicom encapsulates ends without the delimitation of the sequence
    fragments = data_set.PixelData + b"\xfe\xff\xdd\xe0" + bytes(4)
    changes: dict[int, NewValue | None] = {
        PIXEL_DATA: NewValue(b"OB", fragments, undefined=True),
        _PHOTOMETRIC: NewValue(b"CS", str(data_set.PhotometricInterpretation).encode()),
        **dict.fromkeys(_EXTENDED_OFFSETS),
    }
    if int(data_set.SamplesPerPixel) > 1:
        planar = int(data_set.get("PlanarConfiguration", 0))
        changes[_PLANAR] = NewValue(b"US", planar.to_bytes(2, "little"))
    return changes


def _require_same_elements(original: Dataset, again: Dataset) -> None:
    """Raise NotLosslessError when another parser reads another value beside the pixels."""
    turned = not original.file_meta.TransferSyntaxUID.is_little_endian
    one, other = _values(original, turned=turned), _values(again)
    for path in one.keys() | other.keys():
        if one.get(path) != other.get(path):
            raise NotLosslessError(f"element {path[-1]:08X} would change")


def _values(
    data_set: Dataset, place: tuple[int, ...] = (), *, turned: bool = False
) -> dict[tuple[int, ...], str]:
    """Return all values as text by the path of their element; `turned`: words are big endian."""
    found: dict[tuple[int, ...], str] = {}
    for tag in data_set.keys():  # noqa: SIM118 - iterating a data set converts its values
        number = int(tag)
        if not number & 0xFFFF or (not place and number in _PIXEL_TAGS | _MAY_CHANGE):
            continue  # group lengths count the bytes of the encoding
        path = (*place, number)
        try:
            value = data_set[tag].value
        except Exception:  # noqa: BLE001 - an illegal value; its bytes have to do
            value = getattr(data_set.get_item(tag), "value", None)
        if isinstance(value, Sequence):
            for index, item in enumerate(value):
                found.update(_values(item, (*place, number, index), turned=turned))
        elif isinstance(value, bytes):
            if turned:
                value = swapped(value, str(data_set.get_item(tag).VR).encode())
            found[path] = value.rstrip(b" \0").hex()
        else:
            found[path] = str(value)
    return found


def _require_same_pixels(original: Dataset, again: Dataset, beat: Callable[[], None]) -> None:
    """Raise NotLosslessError when a frame has other words than the original's.

    What was compressed without loss is decoded by another decoder than before, if one takes it.
    """
    count = 0
    after = (array for array, _ in _decoded(again, other=True))
    for one, _ in _decoded(original, other=True):
        new = next(after, None)
        beat()
        count += 1
        if new is None:
            raise NotLosslessError("it would have fewer frames")
        if one.shape != new.shape or one.dtype.itemsize != new.dtype.itemsize:
            raise NotLosslessError(f"frame {count} would have another shape")
        native = one.astype(one.dtype.newbyteorder("="), copy=False)
        if not np.array_equal(native.view(new.dtype), new):
            raise NotLosslessError(f"frame {count} would have other pixels")
    if not count or next(after, None) is not None:
        raise NotLosslessError("it would have another number of frames")


def _decoded(data_set: Dataset, *, other: bool = False) -> Iterator[tuple[Any, Any]]:
    """Give the words of all frames, colours as they are coded, unused bits as they come.

    The best decoder that takes the first frame does it; with `other` the next best, where all must
    give the same. Each comes with what is said of it. Raises NotLosslessError when none takes it.
    """
    syntax = data_set.file_meta.TransferSyntaxUID
    names = [""]
    if syntax.is_compressed:
        names = _plugins(str(syntax), get_decoder(syntax).available_plugins, other=other)
    for name in names:
        for indices in (None, range(int(data_set.get("NumberOfFrames", 1) or 1))):
            try:
                frames = _by(name, data_set, indices)
                first = next(frames, None)
            except MemoryError:
                raise
            except ValueError as error:
                # pydicom 3.0 turns signs in the decoder's own bytes, but not frame by frame
                if "read-only" in str(error):
                    continue
                break
            except Exception:  # noqa: BLE001 - decoders raise whatever they like
                break
            if first is not None:
                yield first
                yield from frames
            return
    raise NotLosslessError("no decoder that is installed can read its pixels")


def _by(name: str, data_set: Dataset, indices: range | None) -> Iterator[tuple[Any, Any]]:
    """Decode by one decoder of pydicom."""
    return get_decoder(data_set.file_meta.TransferSyntaxUID).iter_array(
        data_set,
        indices=indices,
        as_rgb=False,
        correct_unused_bits=False,
        decoding_plugin=name,
    )


def _plugins(syntax: str, available: tuple[str, ...], *, other: bool) -> list[str]:
    """Return the decoders, the best first; or the next best where all must give the same."""
    best = [name for name in PREFERRED.get(syntax, ()) if name in available]
    order = list(dict.fromkeys((*best, *available)))
    if other and syntax in _LOSSLESS and len(order) > 1:
        order[:2] = order[1], order[0]
    return order
