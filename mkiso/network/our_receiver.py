"""Our own receiver for one job: the port's lock, then the port."""

from __future__ import annotations

from contextlib import ExitStack

from mkiso.core.context import Context
from mkiso.network.port_lock import PortLock
from mkiso.network.receiver import Receiver
from mkiso.network.tls import server_context


def bound_receiver(context: Context, stack: ExitStack) -> Receiver:
    """Take the port's lock and the port; both are freed with `stack`.

    Waits for another run as long as the job allows. Raises as `PortLock.acquire` and
    `Receiver.bind` do.
    """
    job = context.job
    lock = PortLock(job.receiver.port)
    lock.acquire(
        min(job.lock_wait_seconds, context.remaining_seconds()),
        say=context.say,
        require_running=context.require_running,
    )
    stack.callback(lock.release)
    ours, tls = job.receiver, server_context(job.receiver.tls)
    receiver = Receiver(ours.ae_title, ours.bind, ours.port, tls=tls, log=context.log)
    receiver.bind()
    stack.callback(receiver.stop)
    return receiver
