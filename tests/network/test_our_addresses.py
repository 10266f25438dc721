import ipaddress
import socket

from mkiso.core.job import Node, ReceiverAddress
from mkiso.network.our_addresses import addresses_towards, receiver_addresses


def test_towards_this_machine_loopback_comes_first_and_others_follow():
    first, *others = addresses_towards("127.0.0.1", 11112)
    assert first == "127.0.0.1"
    for address in others:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as ours:
            ours.bind((address, 0))  # only an address of ours can be bound


def test_a_host_that_nobody_knows_is_no_failure():
    assert isinstance(addresses_towards("nobody.invalid", 104), tuple)


def test_a_receiver_bound_to_one_address_is_reached_there_alone():
    archive = Node("a", "A", "127.0.0.1", 104)
    assert receiver_addresses(ReceiverAddress("C", 1, "10.9.8.7"), archive) == ("10.9.8.7",)
    assert receiver_addresses(ReceiverAddress("C", 1), archive)[0] == "127.0.0.1"
