"""Lets random clients at a server, most of them rude: resets, half requests, half-closed connections, bytes that come one
by one, garbage. Well-behaved ones among them must get what they asked for; in the end the server must have closed what
they had opened, must not have grown, must answer, and must end well.

    servers.py http_server|tls_echo PROGRAM [SECONDS] [SEED]
"""

import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 8
TIMEOUT = 30  # of anything that must come
MAY_GROW = 8 << 20  # bytes, beside a tenth


class Server:
    def __init__(self, arguments):
        environment = dict(os.environ)
        # What a sanitizer keeps back of freed memory is not to look like growth.
        options = environment.get("ASAN_OPTIONS", "")
        environment["ASAN_OPTIONS"] = options + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        for line in self.process.stdout:
            match = re.match(rb"listening on \S+:(\d+)$", line.strip())
            if match:
                self.port = int(match.group(1))
                # It must not wait for somebody who reads what else it says.
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return
        raise SystemExit("servers: it ended before it listened")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def receive_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


class Http:
    """What clients do to http_server."""

    def __init__(self, program, folder, numbers):
        self.files = {"/small": b"small\n", "/large": numbers.randbytes(3_000_000)}
        for name, content in self.files.items():
            with open(folder + name, "wb") as file:
                file.write(content)
        self.server = Server([program, "--port", "0", folder])

    def request(self, name, how="close"):
        return f"GET {name} HTTP/1.1\r\nHost: localhost\r\nConnection: {how}\r\n\r\n".encode()

    def expect(self, answer, name):
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or body != self.files[name]:
            raise AssertionError(f"{name}: got {len(body)} bytes after {head[:80]}")

    def well_behaved(self, numbers):
        name = numbers.choice(list(self.files))
        with self.server.connect() as connection:
            connection.sendall(self.request(name))
            self.expect(receive_all(connection), name)

    def half_closed(self, numbers):
        with self.server.connect() as connection:
            connection.sendall(self.request("/large", "keep-alive"))
            connection.shutdown(socket.SHUT_WR)
            self.expect(receive_all(connection), "/large")

    def slow(self, numbers):
        with self.server.connect() as connection:
            for byte in self.request("/small"):
                connection.sendall(bytes([byte]))
                time.sleep(0.001)
            self.expect(receive_all(connection), "/small")

    def never_done(self, numbers):
        with self.server.connect() as connection:
            request = self.request("/large")
            for byte in request[: numbers.randrange(1, len(request))]:
                connection.sendall(bytes([byte]))
                time.sleep(0.0005)

    def half_request_and_reset(self, numbers):
        connection = self.server.connect()
        request = self.request("/large")
        connection.sendall(request[: numbers.randrange(len(request))])
        reset(connection)

    def reset_in_the_answer(self, numbers):
        connection = self.server.connect()
        connection.sendall(self.request("/large", "keep-alive") * numbers.randrange(1, 20))
        connection.recv(numbers.randrange(1, 300_000))
        reset(connection)

    def gone_at_once(self, numbers):
        connection = self.server.connect()
        reset(connection) if numbers.random() < 0.5 else connection.close()

    def garbage(self, numbers):
        with self.server.connect() as connection:
            connection.sendall(numbers.randbytes(numbers.randrange(1, 100_000)))
            connection.shutdown(socket.SHUT_WR)
            receive_all(connection)

    rude = [half_closed, slow, never_done, half_request_and_reset, reset_in_the_answer, gone_at_once, garbage]


