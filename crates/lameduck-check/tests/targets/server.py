"""A server for tests: answers every request with `ok`, and ends at SIGTERM once all are answered.

server.py PORT [daemon] [line] [notify] [lame-duck] [deaf] [fd N]
"""
import os, signal, socket, sys, threading, time

port, flags = int(sys.argv[1]), sys.argv[2:]
if "daemon" in flags:
    # As daemon(7) has it: fork, a session of its own, fork again.
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)

if "fd" in flags:
    # One that others hold as well: what comes waits in it when this server has stopped.
    listener = socket.socket(fileno=int(flags[flags.index("fd") + 1]))
else:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
stopping = threading.Event()
# A lame duck answers on what is idle too, for those who have not noticed.
leaving = threading.Event()


def serve(connection):
    connection.settimeout(0.1)
    read = b""
    while True:
        try:
            more = connection.recv(65536)
        except TimeoutError:
            if leaving.is_set() and not read:
                break
            continue
        except OSError:
            break
        if not more:
            break
        read += more
        if read.endswith(b"\r\n\r\n"):
            if stopping.is_set() and read.startswith(b"OPTIONS"):
                connection.sendall(b"HTTP/1.1 503 Going\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                break
            read = b""
            close = b"connection: close\r\n" if stopping.is_set() else b""
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + close + b"content-length: 2\r\n\r\nok")
            if close:
                break
    connection.close()


def stop(*_):
    stopping.set()


signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in flags else stop)
if flags and flags[-1] in ("line", "notify"):
    time.sleep(0.4)
if "line" in flags:
    print("now listening on port", port, flush=True)
if "notify" in flags:
    name = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"STATUS=up\nREADY=1", name)
listener.settimeout(0.05)
threads = []
# As a lame duck it serves on for a while after the signal, for those who have not noticed.
until = None
while not stopping.is_set() or "lame-duck" in flags:
    if stopping.is_set():
        until = until or time.monotonic() + 0.5
        if time.monotonic() >= until:
            break
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        continue
    threads.append(threading.Thread(target=serve, args=(connection,)))
    threads[-1].start()
leaving.set()
listener.close()
for thread in threads:
    thread.join()
