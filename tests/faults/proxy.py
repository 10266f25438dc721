"""A proxy between two DICOM programs that spoils what one of them sends, at a byte or a C-STORE."""

import contextlib
import socket
import struct
import threading
import time

import raw_peer as raw

C_STORE_RQ = b"\1\0"


class Proxy:
    """Passes on what comes to `port` to `target_port`, but for what it is told to do.

    `stores`: what to do with the nth C-STORE of all (from 1): "drop" takes it and answers success,
    "cut" breaks both connections inside it, "truncate" ends its data set early, "corrupt" changes
    its UID, "delay" holds it for `delay_seconds`, "stall" holds it until the end. `stall_at`,
    `cut_at`, `flip_at`: at that byte of what the requestor sends, counted over all connections;
    `drip_seconds`: answers go back byte by byte, with pauses.
    """

    def __init__(
        self, target_port, *, stores=None, delay_seconds=0.3, stall_at=None, cut_at=None,
        flip_at=None, drip_seconds=0.0, port=0,
    ):  # fmt: skip
        self.target_port = target_port
        self.stores = stores or {}
        self.delay_seconds = delay_seconds
        self.stall_at, self.cut_at, self.flip_at = stall_at, cut_at, flip_at
        self.drip_seconds = drip_seconds
        self.seen = 0  # C-STOREs
        self.passed = 0  # bytes of the requestor
        self.done = []  # what was done
        self.stopping = threading.Event()
        self._sockets = []
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        self._threads = []

    def __enter__(self):
        self._begin(self._accept)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in list(self._sockets):
            _end(each)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        for each in self._sockets:
            each.close()

    def _begin(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while not self.stopping.is_set():
            try:
                requestor, _ = self._listening.accept()
            except OSError:
                return
            try:
                acceptor = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                requestor.close()
                continue
            acceptor.settimeout(None)
            for each in (requestor, acceptor):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [requestor, acceptor]
            self._begin(self._forwards, requestor, acceptor)
            self._begin(self._backwards, acceptor, requestor)

    def _backwards(self, acceptor, requestor):
        with contextlib.suppress(OSError):
            while piece := acceptor.recv(1 << 16):
                if self.drip_seconds:
                    for byte in piece:
                        requestor.sendall(bytes((byte,)))
                        if self.stopping.wait(self.drip_seconds):
                            return
                else:
                    requestor.sendall(piece)
        _end(requestor, acceptor)

    def _forwards(self, requestor, acceptor):
        message = Message(self, requestor)
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = _read(requestor, 6)
                kind, length = struct.unpack(">BxL", head)
                body = _read(requestor, length)
                if kind == raw.P_DATA and self.stores:
                    for pdu in message.take(body):
                        acceptor.sendall(pdu)
                else:
                    self._pass_on(acceptor, head + body)
        _end(requestor, acceptor)

    def _pass_on(self, acceptor, data):
        with self._lock:
            begins, self.passed = self.passed, self.passed + len(data)
        if self.flip_at is not None and begins <= self.flip_at < begins + len(data):
            self.done.append("flip")
            data = bytearray(data)
            data[self.flip_at - begins] ^= 0xFF
        for position in (self.cut_at, self.stall_at):
            if position is not None and begins <= position < begins + len(data):
                acceptor.sendall(data[: position - begins])
                self.done.append("cut" if self.cut_at is not None else "stall")
                if self.stall_at is not None:
                    self.stopping.wait(60)
                raise EOFError
        acceptor.sendall(data)


class Message:
    """Follows the messages of one association; gives the PDUs to pass on."""

    def __init__(self, proxy, requestor):
        self._proxy, self._requestor = proxy, requestor
        self._command = b""
        self._action, self._fields, self._context = "", {}, 1
        self._cut_short = False

    def take(self, body):
        offset, pdvs = 0, []
        while offset < len(body):
            length, context, control = struct.unpack_from(">LBB", body, offset)
            pdvs += self._pdv(context, control, body[offset + 6 : offset + 4 + length])
            offset += 4 + length
        return [raw.p_data(*pdvs)] if pdvs else []

    def _pdv(self, context, control, fragment):
        if control & 1:
            self._command += fragment
            if control & 2:
                self._begin(raw.read_command(self._command), context)
                self._command = b""
        if not self._action:
            return [raw.pdv(context, control, fragment)]
        return self._spoilt(context, control, fragment)

    def _begin(self, fields, context):
        self._action, self._cut_short = "", False
        if fields[0x0100] != C_STORE_RQ:
            return
        proxy = self._proxy
        with proxy._lock:
            proxy.seen += 1
            self._action = proxy.stores.get(proxy.seen, "")
        self._fields, self._context = fields, context
        if self._action:
            proxy.done.append(self._action)
        if self._action == "delay":
            time.sleep(proxy.delay_seconds)
            self._action = ""

    def _spoilt(self, context, control, fragment):
        is_data, is_last = not control & 1, control & 2
        if self._action == "drop":
            if is_data and is_last:
                self._answer_success()
            return []
        if not is_data:
            return [raw.pdv(context, control, fragment)]
        if self._action == "cut":
            raise EOFError
        if self._action == "stall":
            self._proxy.stopping.wait(60)
            raise EOFError
        if self._action == "truncate":
            if self._cut_short:
                return []
            self._cut_short = True
            return [raw.pdv(context, 2, fragment[: len(fragment) // 2])]
        self._action = ""  # corrupt: the last digit of the first UID, the SOP Class UID's
        spoilt = bytearray(fragment)
        spoilt[16] ^= 1
        return [raw.pdv(context, control, bytes(spoilt))]

    def _answer_success(self):
        answer = raw.command_set({
            0x0002: self._fields[0x0002], 0x0100: raw.us(0x8001), 0x0120: self._fields[0x0110],
            0x0800: raw.us(0x0101), 0x0900: raw.us(0), 0x1000: self._fields[0x1000],
        })  # fmt: skip
        self._requestor.sendall(raw.p_data(raw.pdv(self._context, 3, answer)))


def _read(sock, count):
    found = bytearray()
    while len(found) < count:
        piece = sock.recv(count - len(found))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


def _end(*sockets):
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
