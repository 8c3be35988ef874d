"""Prints what scripts/bench-peers has measured as Markdown tables.

    table.py peers RESULTS ROUNDS [go] [asio]
    table.py budgets RESULTS ROUNDS
    table.py tracking RESULTS ROUNDS COMPILER WITH WITHOUT [COMPILER WITH WITHOUT]

RESULTS is the folder with a file for each program and round: NAME-ROUND.json and NAME-ROUND-memory.json from Google
Benchmark, NAME-ROUND.txt with a name and a number a line from a peer.
"""

import json
import re
import statistics
import sys
from pathlib import Path

BYTES = "blocked_tasklet_bytes"

# name, title, unit, what a peer does in its place
OPERATIONS = [
    ("unbuffered_message", "message, unbuffered channel", "ns", {}),
    ("buffered_message_128", "message, channel of 128", "ns", {}),
    ("awaited_call", "awaited call", "ns", {"go": "a plain call"}),
    ("spawn_run", "spawn and run, 100 at a time", "ns", {}),
    ("spawn_join", "spawn and join, one by one", "ns", {}),
    ("yield_among_1000", "yield among 1000", "ns", {}),
    ("select_2_ready", "select of 2, one ready", "ns", {}),
    ("select_8_ready", "select of 8, one ready", "ns", {}),
    ("mutex_uncontended", "mutex, alone", "ns", {"asio": "has none"}),
    ("mutex_among_100", "mutex among 100, held over a yield", "ns", {"asio": "has none"}),
    ("when_all_of_10", "all of 10 children", "ns", {}),
    ("cancel_100k_sleepers", "cancel, of 100 000 sleepers, each", "ns", {}),
    ("timers_1M", "timer, of 1 M spawned, inserted, fired, each", "ns", {}),
    ("blocked_tasklet_1M", "made and blocked, of 1 M, each", "ns", {}),
    (BYTES, "memory of one that is blocked", "bytes", {}),
]
TITLES = {name: (title, unit) for name, title, unit, _ in OPERATIONS}
NAMES = {"stackless": "stackless", "go": "Go", "asio": "Asio"}


def ours(folder, name, round_number):
    """Operation to (value, multiples of the floor, label) of one round."""
    found = {}
    for suffix in ("", "-memory"):
        text = (folder / f"{name}-{round_number}{suffix}.json").read_text()
        for run in json.loads(text)["benchmarks"]:
            operation = run["name"].split("/")[0]
            found[operation] = (run["ns"], run["x_floor"], run.get("label", ""))
            if "bytes" in run:
                found[BYTES] = (run["bytes"], 0, run.get("label", ""))
    return found


def theirs(folder, name, round_number):
    lines = (folder / f"{name}-{round_number}.txt").read_text().splitlines()
    return {operation: float(value) for operation, value in map(str.split, lines)}


def number(value):
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def cell(values):
    """The median, and the range it comes from."""
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def print_table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("| --- |" + " ---: |" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def peers(folder, rounds, names):
    own = [ours(folder, "stackless", r) for r in rounds]
    measured = {name: [theirs(folder, name, r) for r in rounds] for name in names}
    header = ["operation", "", "stackless"]
    for name in names:
        header += [NAMES[name], f"{NAMES[name]} / stackless"]
    rows = []
    for operation, title, unit, notes in OPERATIONS:
        values = [r[operation][0] for r in own]
        row = [title, unit, cell(values)]
        for name in names:
            if operation not in measured[name][0]:
                row += [notes.get(name, "not measured"), ""]
                continue
            other = [r[operation] for r in measured[name]]
            note = f", {notes[name]}" if name in notes else ""
            row += [cell(other) + note, f"{statistics.median(other) / statistics.median(values):.1f}"]
        rows.append(row)
    print_table(header, rows)
    for name in NAMES:
        if name == "stackless" or name in names:
            continue
        print(f"\n{NAMES[name]} was not there to be measured.")


def budgets(folder, rounds):
    own = [ours(folder, "stackless", r) for r in rounds]
    rows = []
    for operation in own[0]:
        label = own[0][operation][2]
        values = [r[operation][0] for r in own]
        title = TITLES.get(operation, (operation.replace("_", " "), ""))[0]
        if limits := re.match(r"budget (\S+) ns or (\S+) x floor", label):
            ratios = [r[operation][1] for r in own]
            kept = statistics.median(values) <= float(limits[1]), statistics.median(ratios) <= float(limits[2])
            rows.append([
                title, cell(values) + " ns", f"{limits[1]} ns", "yes" if kept[0] else "no",
                cell(ratios), limits[2], "yes" if kept[1] else "no",
            ])
        elif operation == BYTES and (limits := re.match(r"budget (\d+) bytes", label)):
            kept = statistics.median(values) <= float(limits[1])
            rows.append([title, cell(values) + " bytes", f"{limits[1]} bytes", "yes" if kept else "no", "", "", ""])
    print_table(["operation", "measured", "budget", "held", "times the floor", "budget", "held"], rows)


def tracking(folder, rounds, builds):
    rows = []
    for compiler, with_it, without_it in zip(builds[::3], builds[1::3], builds[2::3]):
        pairs = [(ours(folder, with_it, r), ours(folder, without_it, r)) for r in rounds]
        for operation in ("unbuffered_message", "buffered_message_128", "awaited_call", "spawn_run", "spawn_join", BYTES):
            title, unit = TITLES[operation]
            a = [pair[0][operation][0] for pair in pairs]
            b = [pair[1][operation][0] for pair in pairs]
            # of the same round: what the neighbours did is in both
            differences = [x - y for x, y in zip(a, b)]
            quartiles = statistics.quantiles(differences, n=4) if len(differences) > 1 else differences * 3
            difference = f"{number(quartiles[1])} ({number(quartiles[0])}–{number(quartiles[2])})"
            rows.append([title, compiler, unit, cell(a), cell(b), difference])
    print_table(["operation", "compiler", "", "with", "without", "difference, quartiles"], rows)


def main():
    mode, folder, rounds, *names = sys.argv[1:]
    numbers = range(1, int(rounds) + 1)
    if mode == "peers":
        peers(Path(folder), numbers, names)
    elif mode == "budgets":
        budgets(Path(folder), numbers)
    else:
        tracking(Path(folder), numbers, names)


main()
