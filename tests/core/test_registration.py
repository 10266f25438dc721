from mkiso.core.job import ReceiverAddress
from mkiso.core.registration import registration_lines


def test_the_lines_name_title_address_and_port_for_each_archive():
    lines = registration_lines(ReceiverAddress("CD-RECORD 2", 104), ["10.0.0.5", "fe80::1"])
    assert '"DicomModalities": {"cd_record_2": ["CD-RECORD 2", "10.0.0.5", 104]}' in lines[1]
    assert "cd_record_2 = (CD-RECORD 2, 10.0.0.5, 104)" in lines[2]
    assert all("10.0.0.5" in line for line in lines[:-1])
    assert lines[-1] == "Other addresses of this machine: fe80::1."


def test_without_an_address_the_place_for_it_is_shown():
    lines = registration_lines(ReceiverAddress(), [])
    assert "ADDRESS-OF-THIS-MACHINE" in lines[0]
    assert not any("Other addresses" in line for line in lines)
