"""Echo: whether nodes are there and know us, all of them side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from mkiso.core.answer import Answer
from mkiso.core.job import Node
from mkiso.stages.doctor import check_echo

#: Asked at a time; a site has no more nodes.
_AT_ONCE = 256


def echo_all(nodes: Sequence[Node], calling_ae_title: Callable[[Node], str]) -> list[Answer]:
    """Return the answers in the order of the nodes; the slowest alone says how long it takes.

    The threads are daemons: whoever is tired of waiting can leave.
    """
    answers: dict[int, Answer] = {}
    turn = threading.Semaphore(_AT_ONCE)

    def ask(number: int, node: Node) -> None:
        try:
            answers[number] = check_echo(node, calling_ae_title(node))
        finally:
            turn.release()

    threads = []
    for number, node in enumerate(nodes):
        turn.acquire()
        threads.append(threading.Thread(target=ask, args=(number, node), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(nodes))]
