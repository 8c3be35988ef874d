#!/usr/bin/env bash
# The timeline is what Chrome and Perfetto read: JSON, whose slices neither overlap nor are empty of names.
set -euo pipefail

command -v python3 >/dev/null || { echo "timeline.test.sh: skipped, there is no python3"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/stackless-timeline.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ "$("$1" "$work/timeline.json" | tr '\n' ' ')" = "1 4 9 16 25 " ]
python3 - "$work/timeline.json" <<'PYTHON'
import json
import sys

trace = json.load(open(sys.argv[1]))
events = trace["traceEvents"]
names = {e["tid"]: e["args"]["name"] for e in events if e.get("name") == "thread_name"}
assert set(names.values()) == {"#1 main", "#2 produce", "#3 square"}, names
ends, seen = {}, set()
for e in sorted((e for e in events if e["ph"] == "X"), key=lambda e: (e["ts"], e["dur"])):
    assert e["name"] and e["dur"] >= 0 and e["tid"] in names, e
    assert e["ts"] >= ends.get(e["tid"], 0) - 0.0005, ("overlaps", e)
    ends[e["tid"]] = e["ts"] + e["dur"]
    seen.add((names[e["tid"]], e["name"]))
for wanted in [
    ("#1 main", "receive 'squares'"),
    ("#2 produce", "sleep"),
    ("#2 produce", "running"),
    ("#3 square", "receive 'numbers'"),
]:
    assert wanted in seen, (wanted, seen)
slept = [e["dur"] for e in events if e["ph"] == "X" and e["name"] == "sleep"]
assert len(slept) == 5 and min(slept) > 0, slept  # how long is up to the machine
sent = [e for e in events if e["ph"] == "i" and e["name"] == "send 'numbers'"]
assert len(sent) == 5 and all(names[e["tid"]] == "#2 produce" and e["s"] == "t" for e in sent), sent
assert trace["otherData"]["events left out"] == 0
PYTHON
