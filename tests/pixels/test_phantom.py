"""The phantom: values a radiologist would expect, at the places where he would look."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from mkiso.pixels.phantom import SLICE_SPACING_MM, PhantomSlice, phantom_slices
from mkiso.pixels.phantom_painting import MATRIX, PIXEL_SPACING_MM


@pytest.fixture(scope="module")
def slices() -> list[PhantomSlice]:
    return list(phantom_slices())


@pytest.fixture(scope="module")
def volume(slices: list[PhantomSlice]) -> np.ndarray:
    return np.stack([np.frombuffer(s.pixels, "<i2").reshape(MATRIX, MATRIX) for s in slices])


def mean_at(volume: np.ndarray, x: float, y: float, depth: float) -> float:
    column = round(x / PIXEL_SPACING_MM + (MATRIX - 1) / 2)
    row = round(y / PIXEL_SPACING_MM + (MATRIX - 1) / 2)
    slice_ = volume[round(depth / SLICE_SPACING_MM)]
    return float(slice_[row - 2 : row + 3, column - 2 : column + 3].mean())


TISSUES = [
    ("air in front of the patient", 0, -150, 150, -1024, -960),
    ("air in the trachea", 2, 10, 20, -1024, -900),
    ("right lung", -80, -10, 120, -960, -700),
    ("left lung", 85, 10, 120, -960, -700),
    ("aorta going down", 27, 42, 130, 130, 190),
    ("left ventricle", 42, -22, 150, 120, 180),
    ("liver", -70, 0, 235, 90, 130),
    ("spleen", 110, 30, 225, 95, 150),
    ("gas in the stomach", 50, -45, 236, -1024, -900),
    ("fluid in the stomach", 50, 0, 236, -10, 70),
    ("cortex of the left kidney", 84, 40, 304, 150, 220),
    ("vertebra", 0, 55, 160, 90, 400),
    ("spinal cord", 0, 79, 160, 10, 70),
]


@pytest.mark.parametrize(("what", "x", "y", "depth", "low", "high"), TISSUES)
def test_tissue_has_its_hounsfield_units(
    volume: np.ndarray, what: str, x: float, y: float, depth: float, low: float, high: float
) -> None:
    assert low <= mean_at(volume, x, y, depth) <= high, what


def test_values_fit_twelve_bits_as_a_scanner_gives_them(volume: np.ndarray) -> None:
    assert volume.min() >= -1024
    assert volume.max() <= 3071


def test_the_body_is_continuous_from_slice_to_slice(volume: np.ndarray) -> None:
    body = volume > -300
    for above, below in itertools.pairwise(body):
        common = np.count_nonzero(above & below) / np.count_nonzero(above | below)
        assert common > 0.8


def test_the_lungs_end_above_the_kidneys(volume: np.ndarray) -> None:
    inner = volume[:, 120:380, 60:450]
    lung = np.count_nonzero((inner > -960) & (inner < -650), axis=(1, 2))
    assert lung[24] > 20_000
    assert lung[64] < 2_000


def test_there_is_noise_like_a_scanners(volume: np.ndarray) -> None:
    liver = volume[47, 262:282, 150:170]
    assert 4 < liver.std() < 20


def test_positions_go_towards_the_feet_in_equal_steps(slices: list[PhantomSlice]) -> None:
    heights = [s.position_mm[2] for s in slices]
    steps = {round(a - b, 6) for a, b in itertools.pairwise(heights)}
    assert steps == {SLICE_SPACING_MM}
    assert {len(s.pixels) for s in slices} == {MATRIX * MATRIX * 2}


def test_the_same_seed_gives_the_same_bytes() -> None:
    one = [s.pixels for s in phantom_slices(2, seed=7)]
    assert one == [s.pixels for s in phantom_slices(2, seed=7)]
    assert one != [s.pixels for s in phantom_slices(2, seed=8)]


def test_sixty_slices_take_seconds_not_minutes() -> None:
    start = time.process_time()
    for _ in phantom_slices(12):
        pass
    assert (time.process_time() - start) * 5 < 12
