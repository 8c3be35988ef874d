"""Kills kv_server with SIGKILL at random points under load, and expects every write that it had
acknowledged with --sync always to be there when it has started again.

    durability.py KV_SERVER [TIMES] [SEED]
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 6
DEPTH = 4  # requests that a client has under way
FRESH_LOG_AFTER = 25  # kills


def request(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Server:
    def __init__(self, program, log):
        self.process = subprocess.Popen(
            [program, "--port", "0", "--log", log, "--sync", "always"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for line in self.process.stdout:
            match = re.match(rb"listening on 127\.0\.0\.1:(\d+)$", line.strip())
            if match:
                self.port = int(match.group(1))
                return
        raise SystemExit("durability: kv_server ended before it listened")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


class Client(threading.Thread):
    """Sets key after key, and counts what was acknowledged."""

    def __init__(self, server, name, first):
        super().__init__()
        self.server, self.name_, self.acknowledged, self.sent = server, name, first, first
        self.error = None

    def run(self):
        try:
            with self.server.connect() as connection:
                replies = connection.makefile("rb")
                while True:
                    batch = range(self.sent, self.sent + random.randint(1, DEPTH))
                    self.sent = batch.stop
                    connection.sendall(b"".join(
                        request(b"SET", b"%s:%d" % (self.name_, n), b"value %d" % n) for n in batch
                    ))
                    for n in batch:
                        reply = replies.readline()
                        if not reply.endswith(b"\r\n"):
                            return
                        if reply != b"+OK\r\n":
                            self.error = f"SET was answered with {reply!r}"
                            return
                        self.acknowledged = n + 1
        except OSError:
            pass  # it was killed


def check(server, known):
    """Every acknowledged write is there, with its value."""
    missing = 0
    with server.connect() as connection:
        replies = connection.makefile("rb")
        for name, count in known.items():
            for start in range(0, count, 500):
                keys = range(start, min(start + 500, count))
                connection.sendall(request(b"MGET", *(b"%s:%d" % (name, n) for n in keys)))
                if replies.readline() != b"*%d\r\n" % len(keys):
                    raise SystemExit("durability: MGET was answered with an error")
                for n in keys:
                    size = int(replies.readline()[1:])
                    value = replies.read(size + 2)[:-2] if size >= 0 else None
                    if value != b"value %d" % n:
                        missing += 1
    return missing


def main():
    if not 2 <= len(sys.argv) <= 4:
        raise SystemExit(__doc__)
    program = sys.argv[1]
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
    random.seed(seed)
    print(f"seed {seed}", flush=True)
    writes = 0
    unacknowledged = 0
    with tempfile.TemporaryDirectory() as folder:
        known = {}
        log = None
        for kill in range(times):
            if kill % FRESH_LOG_AFTER == 0:
                known, log = {}, os.path.join(folder, f"log{kill}")
            server = Server(program, log)
            try:
                missing = check(server, known)
                if missing:
                    raise SystemExit(f"durability: {missing} acknowledged writes are gone after kill {kill}")
                clients = [
                    Client(server, b"c%d" % i, known.get(b"c%d" % i, 0)) for i in range(CLIENTS)
                ]
                for client in clients:
                    client.start()
                time.sleep(random.uniform(0.005, 0.3))
            finally:
                server.kill()
            for client in clients:
                client.join()
                if client.error:
                    raise SystemExit(f"durability: {client.error}")
                writes += client.acknowledged - known.get(client.name_, 0)
                unacknowledged += client.sent - client.acknowledged
                known[client.name_] = client.acknowledged
        server = Server(program, log)
        missing = check(server, known)
        server.kill()
        if missing:
            raise SystemExit(f"durability: {missing} acknowledged writes are gone after the last kill")
    if writes == 0:
        raise SystemExit("durability: nothing was written, so nothing was tested")
    print(
        f"{times} kills: all of {writes} acknowledged writes were there; "
        f"{unacknowledged} were under way"
    )


main()
