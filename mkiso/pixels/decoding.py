"""One compressed frame into words, by pydicom's plugins, in the order that was measured best.

Runs in a worker process with limits: decoders read what strangers wrote, in C.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any, Final

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from mkiso.pixels.codestream import read_codestream
from mkiso.pixels.colour import rgb_of
from mkiso.pixels.native import words_of
from mkiso.pixels.payload import Samples
from mkiso.pixels.pixel_format import PixelFormat
from mkiso.pixels.unshowable import (
    DECODER_FAILED,
    DECODER_MISSING,
    TRUNCATED,
    UnshowableError,
    name_of_uid,
)

ENCAPSULATED_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
_EXTENDED_JPEG: Final = "1.2.840.10008.1.2.4.51"
_RLE: Final = "1.2.840.10008.1.2.5"

# Transfer syntax -> plugins of pydicom, the best first; others follow in pydicom's own order.
PREFERRED: Final[dict[str, tuple[str, ...]]] = {
    "1.2.840.10008.1.2.4.50": ("gdcm", "pillow"),  # JPEG baseline
    "1.2.840.10008.1.2.4.51": ("gdcm", "pillow"),  # JPEG extended
    "1.2.840.10008.1.2.4.57": ("gdcm", "pylibjpeg"),  # JPEG lossless
    "1.2.840.10008.1.2.4.70": ("gdcm", "pylibjpeg"),
    "1.2.840.10008.1.2.4.80": ("pyjpegls", "gdcm"),  # JPEG-LS
    "1.2.840.10008.1.2.4.81": ("pyjpegls", "gdcm"),
    "1.2.840.10008.1.2.4.90": ("pylibjpeg", "gdcm"),  # JPEG 2000
    "1.2.840.10008.1.2.4.91": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.5": ("pylibjpeg", "pydicom"),  # RLE
}


def decode_frame(stream: bytes, pixel_format: PixelFormat) -> Samples:
    """Return the words of a frame: colours are RGB, unused bits as they come.

    Raises UnshowableError.
    """
    syntax = pixel_format.transfer_syntax_uid
    if syntax == ENCAPSULATED_UNCOMPRESSED:
        return _native(stream, pixel_format)
    if syntax == DEFLATED_FRAMES:
        return _native(_inflated(stream, pixel_format), pixel_format)
    _require_size(stream, pixel_format)
    if syntax == _RLE and pixel_format.bits_allocated == 1:
        return _native(unpack_rle(stream, pixel_format), pixel_format)
    if syntax == _EXTENDED_JPEG and pixel_format.bits_allocated == 16:
        return _extended_jpeg(stream, pixel_format)
    return _by_plugin(stream, pixel_format)


def _native(raw: bytes, pixel_format: PixelFormat) -> Samples:
    try:
        return words_of(raw, pixel_format)
    except ValueError as error:
        raise UnshowableError(TRUNCATED, "The frame has too few bytes.") from error


def _inflated(stream: bytes, pixel_format: PixelFormat) -> bytes:
    """Return a deflated frame; never more than the frame should have (PS3.5 A.4.14)."""
    wanted = -(-pixel_format.frame_bits // 8)
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, wanted + 1)[:wanted]
    except zlib.error as error:
        raise UnshowableError(DECODER_FAILED, "The deflated frame is damaged.") from error


def _require_size(stream: bytes, pixel_format: PixelFormat) -> None:
    """Raise UnshowableError when the stream is of another size than the data set says.

    What a decoder allocates follows the stream, what we can bear the data set.
    """
    if not stream:
        raise UnshowableError(TRUNCATED, "The frame is empty.")
    found = read_codestream(stream)
    if found and (found.rows, found.columns) != (pixel_format.rows, pixel_format.columns):
        raise UnshowableError(
            DECODER_FAILED,
            f"The stream has {found.columns} x {found.rows} pixels, "
            f"the data set says {pixel_format.columns} x {pixel_format.rows}.",
        )


def _by_plugin(stream: bytes, pixel_format: PixelFormat) -> Samples:
    """Return the words as the first plugin gives them that can."""
    syntax = pixel_format.transfer_syntax_uid
    try:
        decoder = get_decoder(UID(syntax))
        available = decoder.available_plugins
    except NotImplementedError:
        available = ()
    if not available:
        raise UnshowableError(DECODER_MISSING, name_of_uid(syntax))
    preferred = [name for name in PREFERRED.get(syntax, ()) if name in available]
    failures = []
    for name in dict.fromkeys((*preferred, *available)):
        try:
            array, properties = decoder.as_array(
                encapsulate([stream], has_bot=False),
                raw=True,
                decoding_plugin=name,
                **_options(pixel_format),
            )
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
            failures.append(f"{name}: {type(error).__name__}")
            continue
        array = rgb_of(array, str(properties["photometric_interpretation"]))
        return _checked(array, pixel_format)
    raise UnshowableError(DECODER_FAILED, "; ".join(failures))


def _options(pixel_format: PixelFormat) -> dict[str, Any]:
    """Return the description of one frame that a decoder of pydicom wants."""
    return {
        "rows": pixel_format.rows,
        "columns": pixel_format.columns,
        "number_of_frames": 1,
        "samples_per_pixel": pixel_format.samples,
        "photometric_interpretation": pixel_format.photometric,
        "planar_configuration": int(pixel_format.planar),
        "bits_allocated": pixel_format.bits_allocated,
        "bits_stored": pixel_format.bits_stored,
        "pixel_representation": int(pixel_format.signed),
        "pixel_keyword": "PixelData",
        "correct_unused_bits": False,  # done here, by High Bit; overlays may be in them
    }


def _checked(array: Samples, pixel_format: PixelFormat) -> Samples:
    shape = (pixel_format.rows, pixel_format.columns)
    if array.shape[:2] != shape or array.ndim != (2 if pixel_format.samples == 1 else 3):
        raise UnshowableError(DECODER_FAILED, f"The decoder returned the shape {array.shape}.")
    return array


def _extended_jpeg(stream: bytes, pixel_format: PixelFormat) -> Samples:
    """Return a frame of 12-bit JPEG by GDCM, to which pydicom does not give these."""
    try:
        gdcm = importlib.import_module("gdcm")
    except ImportError as error:
        name = name_of_uid(pixel_format.transfer_syntax_uid)
        raise UnshowableError(DECODER_MISSING, name) from error
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((pixel_format.columns, pixel_format.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation
    image.SetPhotometricInterpretation(kind(kind.GetPIType(pixel_format.photometric)))
    syntax = gdcm.TransferSyntax
    image.SetTransferSyntax(syntax(syntax.GetTSType(pixel_format.transfer_syntax_uid)))
    image.SetPixelFormat(
        gdcm.PixelFormat(
            pixel_format.samples,
            pixel_format.bits_allocated,
            pixel_format.bits_stored,
            pixel_format.high_bit,
            int(pixel_format.signed),
        )
    )
    raw = image.GetBuffer().encode("utf-8", "surrogateescape")
    words = np.frombuffer(raw, "<i2" if pixel_format.signed else "<u2")
    if words.size != pixel_format.rows * pixel_format.columns:
        raise UnshowableError(DECODER_FAILED, "gdcm: another number of pixels")
    return words.reshape(pixel_format.rows, pixel_format.columns)


def unpack_rle(stream: bytes, pixel_format: PixelFormat) -> bytes:
    """Return the packed bits of a frame of one bit a pixel (PS3.5 G.3, G.5).

    The decoders know whole bytes a pixel only. Raises UnshowableError.
    """
    wanted = -(-pixel_format.frame_bits // 8)
    at = int.from_bytes(stream[4:8], "little") if len(stream) >= 64 else 0
    if at < 64:
        raise UnshowableError(DECODER_FAILED, "The RLE header is damaged.")
    out = bytearray()
    while at < len(stream) and len(out) < wanted:
        control = stream[at]
        if control < 128:
            out += stream[at + 1 : at + 2 + control]
            at += 2 + control
        else:
            if control > 128:
                out += stream[at + 1 : at + 2] * (257 - control)
            at += 2 if control > 128 else 1
    return bytes(out[:wanted])
