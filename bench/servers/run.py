"""Loads our servers and their peers in turn, and prints Markdown tables of what a second of processor time serves.

    run.py BUILD_DIRECTORY ROUNDS [echo|redis|http|idle]…

Servers have the first processor and clients the second; in each round another one is the first. Of each server the
median of the rounds counts, and the median of its ratios to ours in the same round. A peer that is not installed is
left out.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SERVER_CPU, CLIENT_CPU = {0}, {1 if (os.cpu_count() or 1) > 1 else 0}
ECHO_SECONDS = 1
ECHO_BYTES = 64
REDIS_TESTS = ["GET", "SET", "INCR", "LPUSH", "MSET (10 keys)"]
IDLE_CONNECTIONS = 10_000


def processor_time(pid):
    """Of all threads, in seconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


class Server:
    def __init__(self, command, ready):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CPU),
        )
        self.pid = self.process.pid
        self.port = ready(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def says_where(process):
    for line in process.stdout:
        match = re.match(rb"listening on .*:(\d+)$", line.strip())
        if match:
            return int(match.group(1))
    raise SystemExit(f"{process.args[0]} ended before it listened")


def client(command):
    return subprocess.run(
        command, capture_output=True, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, CLIENT_CPU),
    ).stdout


def table(title, columns, rows, ours):
    """rows: name -> list of lists of measurements, one for each column."""
    print(f"\n{title}\n\n| |" + "".join(f" {c} | ratio |" for c in columns))
    print("| --- |" + " ---: | ---: |" * len(columns))
    for name, values in rows.items():
        ratios = [
            statistics.median(our / their for our, their in zip(rows[ours][i], theirs))
            for i, theirs in enumerate(values)
        ]
        cells = "".join(
            f" {statistics.median(theirs):,.0f} | {ratios[i]:.2f} |" for i, theirs in enumerate(values)
        )
        print(f"| {name} |{cells}")
    print("\nratio: ours divided by that one's, in the same round", flush=True)


def in_turn(programs, round_):
    """Another one is the first in each round."""
    items = list(programs.items())
    first = round_ % len(items)
    return items[first:] + items[:first]


def echo(build, rounds):
    programs = {"stackless echo_server": [f"{build}/examples/echo_server", "0"]}
    peers = f"{build}/bench/servers"
    programs["liburing, one receive at a time"] = [f"{peers}/echo_uring", "0", "plain"]
    programs["liburing, multishot receive"] = [f"{peers}/echo_uring", "0", "multishot"]
    if os.path.exists(f"{peers}/echo_asio"):
        programs["Asio, C++20 coroutines"] = [f"{peers}/echo_asio", "0"]
    if os.path.exists(f"{peers}/echo_tokio"):
        programs["tokio"] = [f"{peers}/echo_tokio", "0"]
    if os.path.exists(f"{peers}/echo_go"):
        programs["Go"] = [f"{peers}/echo_go", "0"]
    connections = [50, 500]
    results = {name: [[] for _ in connections] for name in programs}
    for round_ in range(rounds):
        for i, count in enumerate(connections):
            for name, command in in_turn(programs, round_):
                with Server(command, says_where) as server:
                    out = client([
                        f"{peers}/echo_clients", str(server.port), str(count), str(ECHO_BYTES),
                        str(ECHO_SECONDS), str(server.pid),
                    ])
                    results[name][i].append(float(out.split()[1]))
    table(
        f"Echo of {ECHO_BYTES} bytes, requests per second of the server's processor time",
        [f"{count} connections" for count in connections], results, "stackless echo_server",
    )


