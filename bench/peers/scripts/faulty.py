"""A small server that shuts down as it should, or wrongly in one chosen way, in Python's standard library alone.

What must hold: without a fault it keeps every promise that the prover knows. On SIGTERM readiness fails, a lame-duck
phase serves on, answers say `Connection: close`, handshakes are filtered before the listener closes, idle connections
are closed once they have been quiet, event streams end behind an event, WebSockets are sent away one after the other,
and what is stuck at the end is named.
"""

import argparse
import asyncio
import base64
import ctypes
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

LAME_DUCK = 0.8  # how long it serves on with readiness failing
QUIET = 0.15  # without a new connection for so long nobody is on the way to the queue
IDLE = 0.9  # while stopping, a connection without a byte for so long is closed
HEAD_LIMIT = 1.0  # while stopping, a head that has not ended by then never will
LINGER = 0.5  # how long a closed connection is read on, so that it ends with FIN and not with RST
RESERVE = 1.0  # kept back at the end of the grace to tell what is stuck
CUT_OFF = 0.4  # what peers have to see the end of their connections
PACE = 0.04  # between two WebSockets that are sent away
EVENT = 0.05  # between two events

arguments = argparse.ArgumentParser()
arguments.add_argument("--listen", required=True)
arguments.add_argument("--admin", required=True)
arguments.add_argument("--fault", default="none")
arguments.add_argument("--grace", type=float, default=30.0)
arguments.add_argument("--start-up", type=int, default=0)
arguments.add_argument("--books")
options = arguments.parse_args()
FAULTS = """none resets closes cuts orphan not-found empty short-bodies closes-idle drops-queue stays-ready exit-three
unannounced stuck-untold loses-orders event-cut event-torn events-hang websocket-cut websocket-1000 websocket-burst
websocket-hurried event-status websocket-refuses""".split()
if options.fault not in FAULTS:
    sys.exit(f"no fault {options.fault}, expected one of {' '.join(FAULTS)}")


class Over(Exception):
    """The connection carries no more."""


class GivenUp(Over):
    """Nothing came in time."""


class State:
    def __init__(self):
        self.signalled = None
        self.stop = asyncio.Event()
        self.signals = 0
        self.accepted = 0
        self.open = 0
        self.sent_away = 0
        self.in_flight = []
        self.tasks = set()
        self.waiting = set()
        self.is_cut_off = False
        self.is_known = False

    def heard(self):
        self.signals += 1
        if self.signalled is None:
            self.signalled = time.monotonic()
            self.stop.set()
            self.wake()
        if self.signals == 3:
            os._exit(128 + signal.SIGTERM)

    def wake(self):
        for wake in list(self.waiting):
            wake()

    async def cut_off(self):
        """Whoever is being served gets no answer; each connection ends with FIN."""
        self.is_cut_off = True
        self.wake()
        until = time.monotonic() + CUT_OFF
        while self.open > 0 and time.monotonic() < until:
            await asyncio.sleep(0.002)

    def stopping_for(self):
        return 0.0 if self.signalled is None else time.monotonic() - self.signalled

    def errs(self, fault):
        return options.fault == fault and self.signalled is not None

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Books:
    """Orders, each with a job, in a file that is there before anybody is told."""

    def __init__(self, path):
        self.path = path
        try:
            with open(path) as file:
                self.books = json.load(file)
        except FileNotFoundError:
            self.books = {"orders": 0, "receipts": 0, "duplicates": 0, "pending": 0, "running": 0, "ids": []}
        self.books["pending"] += self.books["running"]
        self.books["running"] = 0
        self.write()

    def write(self):
        beside = self.path + ".new"
        with open(beside, "w") as file:
            json.dump(self.books, file)
        os.replace(beside, self.path)

    def change(self, **changes):
        for name, by in changes.items():
            self.books[name] += by
        self.write()

    async def work(self, state):
        while state.signalled is None:
            if self.books["pending"] == 0:
                await asyncio.sleep(0.002)
                continue
            self.change(pending=-1, running=1)
            await asyncio.sleep(0.03)
            self.change(running=-1, receipts=1)


