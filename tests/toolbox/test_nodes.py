import contextlib
import socket
import threading

import pytest


def test_nodes_are_listed_with_the_archive_marked(lab):
    lab.name("pacs", 104)
    lab.name("backup", 11113, "BACKUP", calling_ae_title="OURS", retrieve="get")
    done = lab.run("nodes")
    assert done.code == 0
    lines = {line.split()[0 if line[0] != "*" else 1]: line for line in done.out.splitlines()[2:]}
    assert lines["pacs"].startswith("*")
    assert lines["backup"].split() == ["backup", "BACKUP", "127.0.0.1", "11113", "OURS", "C-GET"]


def test_check_asks_all_and_ends_with_the_fault(lab):
    lab.archive("pacs")
    lab.name("dead", lab.receiver_port)
    done = lab.run("nodes", "--check", "--set", "nodes.abpacs.port=" + str(lab.receiver_port))
    assert done.code == 75
    answers = {line.split()[-1] for line in done.out.splitlines() if " pacs " in line}
    assert answers == {"ok"}
    assert any("connection refused" in line for line in done.out.splitlines() if "dead" in line)


def test_the_rows_are_in_the_json(lab):
    lab.archive("pacs")
    report = lab.run("nodes", "--json").report
    assert [row["Name"] for row in report["answer"]["nodes"]] == ["abpacs", "pacs"]


def silent_until_all_are_there(stack, count):
    """Ports whose listeners answer nobody before `count` connections stand at the same time."""
    here = threading.Barrier(count)
    ports = []

    def serve(listener):
        connection, _ = listener.accept()
        with connection, contextlib.suppress(threading.BrokenBarrierError):
            here.wait(30)

    for _ in range(count):
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ports.append(listener.getsockname()[1])
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    return here, ports


@pytest.mark.parametrize("command", ["nodes", "echo"])
def test_dead_nodes_are_asked_side_by_side(lab, command):
    """None of them is let go before all have been called: one after the other never ends so."""
    with contextlib.ExitStack() as stack:
        here, ports = silent_until_all_are_there(stack, 40)
        for number, port in enumerate(ports):
            lab.name(f"dead{number}", port)
        names = {"nodes": ["--check"], "echo": list(lab.nodes)}[command]
        port = f"nodes.abpacs.port={lab.receiver_port}"
        done = lab.run(command, *names, "--set", port)
        assert not here.broken
    assert done.code == 75
    assert done.out.count("127.0.0.1") >= 40
