"""Large studies and bad company: nightly, by the benchmark that also records them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = Path(__file__).resolve().parents[2] / "benchmarks" / "load.py"

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3000)]


@pytest.fixture
def load(tmp_path):
    def run(name, scale=1.0):
        place = tmp_path / "result.json"
        command = [sys.executable, str(LOAD), name, "--scale", str(scale), "--json", str(place)]
        subprocess.run(command, check=True, timeout=2900)
        (result,) = json.loads(place.read_text())
        assert result["verified"]
        assert result["code"] == 0
        assert result["instances"] == result["expected"]
        return result

    return run


@pytest.mark.fault("F39", "F33")
def test_a_study_arrives_beside_forty_eight_bad_connections(load):
    result = load("associations")
    assert result["hostile"] >= 48
    assert result["peak_mib"] < 400


@pytest.mark.fault("F46")
def test_twenty_thousand_instances_take_minutes_not_hours(load):
    result = load("instances")
    assert result["seconds"] < 600
    assert result["peak_mib"] < 700


@pytest.mark.fault("F43")
def test_a_study_of_six_gibibytes_takes_little_memory(load):
    assert load("study")["peak_mib"] < 500


@pytest.mark.fault("F43")
def test_an_instance_of_two_gibibytes_takes_little_memory(load):
    assert load("object")["peak_mib"] < 300
