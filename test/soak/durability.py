"""Kills kv_server with SIGKILL at random points under load, and expects every write that it had
acknowledged with --sync always to be there when it has started again.

    durability.py KV_SERVER [TIMES] [SEED] [-- OPTION...]

The options are for kv_server. With --rewrite-growth, its log must have been rewritten meanwhile.
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
    def __init__(self, program, log, options):
        self.process = subprocess.Popen(
            [program, "--port", "0", "--log", log, "--sync", "always", *options],
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

    def rewrites(self):
        with self.connect() as connection:
            connection.sendall(request(b"INFO"))
            replies = connection.makefile("rb")
            text = replies.read(int(replies.readline()[1:]))
            return int(re.search(rb"aof_rewrites:(\d+)", text).group(1))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


class Client(threading.Thread):
    """Sets key after key, counts a number up and a list, and counts what was acknowledged."""

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
                        request(b"SET", b"%s:%d" % (self.name_, n), b"value %d" % n)
                        + request(b"INCR", b"count of " + self.name_)
                        + request(b"RPUSH", b"list of " + self.name_, b"%d" % n)
                        for n in batch
                    ))
                    for n in batch:
                        for expected in (b"+OK\r\n", b":%d\r\n" % (n + 1), b":%d\r\n" % (n + 1)):
                            reply = replies.readline()
                            if not reply.endswith(b"\r\n"):
                                return
                            if reply != expected:
                                self.error = f"{n}: {reply!r} came where {expected!r} was expected"
                                return
                        self.acknowledged = n + 1
        except OSError:
            pass  # it was killed


class Replies:
    def __init__(self, connection):
        self.connection, self.replies = connection, connection.makefile("rb")

    def ask(self, *words):
        self.connection.sendall(request(*words))
        return self.next()

    def next(self):
        line = self.replies.readline()
        if line[:1] == b":":
            return int(line[1:])
        if line[:1] == b"$":
            size = int(line[1:])
            return self.replies.read(size + 2)[:-2] if size >= 0 else None
        if line[:1] == b"*":
            return [self.next() for _ in range(int(line[1:]))]
        if line[:1] == b"+":
            return line[1:-2]
        raise SystemExit(f"durability: {line!r} was answered")


def check(server, known, sent):
    """Every acknowledged write is there, once and with its value. What was under way may be."""
    missing = 0
    with server.connect() as connection:
        replies = Replies(connection)
        for name, count in known.items():
            for start in range(0, count, 500):
                keys = range(start, min(start + 500, count))
                values = replies.ask(b"MGET", *(b"%s:%d" % (name, n) for n in keys))
                missing += sum(value != b"value %d" % n for n, value in zip(keys, values))
            elements = replies.ask(b"LRANGE", b"list of " + name, b"0", b"-1")
            counted = int(replies.ask(b"GET", b"count of " + name) or 0)
            if elements != [b"%d" % n for n in range(len(elements))]:
                raise SystemExit(f"durability: the list of {name} is not what was pushed")
            for what, found in (("list", len(elements)), ("count", counted)):
                if not count <= found <= sent[name]:
                    raise SystemExit(
                        f"durability: the {what} of {name} is {found}, with {count} acknowledged and {sent[name]} sent"
                    )
            # The next client begins where all three are.
            if counted < len(elements):
                raise SystemExit("durability: a later write is there without an earlier one")
            if counted > len(elements):
                replies.ask(b"RPUSH", b"list of " + name, b"%d" % len(elements))
            replies.ask(b"SET", b"%s:%d" % (name, counted), b"value %d" % counted)
            known[name] = counted
    return missing


def main():
    options = []
    if "--" in sys.argv:
        options = sys.argv[sys.argv.index("--") + 1:]
        del sys.argv[sys.argv.index("--"):]
    if not 2 <= len(sys.argv) <= 4:
        raise SystemExit(__doc__)
    program = sys.argv[1]
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
    random.seed(seed)
    print(f"seed {seed}", flush=True)
    writes = 0
    unacknowledged = 0
    rewrites = 0
    with tempfile.TemporaryDirectory() as folder:
        known, sent = {}, {}
        log = None
        for kill in range(times):
            if kill % FRESH_LOG_AFTER == 0:
                known, sent, log = {}, {}, os.path.join(folder, f"log{kill}")
            server = Server(program, log, options)
            try:
                missing = check(server, known, sent)
                if missing:
                    raise SystemExit(f"durability: {missing} acknowledged writes are gone after kill {kill}")
                clients = [
                    Client(server, b"c%d" % i, known.get(b"c%d" % i, 0)) for i in range(CLIENTS)
                ]
                for client in clients:
                    client.start()
                time.sleep(random.uniform(0.005, 0.3))
                rewrites += server.rewrites()
            finally:
                server.kill()
            for client in clients:
                client.join()
                if client.error:
                    raise SystemExit(f"durability: {client.error}")
                writes += client.acknowledged - known.get(client.name_, 0)
                unacknowledged += client.sent - client.acknowledged
                known[client.name_] = client.acknowledged
                sent[client.name_] = client.sent
        server = Server(program, log, options)
        missing = check(server, known, sent)
        server.kill()
        if missing:
            raise SystemExit(f"durability: {missing} acknowledged writes are gone after the last kill")
    if writes == 0:
        raise SystemExit("durability: nothing was written, so nothing was tested")
    if "--rewrite-growth" in options and rewrites == 0:
        raise SystemExit("durability: the log was never rewritten, so that was not tested")
    print(
        f"{times} kills, {rewrites} rewrites: all of {writes} acknowledged writes were there; "
        f"{unacknowledged} were under way"
    )


main()