class Tls:
    """What clients do to tls_echo."""

    def __init__(self, program, folder, numbers):
        if shutil.which("openssl") is None:
            print("skipped: openssl is not installed")
            sys.exit(77)
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", folder + "/key.pem", "-out", folder + "/good.pem"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        if made.returncode != 0:
            raise SystemExit("servers: openssl made no certificate")
        self.context = ssl.create_default_context(cafile=folder + "/good.pem")
        self.server = Server([program, folder + "/good.pem", folder + "/key.pem", "0"])

    def connect(self):
        return self.context.wrap_socket(self.server.connect(), server_hostname="localhost")

    def hello(self):
        """What a client sends first."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self.context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def well_behaved(self, numbers):
        with self.connect() as connection:
            for _ in range(numbers.randrange(1, 4)):
                text = numbers.randbytes(numbers.randrange(1, 40_000))
                connection.sendall(text)
                got = b""
                while len(got) < len(text):
                    part = connection.recv(65536)
                    if not part:
                        raise AssertionError("the echo ended early")
                    got += part
                if got != text:
                    raise AssertionError("the echo is another one")

    def said_goodbye(self, numbers):
        connection = self.connect()
        connection.sendall(b"last words")
        if connection.recv(100) != b"last words":
            raise AssertionError("no echo before the end")
        connection.unwrap().close()

    def never_read(self, numbers):
        connection = self.connect()
        connection.settimeout(0.2)
        try:
            for _ in range(numbers.randrange(1, 30)):
                connection.sendall(bytes(65536))
        except TimeoutError:
            pass  # it does not read on: its answers wait for us
        reset(connection)

    def half_closed(self, numbers):
        connection = self.connect()
        connection.sendall(b"text")
        os_socket = socket.socket(fileno=os.dup(connection.fileno()))
        os_socket.shutdown(socket.SHUT_WR)
        os_socket.close()
        receive_all(connection)
        connection.close()

    def slow_hello(self, numbers):
        with self.server.connect() as connection:
            hello = self.hello()
            for byte in hello[: numbers.randrange(1, len(hello))]:
                connection.sendall(bytes([byte]))
                time.sleep(0.0005)

    def half_hello_and_reset(self, numbers):
        connection = self.server.connect()
        hello = self.hello()
        connection.sendall(hello[: numbers.randrange(len(hello) + 1)])
        if numbers.random() < 0.5:
            time.sleep(0.005)
        reset(connection)

    def reset_after_the_handshake(self, numbers):
        connection = self.connect()
        if numbers.random() < 0.5:
            connection.sendall(bytes(100_000))
        reset(connection)

    def garbage_in_the_middle(self, numbers):
        connection = self.connect()
        os_socket = socket.socket(fileno=os.dup(connection.fileno()))
        os_socket.sendall(numbers.randbytes(1000))
        os_socket.close()
        try:
            receive_all(connection)
        finally:
            connection.close()

    def garbage(self, numbers):
        with self.server.connect() as connection:
            connection.sendall(numbers.randbytes(numbers.randrange(1, 50_000)))
            connection.shutdown(socket.SHUT_WR)
            receive_all(connection)

    rude = [said_goodbye, never_read, half_closed, slow_hello, half_hello_and_reset, reset_after_the_handshake,
            garbage_in_the_middle, garbage]


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Load(threading.Thread):
    def __init__(self, service, end, seed):
        super().__init__()
        self.service, self.end, self.numbers = service, end, random.Random(seed)
        self.served, self.rude, self.failure = 0, 0, None

    # What must be answered, else the server is wrong; all others may be thrown out at any point.
    must_work = {"well_behaved", "said_goodbye", "slow"}

    def run(self):
        while time.monotonic() < self.end and self.failure is None:
            behave = type(self.service).well_behaved
            if self.numbers.random() < 0.7:
                behave = self.numbers.choice(self.service.rude)
            try:
                behave(self.service, self.numbers)
            except AssertionError as failure:
                self.failure = f"{behave.__name__}: {failure}"
            except OSError as failure:
                if behave.__name__ in self.must_work or isinstance(failure, TimeoutError):
                    self.failure = f"{behave.__name__}: {failure!r}"
            if behave.__name__ in self.must_work:
                self.served += 1
            else:
                self.rude += 1


def load(service, seconds, seed):
    end = time.monotonic() + seconds
    clients = [Load(service, end, f"{seed} {number}") for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for client in clients:
        if client.failure is not None:
            raise SystemExit(f"servers: seed {seed}: {client.failure}")
    return sum(client.served for client in clients), sum(client.rude for client in clients)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("http_server", "tls_echo"):
        print(__doc__, file=sys.stderr)
        return 2
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5
    seed = sys.argv[4] if len(sys.argv) > 4 else str(random.randrange(1 << 32))
    with tempfile.TemporaryDirectory() as folder:
        kind = Http if sys.argv[1] == "http_server" else Tls
        service = kind(sys.argv[2], folder, random.Random(seed))
        server = service.server
        try:
            served, rude, before = 0, 0, None
            # The first part shows what it needs, the others that it stays there.
            for part in range(4):
                more = load(service, seconds / 4, f"{seed} {part}")
                served, rude = served + more[0], rude + more[1]
                if server.process.poll() is not None:
                    raise SystemExit(f"servers: seed {seed}: it ended with {server.process.returncode}")
                if before is None:
                    # Threads and what they need are there from now on.
                    within(TIMEOUT, lambda: len(open_sockets(server)) <= 1)
                    before, descriptors = server.memory(), server.descriptors()
            if not within(TIMEOUT, lambda: server.descriptors() <= descriptors):
                raise SystemExit(f"servers: seed {seed}: {server.descriptors()} descriptors, {descriptors} before")
            after = server.memory()
            if after > before * 1.1 + MAY_GROW:
                raise SystemExit(f"servers: seed {seed}: grown from {before >> 10} to {after >> 10} KiB")
            service.well_behaved(random.Random(seed))
            status = server.end()
            if status != 0:
                raise SystemExit(f"servers: seed {seed}: status {status} after SIGTERM")
        finally:
            server.process.kill()
        print(f"{sys.argv[1]}: {served} served among {rude} rude clients; {before >> 10} KiB, then {after >> 10} KiB; "
              f"{descriptors} descriptors; seed {seed}")
    return 0


def open_sockets(server):
    """The listening one among them."""
    found = []
    for name in os.listdir(f"/proc/{server.process.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{server.process.pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.append(name)
    return found


if __name__ == "__main__":
    sys.exit(main())