def drop_bare_syns(listener):
    """For a TCP socket a filter sees the TCP header; byte 13 holds the flags. SYN without ACK is dropped."""
    code = [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *it) for it in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
    SO_ATTACH_FILTER = 26
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def reset_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Connection:
    def __init__(self, sock, state, books):
        self.sock, self.state, self.books = sock, state, books
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.last_byte = time.monotonic()
        self.is_reset = False
        self.is_used = False

    async def more(self, give_up_in=None):
        """Reads more. `give_up_in`: seconds from now, looked at again when the signal comes; None for never."""
        while True:
            try:
                some = self.sock.recv(16384)
                break
            except BlockingIOError:
                pass
            except OSError:
                raise Over
            limit = None
            if self.state.signalled is not None and give_up_in is not None:
                limit = give_up_in()
                if limit <= 0:
                    raise GivenUp
            await self.readable(limit)
        if not some:
            raise Over
        self.buffer += some
        self.last_byte = time.monotonic()

    async def readable(self, limit):
        """Until there is something to read, the signal comes, or the time is up."""
        woken = self.loop.create_future()

        def wake(*_):
            if not woken.done():
                woken.set_result(None)

        self.loop.add_reader(self.sock, wake)
        self.state.waiting.add(wake)
        timer = None if limit is None else self.loop.call_later(limit, wake)
        try:
            await woken
        finally:
            self.loop.remove_reader(self.sock)
            self.state.waiting.discard(wake)
            if timer:
                timer.cancel()

    def idle_limit(self):
        stopping = self.state.stopping_for()
        if self.state.is_cut_off:
            return 0
        if self.buffer:
            return HEAD_LIMIT - stopping
        if options.fault == "closes-idle" and self.is_used and self.state.is_known:
            return 0
        return max(IDLE - (time.monotonic() - self.last_byte), IDLE - stopping)

    async def request(self):
        while b"\r\n\r\n" not in self.buffer:
            await self.more(self.idle_limit)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        self.fields = {name.lower(): value for name, value in fields.items()}
        return first.split(" ")[1]

    async def send(self, text):
        try:
            await self.loop.sock_sendall(self.sock, text if isinstance(text, bytes) else text.encode())
        except OSError:
            raise Over

    def is_last(self):
        return self.state.signalled is not None and options.fault != "unannounced"

    async def answer(self, status, body):
        last = self.is_last()
        close = "connection: close\r\n" if last else ""
        await self.send(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{close}\r\n{body}")
        if last:
            raise Over

    async def serve(self):
        try:
            while True:
                path = await self.request()
                self.state.in_flight.append(path)
                try:
                    await self.handle(path)
                finally:
                    self.is_used = True
                    self.state.in_flight.remove(path)
        except Over:
            pass
        await self.close()

    async def handle(self, path):
        route, _, query = path.partition("?")
        takes = int(query.removeprefix("ms=") or 0) / 1000
        length = int(self.fields.get("content-length", 0))
        while len(self.buffer) < length:
            await self.more()
        self.buffer = self.buffer[length:]
        if route == "/stream":
            return await self.stream(takes / 10)
        if route == "/raw":
            return await self.raw(takes / 10)
        if route == "/events":
            return await self.events()
        if route == "/ws":
            return await WebSocket(self).serve()
        if route == "/upload":
            return await self.answer("200 OK", str(length))
        await asyncio.sleep(takes)
        if self.state.is_cut_off:
            raise Over
        if self.state.errs("cuts"):
            await self.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nhalf")
            raise Over
        if self.state.errs("not-found"):
            return await self.answer("404 Not Found", "gone")
        if self.state.errs("empty"):
            return await self.answer("200 OK", "")
        if self.state.errs("resets"):
            reset_on_close(self.sock)
            self.is_reset = True
            raise Over
        if self.state.errs("closes"):
            raise Over
        if route != "/orders":
            return await self.answer("200 OK", "done")
        if not self.state.errs("loses-orders"):
            self.books.books["ids"].append(self.fields.get("idempotency-key", ""))
            self.books.change(orders=1, pending=1)
        await self.answer("201 Created", "done")

    async def stream(self, pause):
        last = self.is_last()
        close = "connection: close\r\n" if last else ""
        await self.send(f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{close}\r\n")
        for _ in range(10):
            await asyncio.sleep(pause)
            if self.state.errs("cuts"):
                raise Over
            await self.send("5\r\nchunk\r\n")
        await self.send("0\r\n\r\n")
        if last:
            raise Over

    async def raw(self, pause):
        await self.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(pause)
            if self.state.errs("short-bodies"):
                break
            await self.send("r" * 1000)
        raise Over

    async def events(self):
        if options.fault == "event-status":
            return await self.answer("404 Not Found", "no events")
        await self.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        retry = "retry: 2000\n"
        number = 0
        while self.state.signalled is None or options.fault == "events-hang":
            number += 1
            event = f"{retry}data: {number}\n\n"
            await self.send(f"{len(event):x}\r\n{event}\r\n")
            retry = ""
            # A peer that has gone is noticed here too.
            try:
                await asyncio.wait_for(self.state.stop.wait(), EVENT)
            except asyncio.TimeoutError:
                pass
            if options.fault == "events-hang" and self.state.signalled:
                await asyncio.sleep(EVENT)
        if options.fault == "event-cut":
            raise Over
        if options.fault == "event-torn":
            await self.send("6\r\ndata: \r\n")
        await self.send("0\r\n\r\n")
        raise Over

    async def close(self):
        if not self.is_reset:
            try:
                self.sock.shutdown(socket.SHUT_WR)
                until = time.monotonic() + LINGER
                while (left := until - time.monotonic()) > 0:
                    if not await asyncio.wait_for(self.loop.sock_recv(self.sock, 16384), left):
                        break
            except (OSError, asyncio.TimeoutError):
                pass
        self.sock.close()
        self.state.open -= 1


class WebSocket:
    """RFC 6455, of which only as much as is needed: unmasked text and Close out, anything in."""

    def __init__(self, connection):
        self.connection = connection
        self.place = None

    def wait(self):
        """How long until its turn to be sent away."""
        state = self.connection.state
        if self.place is None:
            self.place = state.sent_away
            state.sent_away += 1
        pace = 0 if options.fault == "websocket-burst" else PACE
        return 0.3 + self.place * pace - state.stopping_for()

    async def serve(self):
        connection = self.connection
        if options.fault == "websocket-refuses":
            return await connection.answer("403 Forbidden", "no WebSockets")
        key = connection.fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        await connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-accept: {accept}\r\n\r\n"
        )
        try:
            while True:
                opcode, payload = await self.frame(self.wait)
                if opcode == 8:
                    await self.write(8, payload)
                    raise Over
                if opcode in (1, 2):
                    await self.write(opcode, payload)
        except GivenUp:
            pass
        if options.fault == "websocket-cut":
            raise Over
        code = 1000 if options.fault == "websocket-1000" else 1001
        await self.write(8, struct.pack("!H", code) + b"going")
        if options.fault == "websocket-hurried":
            reset_on_close(connection.sock)
            connection.is_reset = True
            raise Over
        until = time.monotonic() + 1.0
        while (await self.frame(lambda: until - time.monotonic()))[0] != 8:
            pass
        raise Over

    async def write(self, opcode, payload):
        await self.connection.send(bytes([0x80 | opcode, len(payload)]) + payload)

    async def frame(self, give_up_in):
        """The next whole frame."""
        connection = self.connection

        async def need(count):
            while len(connection.buffer) < count:
                await connection.more(give_up_in)

        await need(2)
        opcode, length = connection.buffer[0] & 15, connection.buffer[1] & 127
        start = 2
        if length == 126:
            await need(4)
            length, start = struct.unpack("!H", connection.buffer[2:4])[0], 4
        await need(start + 4 + length)
        mask = connection.buffer[start : start + 4]
        masked = connection.buffer[start + 4 : start + 4 + length]
        connection.buffer = connection.buffer[start + 4 + length :]
        return opcode, bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


async def serve_probe(reader, writer, state):
    try:
        first = await reader.readline()
        is_live = first.startswith(b"GET /livez")
        is_good = is_live or state.signalled is None or options.fault == "stays-ready"
        status = "200 OK" if is_good else "503 Service Unavailable"
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.write_eof()
        if not is_good:
            state.is_known = True
            state.wake()
        await asyncio.wait_for(reader.read(), 0.5)
    except (OSError, asyncio.TimeoutError):
        pass
    writer.close()


async def accept_until(listener, state, books, is_over):
    while not is_over():
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            await asyncio.sleep(0.001)
            continue
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state.accepted += 1
        state.open += 1
        state.spawn(Connection(sock, state, books).serve())
        await asyncio.sleep(0)


async def empty_the_queue(listener, state, books):
    drop_bare_syns(listener)
    seen = [state.accepted, time.monotonic()]

    def is_quiet():
        if state.accepted != seen[0]:
            seen[:] = [state.accepted, time.monotonic()]
        return time.monotonic() - seen[1] >= QUIET

    await accept_until(listener, state, books, is_quiet)


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


async def main():
    state = State()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, state.heard)
    started = time.monotonic()
    while time.monotonic() - started < options.start_up / 1000:
        if state.signalled is not None:
            return 0
        await asyncio.sleep(0.002)
    if options.fault == "orphan":
        nowhere = subprocess.DEVNULL
        subprocess.Popen(["sleep", "600"], stdin=nowhere, stdout=nowhere, stderr=nowhere)
    books = Books(options.books)
    state.spawn(books.work(state))
    host, port = address(options.admin)
    await asyncio.start_server(lambda reader, writer: serve_probe(reader, writer, state), host, port)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address(options.listen))
    listener.listen(1024)
    listener.setblocking(False)
    await accept_until(listener, state, books, lambda: state.stopping_for() >= LAME_DUCK)
    if options.fault == "drops-queue":
        time.sleep(0.06)
    else:
        await empty_the_queue(listener, state, books)
    listener.close()
    if options.fault == "stays-ready":
        await asyncio.sleep(QUIET)
    while state.open > 0:
        if state.stopping_for() >= options.grace - RESERVE:
            if options.fault == "stuck-untold":
                return 0
            for path in state.in_flight:
                print(f"let go: {path}", file=sys.stderr, flush=True)
            if options.fault == "unannounced":
                await state.cut_off()
            return 124
        await asyncio.sleep(0.002)
    while books.books["running"] > 0:
        await asyncio.sleep(0.002)
    return 3 if options.fault == "exit-three" else 0


loop = asyncio.new_event_loop()
code = loop.run_until_complete(main())
sys.stderr.flush()
os._exit(code)
