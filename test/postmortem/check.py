"""Compares what tools/stackless-gdb.py shows with the program's own report.

    check.py GDB SCRIPT PROGRAM

Both of the process when it has died, and of its core file. Ends with 77 where gdb may not trace.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile

gdb, script, program = sys.argv[1:4]


def run(*command, **options):
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=100, **options
    )


def in_gdb(*commands, core=None):
    arguments = [gdb, "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set width 0"]
    arguments += ["-ex", f"source {script}"]
    for command in commands:
        arguments += ["-ex", command]
    result = run(*arguments, program, *([core] if core else []))
    return result.stdout + result.stderr


def blocks(text):
    """By title, a tasklet's frames and where it was spawned: what is said by both."""
    found, title = {}, None
    for line in text.splitlines():
        if match := re.match(r"#\d+ \S+", line):
            title = re.split(r" {3}", line)[0]
            found[title] = []
        elif not line:
            title = None
        elif title and re.match(r" {0,4}\d+  \S| {6}(spawned|root of)", line):
            found[title].append(" ".join(line.split()))
    return found


def fail(why, *texts):
    print("check.py:", why)
    for text in texts:
        print("----\n" + text)
    sys.exit(1)


def compare(report, text, where):
    expected, got = blocks(report), blocks(text)
    if "(function not known)" in report:  # without tracking the report shows more of them together
        got = {title: got.get(title) for title in expected}
    elif len(expected) < 12:
        fail("the report has not all tasklets", report)
    if len(expected) < 8 or not all(expected.values()):
        fail("the report has not what is expected", report)
    if expected != got:
        for title in sorted(set(expected) | set(got)):
            if expected.get(title) != got.get(title):
                print(title, "\n  report:", expected.get(title), "\n  gdb:   ", got.get(title))
        fail(f"{where}: gdb shows other tasklets or frames than the report", report, text)


def expect(text, *parts):
    for part in parts:
        if part not in text:
            fail(f"gdb does not say {part!r}", text)


if not os.path.exists(program):
    fail("there is no " + program)
os.chdir(tempfile.mkdtemp(prefix="stackless-postmortem."))

# A core file by the kernel, where it writes any here; else by gdb.
with open("/proc/sys/kernel/core_pattern") as pattern:
    kernel_writes = not re.search(r"[|/]", pattern.read())
limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
core = None
if kernel_writes:
    try:
        died = run(program, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, limit))
        report = died.stdout
        core = next((f for f in os.listdir(".") if f.startswith("core")), None)
    except (ValueError, OSError, subprocess.SubprocessError):
        pass
live = in_gdb("run > report", "stackless tasklets all", "generate-core-file by-gdb")
traced = os.path.exists("by-gdb")
if traced:
    with open("report") as text:
        compare(text.read(), live, "process")
if core is None:
    if not traced:
        print("check.py: skipped: gdb may not trace here, and there are no core files\n" + live)
        sys.exit(77)
    core, report = "by-gdb", open("report").read()

text = in_gdb("stackless tasklets all", core=core)
compare(report, text, "core file")
expect(
    text,
    "receive on channel 'a' (unbuffered)",
    "send on channel 'c' (buffer 2 of 2)",
    "lock mutex",
    "held by #5 holder",
    "wait event 'never'",
    "join #2 ping",
    "I/O read descriptor ",
    "select of receive on channel 'a'",
    "(1 child)",
    "#1 main   running",
    "#8 sleeper   blocked (step ",
    "; a daemon",
    "#13 fresh   not started yet",
)

one = in_gdb("stackless tasklet 4", "stackless tasklet 99", "stackless tasklet x", core=core)
if blocks(one) != {"#4 full": blocks(report)["#4 full"]}:
    fail("stackless tasklet 4", one)
expect(one, "there is no tasklet #99", "stackless tasklet N: the number of a tasklet")

if "(function not known)" in report:
    print("checked what there is without tracking")
    sys.exit(0)
expect(text, "lock mutex made program.cpp:")

graph = in_gdb("stackless graph", core=core)
expect(graph, "digraph stackless {", '[shape=box, label="#2 ping"]', "[style=dashed, label=holder]")
names = dict(re.findall(r'(".*?") \[shape=\w+, label="(.*?)"\]', graph))
edges = set()
for start, end, label in re.findall(r'(".*?") -> (".*?") \[.*?label="?([\w ]+)"?\]', graph):
    edges.add((names.get(start), re.sub(r"\d+$", "", names.get(end)), label))
for edge in [
    ("#2 ping", "channel 'a'", "receive"),
    ("#3 pong", "channel made program.cpp:", "receive"),
    ("#6 wants", "mutex made program.cpp:", "lock"),
    ("#9 chooser", "channel 'a'", "receive"),
    ("#9 chooser", "event 'never'", "wait"),
    ("#11 joiner", "#2 ping", "join"),
    ("channel 'a'", "#3 pong", "holder"),
    ("channel 'a'", "#1 main", "holder"),
    ("channel 'a'", "#9 chooser", "holder"),
]:
    if edge not in edges:
        fail(f"the graph lacks {edge}", graph)
if ("channel 'a'", "#4 full", "holder") in edges:
    fail("the graph has a holder that is none", graph)
print("checked: a core file by", "gdb" if core == "by-gdb" else "the kernel", "and a process" if traced else "")
