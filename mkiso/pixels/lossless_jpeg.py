"""JPEG lossless, process 14 selection value 1, by GDCM (ISO/IEC 10918-1, PS3.5 8.2.1).

No maintained encoder under a permissive licence is known to pydicom; GDCM (BSD) has one.
"""

from __future__ import annotations

import importlib
from typing import Any

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from mkiso.core.media_profiles import JPEG_LOSSLESS_SV1


def encode_lossless_jpeg(data_set: Dataset) -> None:
    """Compress the native little endian pixels of a data set in place.

    Raises ImportError without GDCM, ValueError for pixels that it does not take.
    """
    gdcm: Any = importlib.import_module("gdcm")
    bits = int(data_set.BitsAllocated)
    if bits not in {8, 16}:
        raise ValueError(f"JPEG lossless holds 8 or 16 bits, not {bits}")
    samples = int(data_set.SamplesPerPixel)
    frames = int(data_set.get("NumberOfFrames", 1) or 1)
    size = int(data_set.Rows) * int(data_set.Columns) * samples * bits // 8
    planar = samples > 1 and int(data_set.get("PlanarConfiguration", 0))
    if planar:
        raise ValueError("colour by plane is not compressed")
    native = data_set.PixelData
    if len(native) < size * frames:
        raise ValueError("the pixels are cut off")
    streams = [_stream(gdcm, data_set, native[size * n : size * (n + 1)]) for n in range(frames)]
    element = data_set["PixelData"]
    element.value = encapsulate(streams)
    element.is_undefined_length = True
    element.VR = "OB"
    data_set.file_meta.TransferSyntaxUID = UID(JPEG_LOSSLESS_SV1)


def _stream(gdcm: Any, data_set: Dataset, native: bytes) -> bytes:
    """Return one frame as a JPEG stream."""
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    image = _image(gdcm, data_set, native)
    image.thisown = False  # GDCM's own pointer frees it; Python's would do so a second time
    change.SetInput(image)
    if not change.Change():
        raise ValueError("GDCM does not take these pixels")
    output = change.GetOutput()  # each step is kept: GDCM does not hold what it lends
    compressed = output.GetDataElement()
    fragments = compressed.GetSequenceOfFragments()
    pieces = [
        fragments.GetFragment(n).GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
        for n in range(fragments.GetNumberOfFragments())
    ]
    return b"".join(pieces)


def _image(gdcm: Any, data_set: Dataset, native: bytes) -> Any:
    """Return one native frame as an image of GDCM."""
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(native)
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((int(data_set.Columns), int(data_set.Rows), 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation
    image.SetPhotometricInterpretation(
        kind(kind.GetPIType(str(data_set.PhotometricInterpretation)))
    )
    plain = gdcm.TransferSyntax
    image.SetTransferSyntax(plain(plain.ExplicitVRLittleEndian))
    image.SetPixelFormat(
        gdcm.PixelFormat(
            int(data_set.SamplesPerPixel),
            int(data_set.BitsAllocated),
            int(data_set.BitsStored),
            int(data_set.HighBit),
            int(data_set.PixelRepresentation),
        )
    )
    return image
