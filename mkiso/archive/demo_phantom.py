"""The phantom as a CT series: headers as a scanner writes them (PS3.3 A.3, CT Image IOD)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mkiso.pixels.phantom import SLICE_SPACING_MM, PhantomSlice, phantom_slices
from mkiso.pixels.phantom_painting import MATRIX, PIXEL_SPACING_MM

_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_SECONDS_A_SLICE = 0.25

#: What every slice says, by keyword.
_COMMON: dict[str, Any] = {
    "SOPClassUID": _CT_IMAGE_STORAGE,
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "Modality": "CT",
    "Manufacturer": "mkiso",
    "ManufacturerModelName": "Phantom",
    "SoftwareVersions": "1",
    "SeriesNumber": 2,
    "SeriesDescription": "Chest and abdomen, portal venous, 5 mm",
    "ProtocolName": "Chest and abdomen",
    "BodyPartExamined": "CHESTABDOMEN",
    "PatientPosition": "HFS",
    "KVP": "120",
    "XRayTubeCurrent": "210",
    "ExposureTime": "500",
    "ConvolutionKernel": "STANDARD",
    "DataCollectionDiameter": "500",
    "ReconstructionDiameter": f"{MATRIX * PIXEL_SPACING_MM:.2f}",
    "GantryDetectorTilt": "0",
    "ContrastBolusAgent": "Iodine, made up",
    "ContrastBolusRoute": "IV",
    "AcquisitionNumber": 1,
    "SliceThickness": f"{SLICE_SPACING_MM:g}",
    "SpacingBetweenSlices": f"{SLICE_SPACING_MM:g}",
    "PixelSpacing": [f"{PIXEL_SPACING_MM:g}"] * 2,
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "PositionReferenceIndicator": "",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": MATRIX,
    "Columns": MATRIX,
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 1,
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
    "RescaleType": "HU",
    "WindowCenter": ["40", "-550"],
    "WindowWidth": ["400", "1500"],
    "WindowCenterWidthExplanation": ["SOFT TISSUE", "LUNG"],
    "LossyImageCompression": "00",
    "BurnedInAnnotation": "NO",
}


def phantom_data_sets(uid: Callable[..., str]) -> Iterator[Any]:
    """Give the phantom's data sets from the head down; `uid` makes a UID of names."""
    for number, painted in enumerate(phantom_slices(), 1):
        yield _data_set(number, painted, uid)


def _data_set(number: int, painted: PhantomSlice, uid: Callable[..., str]) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset  # noqa: PLC0415 - start-up time

    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = _EXPLICIT_VR_LITTLE_ENDIAN
    for keyword, value in _COMMON.items():
        setattr(data_set, keyword, value)
    data_set.SOPInstanceUID = uid("phantom", "slice", str(number))
    data_set.SeriesInstanceUID = uid("phantom", "series")
    data_set.FrameOfReferenceUID = uid("phantom", "frame of reference")
    data_set.InstanceNumber = number
    data_set.ImagePositionPatient = [f"{value:g}" for value in painted.position_mm]
    data_set.SliceLocation = f"{painted.position_mm[2]:g}"
    seconds = number * _SECONDS_A_SLICE
    for keyword in ("SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(data_set, keyword, "20260115")
    data_set.SeriesTime = "093500"
    data_set.AcquisitionTime = data_set.ContentTime = f"0935{seconds:05.2f}"
    data_set.PixelData = painted.pixels
    data_set["PixelData"].VR = "OW"
    return data_set
