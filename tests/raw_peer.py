"""A DICOM peer made by hand, byte by byte: it can misbehave at any point, and shares no code."""

import socket
import struct
import threading

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
RELEASE_RQ_PDU = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
RELEASE_RP_PDU = bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0))
ABORT_PDU = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))
C_STORE_RQ, C_ECHO_RQ = 0x0001, 0x0030


def pdu(kind, body):
    return struct.pack(">BxL", kind, len(body)) + body


def item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def requested(context_id, abstract, *transfer):
    syntaxes = b"".join(item(0x40, uid.encode()) for uid in transfer)
    return item(0x20, bytes((context_id, 0, 0, 0)) + item(0x30, abstract.encode()) + syntaxes)


def role(uid, scu, scp):
    return item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes((scu, scp)))


def associate_rq(
    contexts,
    *,
    calling="PACS",
    called="CDRECORD",
    max_length=16384,
    version=1,
    application="1.2.840.10008.3.1.1.1",
    more_items=b"",
    more_user_items=b"",
):
    user = item(0x51, struct.pack(">L", max_length)) + item(0x52, b"1.2.3") + more_user_items
    body = struct.pack(">HH", version, 0)
    body += called.encode("latin-1").ljust(16) + calling.encode("latin-1").ljust(16) + bytes(32)
    body += item(0x10, application.encode()) + more_items
    body += b"".join(requested(*context) for context in contexts) + item(0x50, user)
    return pdu(ASSOCIATE_RQ, body)


def pdv(context_id, control, fragment):
    return struct.pack(">LBB", len(fragment) + 2, context_id, control) + fragment


def p_data(*pdvs):
    return pdu(P_DATA, b"".join(pdvs))


def implicit(group, number, value):
    return struct.pack("<HHL", group, number, len(value)) + value


def us(value):
    return struct.pack("<H", value)


def uid_bytes(uid):
    raw = uid.encode("latin-1")
    return raw + b"\0" * (len(raw) % 2)


def command_set(elements):
    body = b"".join(implicit(0, number, value) for number, value in sorted(elements.items()))
    return implicit(0, 0, struct.pack("<L", len(body))) + body


def store_command(sop_class, sop_instance, *, message_id=7, data=True, originator=None, more=None):
    elements = {
        0x0002: uid_bytes(sop_class),
        0x0100: us(C_STORE_RQ),
        0x0110: us(message_id),
        0x0700: us(0),
        0x0800: us(1 if data else 0x0101),
        0x1000: uid_bytes(sop_instance),
        **(more or {}),
    }
    if originator is not None:
        elements[0x1030] = originator[0].encode().ljust(16)
        elements[0x1031] = us(originator[1])
    return command_set(elements)


ECHO_COMMAND = command_set(
    {0x0002: uid_bytes(VERIFICATION), 0x0100: us(C_ECHO_RQ), 0x0110: us(1), 0x0800: us(0x0101)}
)


def read_command(raw):
    """Element number -> raw value of a command set."""
    found, offset = {}, 0
    while offset < len(raw):
        group, number, length = struct.unpack_from("<HHL", raw, offset)
        assert group == 0
        found[number] = raw[offset + 8 : offset + 8 + length]
        offset += 8 + length
    return found


_LONG_VRS = (b"OB", b"OW", b"SQ", b"UN", b"UT")


def element(tag, vr, value):
    """One element in Explicit VR Little Endian."""
    value = value.encode() if isinstance(value, str) else value
    value += (b"\0" if vr in ("UI", "OB", "OW") else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr.encode() in _LONG_VRS:
        return head + struct.pack("<xxL", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def implicit_element(tag, _vr, value):
    """One element in Implicit VR Little Endian."""
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) + len(value) % 2) + (
        value + b"\0" * (len(value) % 2)
    )


def data_set(
    sop_instance="1.2.3.4.1",
    *,
    sop_class=CT,
    study="1.2.3",
    series="1.2.3.4",
    pixels=b"\1\2" * 512,
    write=element,
    patient_id="P1",
):
    """A small CT slice, as bytes."""
    return b"".join(
        (
            write(0x00080016, "UI", sop_class),
            write(0x00080018, "UI", sop_instance),
            write(0x00080020, "DA", "20240102"),
            write(0x00080030, "TM", "101112"),
            write(0x00080060, "CS", "CT"),
            write(0x00100010, "PN", "Test^Patient"),
            write(0x00100020, "LO", patient_id),
            write(0x0020000D, "UI", study),
            write(0x0020000E, "UI", series),
            write(0x00200010, "SH", "S1"),
            write(0x00200011, "IS", "1"),
            write(0x00200013, "IS", "1"),
            write(0x00280010, "US", us(16)),
            write(0x00280011, "US", us(32)),
            write(0x7FE00010, "OW", pixels),
        )
    )


