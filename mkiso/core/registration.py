"""How an archive is told where we are: what to write into its configuration."""

from __future__ import annotations

from collections.abc import Sequence

from mkiso.core.job import ReceiverAddress

#: Where an archive keeps its move destinations, and how one is written there.
_PLACES = (
    (
        "Orthanc, orthanc.json",
        '"DicomModalities": {"%(alias)s": ["%(aet)s", "%(host)s", %(port)d]}',
    ),
    ("dcmqrscp.cfg, in its HostTable", "%(alias)s = (%(aet)s, %(host)s, %(port)d)"),
    ("dcm4chee-arc 5, AE list", "new AE title %(aet)s, host %(host)s, port %(port)d"),
    ("dcm4chee 2, AE Management", "add AE title %(aet)s, host %(host)s, port %(port)d"),
)


def registration_lines(receiver: ReceiverAddress, addresses: Sequence[str]) -> tuple[str, ...]:
    """Return lines that register us as move destination at the archives people have.

    `addresses` are those the archive may reach us at, the likeliest first.
    """
    host = addresses[0] if addresses else "ADDRESS-OF-THIS-MACHINE"
    title, port = receiver.ae_title, receiver.port
    alias = "".join(c if c.isalnum() else "_" for c in title).lower()
    values = {"alias": alias, "aet": title, "host": host, "port": port}
    lines = [f"Register {title}, host {host}, port {port} as move destination at the archive:"]
    lines += [f"  {place}: {how % values}" for place, how in _PLACES]
    if len(addresses) > 1:
        lines.append(f"Other addresses of this machine: {', '.join(addresses[1:])}.")
    return tuple(lines)
