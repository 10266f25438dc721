"""A study for the benchmarks: CT slices of 512x512, 16 bit, 527 KB each, in one series."""

import random
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

ACCESSION_NUMBER = "BENCH.1000"
STUDY_UID = generate_uid(entropy_srcs=["mkiso benchmark study"])


def write_slices(folder: Path, count: int, noise_in_air: int = 48) -> None:
    """Write `count` slices; noise in the low bits keeps file systems from sharing blocks.

    With `noise_in_air` of 8 they compress as real CT slices do, on the average.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = STUDY_UID[:50] + "1"
    generator = np.random.default_rng(7)
    random.seed(7)
    y, x = np.mgrid[:512, :512]
    is_body = (x - 256) ** 2 / 190**2 + (y - 256) ** 2 / 130**2 < 1
    body, noise = np.where(is_body, 1040, 24), np.where(is_body, 48, noise_in_air)
    for number in range(1, count + 1):
        pixels = (body + generator.integers(0, noise)).astype("<i2")
        data_set = _header(series_uid, number)
        data_set.PixelData = pixels.tobytes()
        data_set.save_as(folder / f"IM{number:06d}", enforce_file_format=True)


def write_studies(folder: Path, studies: int, slices: int) -> list[str]:
    """Write so many small studies, each of a patient of its own; return their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    y, x = np.mgrid[:512, :512]
    body = np.where((x - 256) ** 2 / 190**2 + (y - 256) ** 2 / 130**2 < 1, 1040, 24)
    pixels = [
        (body + generator.integers(0, 48, body.shape)).astype("<i2").tobytes()
        for _ in range(slices)
    ]
    numbers = [f"B{study:05d}" for study in range(1, studies + 1)]
    for study, number in enumerate(numbers, 1):
        uid = f"{STUDY_UID[:40]}.{study}"
        for at, values in enumerate(pixels, 1):
            data_set = _header(f"{uid}.1", at)
            data_set.StudyInstanceUID = uid
            data_set.AccessionNumber = number
            data_set.PatientID = f"BENCH-{study}"
            data_set.PixelData = values
            data_set.save_as(folder / f"S{study:05d}_{at:03d}", enforce_file_format=True)
    return numbers


def _header(series_uid: str, number: int) -> Dataset:
    """Return a CT header with as many elements as a scanner writes."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = f"{series_uid}.{number}"
    data_set.StudyDate = data_set.SeriesDate = data_set.ContentDate = "20260105"
    data_set.StudyTime = data_set.SeriesTime = data_set.ContentTime = "101112"
    data_set.AccessionNumber = ACCESSION_NUMBER
    data_set.Modality = "CT"
    data_set.Manufacturer = "Benchmark"
    data_set.InstitutionName = "Benchmark Hospital"
    data_set.ReferringPhysicianName = "Referring^Rita"
    data_set.StudyDescription = "Chest and abdomen"
    data_set.SeriesDescription = "Axial 1.0 mm"
    data_set.PatientName = "Bench^Mark"
    data_set.PatientID = "BENCH-1"
    data_set.PatientBirthDate = "19700101"
    data_set.PatientSex = "O"
    data_set.KVP = "120"
    data_set.SliceThickness = "1.0"
    data_set.StudyInstanceUID = STUDY_UID
    data_set.SeriesInstanceUID = series_uid
    data_set.StudyID = "1"
    data_set.SeriesNumber = 1
    data_set.InstanceNumber = number
    data_set.ImagePositionPatient = [-180, -180, float(number)]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.FrameOfReferenceUID = series_uid + ".9"
    data_set.SliceLocation = float(number)
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = data_set.Columns = 512
    data_set.PixelSpacing = [0.7, 0.7]
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit = 15
    data_set.PixelRepresentation = 1
    data_set.WindowCenter, data_set.WindowWidth = "40", "400"
    data_set.RescaleIntercept, data_set.RescaleSlope = "-1024", "1"
    for index in range(60):  # a scanner's private block
        data_set.add_new(0x00431000 + index, "LO", f"private value {index}")
    data_set.add_new(0x00430010, "LO", "MKISO BENCHMARK")
    return data_set


def write_large_object(folder: Path, size_bytes: int) -> None:
    """Write one multi-frame object with about `size_bytes` of zeros, a sparse file."""
    folder.mkdir(parents=True, exist_ok=True)
    frame_bytes = 2048 * 2048 * 2
    data_set = _header(STUDY_UID[:50] + "2", 1)
    data_set.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    data_set.Rows = data_set.Columns = 2048
    data_set.NumberOfFrames = size_bytes // frame_bytes
    data_set.PixelData = b"\0\0"
    path = folder / "LARGE"
    data_set.save_as(path, enforce_file_format=True)
    length = data_set.NumberOfFrames * frame_bytes
    with path.open("r+b") as file:
        file.seek(-6, 2)  # the length of Pixel Data, the last element
        file.write(length.to_bytes(4, "little"))
        file.truncate(file.tell() + length)