def redis(build, rounds, folder):
    if not (shutil.which("redis-server") and shutil.which("redis-benchmark")):
        print("\nredis-server and redis-benchmark are not installed: left out")
        return
    redis_log = os.path.join(folder, "redis")
    os.mkdir(redis_log)

    def redis_port(process):
        for line in process.stdout:
            if b"Ready to accept connections" in line:
                return 17_379
        raise SystemExit("redis-server did not start")

    servers = {
        "stackless kv_server": (
            [f"{build}/examples/kv_server/kv_server", "--port", "0"], says_where),
        "redis-server": (
            ["redis-server", "--port", "17379", "--save", "", "--appendonly", "no", "--dir", redis_log],
            redis_port),
    }
    for depth, requests in ((1, 100_000), (16, 800_000)):
        results = {name: [[] for _ in REDIS_TESTS] for name in servers}
        for round_ in range(rounds):
            for name, (command, ready) in in_turn(servers, round_):
                with Server(command, ready) as server:
                    for i, test in enumerate(REDIS_TESTS):
                        before = processor_time(server.pid)
                        client([
                            "redis-benchmark", "-p", str(server.port), "-t", test.split()[0].lower(),
                            "-c", "50", "-P", str(depth), "-n", str(requests), "-q",
                        ])
                        used = processor_time(server.pid) - before
                        results[name][i].append(requests / used)
        table(
            f"redis-benchmark -c 50 -P {depth}, requests per second of the server's processor time",
            REDIS_TESTS, results, "stackless kv_server",
        )


NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log /dev/null crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:17480; root {folder}/files; }}
}}
"""


def http(build, rounds, folder):
    if not (shutil.which("nginx") and shutil.which("wrk")):
        print("\nnginx and wrk are not installed: left out")
        return
    os.chmod(folder, 0o755)
    os.mkdir(f"{folder}/files")
    sizes = {"1 KB": 1000, "100 KB": 100_000, "10 MB": 10_000_000}
    for size in sizes.values():
        with open(f"{folder}/files/{size}", "wb") as file:
            file.write(os.urandom(size))
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(NGINX.format(folder=folder))

    def nginx_port(_):
        time.sleep(0.5)
        return 17_480

    servers = {
        "stackless http_server": (
            [f"{build}/examples/http_server/http_server", "--port", "0", f"{folder}/files"], says_where),
        "nginx": (["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], nginx_port),
    }
    results = {name: [[] for _ in sizes] for name in servers}
    for round_ in range(rounds):
        for name, (command, ready) in in_turn(servers, round_):
            with Server(command, ready) as server:
                for i, size in enumerate(sizes.values()):
                    before = processor_time(server.pid)
                    out = client([
                        "wrk", "-t", "1", "-c", "50", "-d", "2s", f"http://127.0.0.1:{server.port}/{size}",
                    ])
                    used = processor_time(server.pid) - before
                    if "Non-2xx" in out:
                        raise SystemExit(f"{name} answered with errors:\n{out}")
                    results[name][i].append(int(re.search(r"(\d+) requests in", out).group(1)) / used)
    table(
        "wrk -c 50, requests per second of the server's processor time, by the size of the file",
        list(sizes), results, "stackless http_server",
    )


def idle(build):
    import resource
    import socket
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE_CONNECTIONS, hard - 100)

    def anonymous(pid):
        with open(f"/proc/{pid}/status") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1))

    print(f"\n{count:,} idle connections, memory of the server for each\n")
    print("| | KiB |\n| --- | ---: |")
    servers = {
        "stackless echo_server": [f"{build}/examples/echo_server", "0"],
        "stackless kv_server": [f"{build}/examples/kv_server/kv_server", "--port", "0"],
        "Asio, C++20 coroutines": [f"{build}/bench/servers/echo_asio", "0"],
        "tokio": [f"{build}/bench/servers/echo_tokio", "0"],
        "Go": [f"{build}/bench/servers/echo_go", "0"],
    }
    for name, command in servers.items():
        if not os.path.exists(command[0]):
            continue
        with Server(command, says_where) as server:
            time.sleep(0.2)
            before = anonymous(server.pid)
            connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(count)]
            time.sleep(1)
            print(f"| {name} | {(anonymous(server.pid) - before) / count:.1f} |", flush=True)
            for connection in connections:
                connection.close()


def main():
    parts = ["echo", "redis", "http", "idle"]
    chosen = sys.argv[3:] or parts
    if len(sys.argv) < 3 or not set(chosen) <= set(parts):
        raise SystemExit(__doc__)
    build, rounds = sys.argv[1], int(sys.argv[2])
    if "echo" in chosen:
        echo(build, rounds)
    if "redis" in chosen:
        with tempfile.TemporaryDirectory() as folder:
            redis(build, rounds, folder)
    if "http" in chosen:
        with tempfile.TemporaryDirectory() as folder:
            http(build, rounds, folder)
    if "idle" in chosen:
        idle(build)


main()