def associate_ac(*accepted, max_length=16384, more_user_items=b""):
    """An A-ASSOCIATE-AC; `accepted` are (context ID, result, transfer syntax)."""
    body = struct.pack(">HH", 1, 0) + b"YOU".ljust(16) + b"ME".ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for context_id, result, syntax in accepted:
        body += item(0x21, bytes((context_id, 0, result, 0)) + item(0x40, syntax.encode()))
    user = item(0x51, struct.pack(">L", max_length)) + item(0x52, b"1.2.3") + more_user_items
    return pdu(ASSOCIATE_AC, body + item(0x50, user))


class RawSocket:
    """Bytes out, PDUs in."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def read(self, count):
        found = b""
        while len(found) < count:
            more = self.sock.recv(count - len(found))
            if not more:
                raise EOFError(f"{len(found)} of {count} bytes")
            found += more
        return found

    def read_pdu(self):
        kind, length = struct.unpack(">BxL", self.read(6))
        return kind, self.read(length)

    def read_last_pdu(self):
        """The kind of the last PDU before the other side closes; None when it only closes."""
        kind = None
        try:
            while True:
                kind, _ = self.read_pdu()
        except (EOFError, ConnectionError):
            return kind

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RawAcceptor:
    """An acceptor on a free port that does what `script(RawSocket)` says, once."""

    def __init__(self, script):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.error = None
        self._script = script
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            sock, _ = self._listening.accept()
            sock.settimeout(20)
            with RawSocket(sock) as peer:
                self._script(peer)
        except (OSError, EOFError):
            pass  # the other side went away, as many tests want it
        except BaseException as error:  # noqa: BLE001 - raised again where the test is
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listening.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


class RawPeer(RawSocket):
    """A requestor on a plain socket."""

    def __init__(self, port, *, host="127.0.0.1", timeout=30.0):
        super().__init__(socket.create_connection((host, port), timeout=timeout))
        self.answers = {}

    def associate(self, *contexts, **more):
        """Context ID -> (result, transfer syntax); the whole A-ASSOCIATE-AC is in `accept`."""
        self.send(associate_rq(contexts or ((1, CT, EXPLICIT),), **more))
        kind, body = self.read_pdu()
        assert kind == ASSOCIATE_AC, (kind, body)
        self.accept = body
        offset = 68
        while offset < len(body):
            item_kind, length = struct.unpack_from(">BxH", body, offset)
            value = body[offset + 4 : offset + 4 + length]
            if item_kind == 0x21:
                self.answers[value[0]] = value[2], value[8:].decode()
            offset += 4 + length
        return self.answers

    def send_store(self, sop_instance, data, *, context_id=1, fragment=16000, **more):
        sop_class = more.pop("sop_class", CT)
        command = store_command(sop_class, sop_instance, data=data is not None, **more)
        self.send(p_data(pdv(context_id, 3, command)))
        if data is not None:
            self.send_data(data, context_id=context_id, fragment=fragment)

    def send_data(self, data, *, context_id=1, fragment=16000):
        for offset in range(0, max(len(data), 1), fragment):
            last = 2 if offset + fragment >= len(data) else 0
            self.send(p_data(pdv(context_id, last, data[offset : offset + fragment])))

    def read_response(self):
        """The command set of the next message, as element number -> value."""
        kind, body = self.read_pdu()
        assert kind == P_DATA, (kind, body)
        length, _, control = struct.unpack_from(">LBB", body)
        assert control == 3
        assert length == len(body) - 4
        return read_command(body[6:])

    def read_status(self):
        return struct.unpack("<H", self.read_response()[0x0900])[0]

    def store(self, sop_instance, data, **more):
        """Send one instance and return the status."""
        self.send_store(sop_instance, data, **more)
        return self.read_status()

    def echo(self, context_id=1):
        self.send(p_data(pdv(context_id, 3, ECHO_COMMAND)))
        return self.read_status()

    def release(self):
        self.send(RELEASE_RQ_PDU)
        kind, _ = self.read_pdu()
        assert kind == RELEASE_RP
        self.close()
