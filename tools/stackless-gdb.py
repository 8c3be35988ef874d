"""The tasklets of a program that uses stackless, in gdb: of a running process and of a core file.

    (gdb) source stackless-gdb.py
    (gdb) stackless tasklets          every tasklet, what it waits for, its async stack
    (gdb) stackless tasklet 7         one of them
    (gdb) stackless graph             who waits for what and who holds it, for graphviz

The program needs neither symbols nor debug information: it says itself how it is laid out, in
`stackless_debug_root`. The texts are those of the library's own reports.
"""

import bisect

import gdb

VERSION = 1
MAGIC = b"stackless-debug\0"
MOST_FRAMES = 256
MOST_TASKLETS = 2_000_000
FUNCTION_WIDTH = 43
WIDEST_FUNCTION = 60


class Problem(gdb.GdbError):
    pass


# --- memory ---------------------------------------------------------------------------------------


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return int.from_bytes(read(address, 8), "little")


def number(address, size=4, signed=False):
    return int.from_bytes(read(address, size), "little", signed=signed)


_texts = {}


def text_at(address, most=4096):
    """A C string. Most are literals, read again and again."""
    if address == 0:
        return ""
    if address in _texts:
        return _texts[address]
    found = b""
    at = address
    while len(found) < most:
        part = read(at, 64 - at % 64)  # never beyond a page that may be the last
        end = part.find(b"\0")
        if end >= 0:
            found += part[:end]
            break
        found += part
        at += len(part)
    _texts[address] = found.decode("utf-8", "replace")
    return _texts[address]


# --- function names: as src/diagnostics/function_name.cpp spells them -------------------------------


def is_name_part(c):
    return c == "_" or (c.isascii() and c.isalnum())


def starts_a_name(text, at):
    return at == 0 or not (is_name_part(text[at - 1]) or text[at - 1] == ":")


def replace_all(text, what, by):
    at = 0
    while (at := text.find(what, at)) >= 0:
        if is_name_part(what[0]) and not starts_a_name(text, at):
            at += len(what)
        else:
            text = text[:at] + by + text[at + len(what) :]
            at += len(by)
    return text


def opening_of(text, close, opening):
    depth = 0
    for at in range(close, -1, -1):
        if text[at] == text[close]:
            depth += 1
        if text[at] == opening:
            depth -= 1
            if depth == 0:
                return at
    return -1


def demangled(symbol):
    try:
        return gdb.execute("demangle -- " + symbol, to_string=True).strip()
    except gdb.error:
        return ""


def repair_actor(text):
    tail = ".Frame*)"
    if text.endswith(tail):
        symbol = text.rfind("::_Z")
        if symbol >= 0:
            name = demangled(text[symbol + 2 : -len(tail)])
            if name and not name.startswith("_Z"):
                return name
    while (at := text.find(tail)) >= 0:
        close = at + len(tail) - 1
        opening = opening_of(text, close, "(")
        if opening < 0:
            return text
        inside = text[opening + 1 : at]
        symbol = inside.rfind("::_Z")
        signature = inside if symbol < 0 else inside[:symbol]
        parameters = "()"
        if signature.endswith(")"):
            first = opening_of(signature, len(signature) - 1, "(")
            if first >= 0:
                parameters = signature[first:]
        if tail in parameters:
            return text
        text = text[:opening] + parameters + text[close + 1 :]
    return text


def shorten_names(text):
    for prefix in (
        "stackless::tracked_1::", "stackless::tracked_with_checked_awaits_1::",
        "stackless::tracked_with_address_sanitizer_1::", "stackless::untracked_1::",
        "stackless::untracked_with_checked_awaits_1::", "stackless::untracked_with_address_sanitizer_1::",
        "stackless::",
    ):
        text = replace_all(text, prefix, "")
    text = replace_all(text, "std::__cxx11::", "std::")
    text = replace_all(text, "std::__1::", "std::")
    for gap in (" ", ""):
        string = "std::basic_string<char, std::char_traits<char>, std::allocator<char>" + gap + ">"
        text = replace_all(text, string, "std::string")
        view = "std::basic_string_view<char, std::char_traits<char>" + gap + ">"
        text = replace_all(text, view, "std::string_view")
    text = replace_all(text, "std::basic_string<char>", "std::string")
    text = replace_all(text, "std::basic_string_view<char>", "std::string_view")
    for what, by in (
        ("{anonymous}::", ""),
        ("(anonymous namespace)::", ""),
        (" >", ">"),
        (" &", "&"),
        (" *", "*"),
    ):
        text = replace_all(text, what, by)
    at = 0
    while (at := text.find("auto:", at)) >= 0:
        end = at + 5
        while end < len(text) and text[end].isdigit():
            end += 1
        text = text[: at + 4] + text[end:]
        at += 4
    return text


def take_bindings(text):
    if not text.endswith("]"):
        return text, ""
    opening = opening_of(text, len(text) - 1, "[")
    if opening <= 0 or text[opening - 1] != " ":
        return text, ""
    inside = text[opening + 1 : -1]
    of_gcc = inside.startswith("with ")
    if of_gcc:
        inside = inside[5:]
    kept = []
    for binding in inside.split("; ") if of_gcc else [inside]:
        key = binding.split(" = ")[0]
        if "::" not in key and key != "auto" and not key.endswith(":auto"):
            kept.append(binding)
    text = text[: opening - 1]
    return text, " [" + ", ".join(kept) + "]" if kept and kept != [""] else ""


def first_outside_brackets(text, wanted):
    depth = 0
    for at, c in enumerate(text):
        if c == wanted and depth == 0:
            return at
        if c in "<({":
            depth += 1
        if c in ">)}":
            depth -= 1
    return -1


def without_return_type(head):
    at = head.rfind("operator")
    searched = head if at < 0 else head[:at]
    start = 0
    while (space := first_outside_brackets(searched[start:], " ")) >= 0:
        start += space + 1
    return head[start:]


def outermost_function(path):
    end = first_outside_brackets(path, "(")
    if end < 0:
        end = len(path) - 2 if path.endswith("::") else len(path)
    if path[:end].endswith("operator"):
        end += 2
    return without_return_type(path[:end])


def last_lambda(text):
    depth = 0
    found = -1
    for at, c in enumerate(text):
        if depth == 0 and c in "<{" and text.startswith("lambda(", at + 1):
            found = at
        if c in "<({":
            depth += 1
        if c in ">)}":
            depth -= 1
    return found


def after_closing(text):
    depth = 0
    for at, c in enumerate(text):
        if c == "(":
            depth += 1
        if c == ")":
            depth -= 1
            if depth == 0:
                return text[at + 1 :]
    return ""


def take_apart(text):
    """Name, parameters, whether it is a lambda: then the name is of the function around it."""
    call, of_clang = "::operator()", "(anonymous class)"
    head, parameters = text, ""
    if text.endswith(")"):
        opening = opening_of(text, len(text) - 1, "(")
        if opening < 0:
            return text, "", False
        head, parameters = text[:opening], text[opening:]
    closure = head[: -len(call)] if head.endswith(call) else head
    if closure.endswith(of_clang):
        return outermost_function(closure[: -len(of_clang)]), parameters, True
    found = last_lambda(text)
    if found >= 0:
        own = text[found + 7 :]
        close = len(own) - len(after_closing(own))
        around = text[:found]
        return around and outermost_function(around), own[:close], True
    if not parameters:
        return text, "", False
    return without_return_type(head), parameters, False


_names = {}


def spell(spelled, with_parameters=True):
    key = (spelled, with_parameters)
    if key not in _names:
        text, bindings = take_bindings(shorten_names(repair_actor(spelled)))
        for suffix in (" const", " noexcept", " volatile"):
            text = text.removesuffix(suffix)
        name, parameters, is_lambda = take_apart(text)
        result = "lambda" if is_lambda else name
        if with_parameters:
            result += parameters
        if is_lambda and name:
            result += " in " + name
        if with_parameters:
            result += bindings
        _names[key] = result
    return _names[key]


def shortened(text, columns):
    return text if len(text) <= columns else text[: columns - 1] + "…"


# --- the program ------------------------------------------------------------------------------------


def find_root():
    """By its symbol, else by the section that it has to itself."""
    try:
        return int(gdb.parse_and_eval("(unsigned long)&stackless_debug_root"))
    except gdb.error:
        pass
    for line in gdb.execute("info files", to_string=True).splitlines():
        words = line.split()
        if "stackless_debug" in words and words[0].startswith("0x"):
            return int(words[0], 16)
    raise Problem("there is no stackless in this program (or it is not loaded yet)")


class Program:
    def __init__(self):
        root = find_root()
        try:
            magic = read(root, 16)
        except gdb.MemoryError:
            raise Problem("stackless: the program's memory cannot be read; is it running?")
        if magic != MAGIC:
            raise Problem("stackless: what should be its root has another form")
        version = number(root + 16)
        if version != VERSION:
            raise Problem(
                f"stackless: the program's layout is version {version}, and this script reads "
                f"version {VERSION}: take the script that came with the library"
            )
        count, entries = number(root + 20), word(root + 24)
        self.layout = {}
        for i in range(count):
            entry = read(entries + 16 * i, 16)
            name = text_at(int.from_bytes(entry[:8], "little"))
            self.layout[name] = int.from_bytes(entry[8:], "little", signed=True)
        if not count:
            raise Problem("stackless: there has been no scheduler yet")
        self.wait_kinds = self.words("wait_kinds")
        self.object_kinds = self.words("object_kinds")
        self.io_codes = self.words("io_codes")
        self.sources = text_at(self["library_sources"])
        self.schedulers = []
        listing = word(root + 32)
        while listing:
            self.schedulers.insert(0, Scheduler(self, listing))  # the first made comes first
            listing = word(listing + self["listing.next"])
        if not self.schedulers:
            raise Problem("stackless: there is no scheduler now")

    def __getitem__(self, name):
        if name not in self.layout:
            raise Problem(f"stackless: the program does not say its {name}: take its own script")
        return self.layout[name]

    def has(self, name):
        return name in self.layout

    def words(self, name):
        start = self[name]
        return [text_at(word(start + 8 * i)) for i in range(self[name + ".count"])]

    def string_at(self, address):
        """A std::string."""
        if not self.has("string.size"):
            return ""
        size = word(address + self["string.size"])
        if size == 0 or size > 4096:
            return ""
        return read(word(address), size).decode("utf-8", "replace")

    def site_at(self, address):
        """A std::source_location: file, line, column; None where it says nothing."""
        place = word(address)
        if place == 0:
            return None
        line, column = number(place + 16), number(place + 20)
        return (text_at(word(place)), line, column) if line else None

    def is_of_library(self, file):
        return "include/stackless/" in file or bool(self.sources and file.startswith(self.sources))

    def flag(self, block, name):
        where = self[name]
        return bool(number(block + (where >> 8), 1) & (where & 0xFF))


def place_text(site, with_column=True):
    if site is None:
        return ""
    text = f"{site[0].rpartition('/')[2]}:{site[1]}"
    return f"{text}:{site[2]}" if with_column and site[2] else text


class Frame:
    def __init__(self, program, address):
        self.address = address - program["frame.coroutine"]
        self.function = None
        self.site = None
        if program.has("frame.function"):
            self.function = text_at(word(address + program["frame.function"])) or None
            self.site = program.site_at(address + program["frame.at"])
        self.in_library = self.site is not None and program.is_of_library(self.site[0])

    def name(self):
        return "(function not known)" if self.function is None else spell(self.function)


class Tasklet:
    def __init__(self, scheduler, block):
        self.program = program = scheduler.program
        self.scheduler = scheduler
        self.block = block
        self.id = word(block + program["tasklet.id"])
        self.spawner = word(block + program["tasklet.spawner"])
        self.in_ring = word(block + program["tasklet.ring_next"]) != 0
        self.is_main = block == scheduler.main
        self.never_started = not program.flag(block, "tasklet.started")
        self.is_daemon = program.flag(block, "tasklet.is_daemon")
        self.frames = []
        at = word(block + program["tasklet.frame"])
        while at and len(self.frames) < 100_000:
            self.frames.append(Frame(program, at))
            at = word(at + program["frame.parent"])
        self.spawned_at, self.spawned_in = None, ""
        if program.has("tasklet.spawned_at"):  # a place, or the spawner's function
            where = block + program["tasklet.spawned_at"]
            if program.flag(block, "tasklet.spawn_site_known"):
                self.spawned_at = program.site_at(where)
            else:
                self.spawned_in = text_at(word(where))
        self.wait = None if self.in_ring else word(block + program["tasklet.outside"]) or None
        self.kind = None
        if self.wait:
            self.kind = program.wait_kinds[number(self.wait + program["wait.kind"], 1)]
            self.since = word(self.wait + program["wait.since"])

    def name(self):
        given = text_at(word(self.block + self.program["tasklet.name"]))
        if given:
            return given
        if self.is_main:
            return "main"
        if self.frames and self.frames[-1].function is not None:
            return spell(self.frames[-1].function, with_parameters=False)
        return "tasklet"

    def title(self):
        return f"#{self.id} {self.name()}"

    def state(self):
        if self.never_started:
            return "not started yet" if self.in_ring else "never started, and paused"
        if self.in_ring:
            running = self.scheduler.driving and self.block == self.scheduler.current
            return "running" if running else "ready"
        if self.kind is None:
            return "paused"
        paused = self.kind in ("suspend", "drain")
        return f"{'paused' if paused else 'blocked'} (step {self.since})"

    def objects(self):
        """What it waits for: pairs of operation and object. Several for a select."""
        if self.kind is None or self.kind in ("suspend", "drain"):
            return []
        program = self.program
        address = word(self.wait + program["wait.object"])
        if self.kind != "select" or not address:
            return [(self.kind, Object(self, self.kind, address))] if address else []
        cases, found = word(address + program["select.cases"]), []
        for i in range(min(word(address + program["select.count"]), 64)):
            wait = word(cases + 8 * i)
            if wait:
                kind = program.wait_kinds[number(wait + program["wait.kind"], 1)]
                found.append((kind, Object(self, kind, word(wait + program["wait.object"]))))
        return found

    def operation(self):
        if self.kind is None:
            return ""
        waits = [f"{kind}{thing.phrase(kind)}" for kind, thing in self.objects()]
        if self.kind == "select":
            return "select of " + "; ".join(waits)
        return waits[0] if waits else self.kind

    def shown_frames(self):
        shown = [f for f in self.frames if not f.in_library]
        return shown or self.frames

    def spawned(self):
        if self.is_main:
            return "root of run()"
        text = "spawned"
        if self.spawned_at:
            text += " " + place_text(self.spawned_at, with_column=False)
        elif self.spawned_in:
            text += " in " + shortened(spell(self.spawned_in), 50)
        if self.spawner == 0:
            text += " by the host"
        else:
            by = self.scheduler.find(self.spawner)
            text += f" by {by.title() if by else f'#{self.spawner}'}"
        return text + ("; a daemon" if self.is_daemon else "")

    def likeness(self):
        sites = tuple((f.function, f.site) for f in self.frames)
        return (self.kind, self.in_ring, self.never_started, sites)

    def print(self):
        parts = [self.title(), self.state(), self.operation()]
        print("   ".join(part for part in parts if part))
        frames = self.shown_frames()
        names = [frame.name() for frame in frames[:MOST_FRAMES]]
        width = max([FUNCTION_WIDTH] + [min(len(name), WIDEST_FUNCTION) for name in names])
        for i, name in enumerate(names):
            print(f"{i:>4}  {name:<{width}}  {place_text(frames[i].site)}".rstrip())
        if len(frames) > MOST_FRAMES:
            print(f"   …  {len(frames) - MOST_FRAMES} more frames")
        print("      " + self.spawned())


class Object:
    """What a tasklet waits for. The kind of the wait tells the type."""

    def __init__(self, tasklet, kind, address):
        self.program = program = tasklet.program
        self.scheduler = tasklet.scheduler
        self.address = address
        self.tasklet = None  # the one that it needs, as far as that is one
        self.label, self.details, self.holders = "", "", []
        if kind in ("receive", "send"):
            self.read_channel()
        elif kind == "join":
            self.tasklet = word(address - program["tasklet.object"] + program["tasklet.id"])
            target = self.scheduler.find(self.tasklet)
            self.label = target.title() if target else f"#{self.tasklet}"
        elif kind == "sleep":
            self.label = "timer"
        elif kind == "start of a child":
            self.label = "start of a child"
        elif kind == "I/O":
            if word(address) == program["io.table"]:
                code = program.io_codes[number(address + program["io.code"], 1)]
                descriptor = number(address + program["io.descriptor"], 4, signed=True)
                self.label = code + (f" descriptor {descriptor}" if descriptor >= 0 else "")
            else:
                self.label = "close"
        elif kind == "join of a nursery":
            count = word(address + program["nursery.running"])
            self.label = self.made("nursery", "nursery.made_at")
            self.details = f" ({count} {'child' if count == 1 else 'children'})"
        elif kind in ("wait", "acquire", "lock", "lock_shared", "arrive and wait"):
            word_ = program.object_kinds[number(address + program["sync.kind"], 1)]
            name = program.string_at(address + program["sync.name"])
            self.label = f"{word_} '{name}'" if name else self.made(word_, "sync.made_at")
            if f"{word_}.owner" in program.layout:
                owner = word(address + program[f"{word_}.owner"])
                if owner:
                    self.tasklet = word(owner + program["tasklet.id"])
                    holder = self.scheduler.find(self.tasklet)
                    self.details = f", held by {holder.title() if holder else f'#{self.tasklet}'}"

    def made(self, what, site):
        place = self.program.site_at(self.address + self.program[site]) if self.program.has(site) else None
        if place and "/c++/" in place[0]:  # a line of the standard library says nothing
            return f"{what} made by a container or make_unique"
        return f"{what} made {place_text(place, with_column=False)}" if place else what

    def read_channel(self):
        program = self.program
        name = program.string_at(self.address + program["channel.name"])
        self.label = f"channel '{name}'" if name else self.made("channel", "channel.made_at")
        capacity = word(self.address + program["channel.capacity"])
        buffered = word(self.address + program["channel.buffered"])
        text = f"buffer {buffered} of {capacity}" if capacity else "unbuffered"
        if number(self.address + program["channel.closed"], 1):
            text += ", closed"
        self.details = f" ({text})"
        if program.has("channel.handles"):
            head = self.address + program["channel.handles"]
            hook = word(head)
            while hook != head and len(self.holders) < 10_000:
                self.holders.append(hook)
                hook = word(hook)

    def phrase(self, kind):
        if kind == "join":
            return " " + self.label
        if kind in ("receive", "send"):
            return f" on {self.label}{self.details}"
        if kind == "I/O":
            return " " + self.label
        if kind == "join of a nursery":
            return self.label.removeprefix("nursery") + self.details
        if kind in ("sleep", "start of a child"):
            return ""
        return f" {self.label}{self.details}" if self.label else ""


class Scheduler:
    def __init__(self, program, listing):
        self.program = program
        self.address = word(listing + program["listing.scheduler"])
        self.chunk_table = word(listing + program["listing.chunks"])
        self.thread = number(listing + program["listing.thread"])
        self.step = word(self.address + program["scheduler.step"])
        self.current = word(self.address + program["scheduler.current"])
        self.main = word(self.address + program["scheduler.main"])
        self.driving = number(self.address + program["scheduler.driving"], 1) != 0
        self.tasklets, self.by_id = [], {}
        self._ranges = self._entries = None
        head = self.address + program["scheduler.tasklets"]
        self.problem = ""
        block, seen = word(head), set()
        try:
            while block != head:
                if block in seen or len(seen) == MOST_TASKLETS:
                    raise gdb.MemoryError("the list of tasklets has no end")
                seen.add(block)
                tasklet = Tasklet(self, block - program["tasklet.hook"])
                self.tasklets.append(tasklet)
                self.by_id[tasklet.id] = tasklet
                block = word(block)
        except gdb.MemoryError as error:  # what a crash has left may be damaged
            self.problem = str(error)

    def find(self, number_):
        return self.by_id.get(number_)

    def title(self):
        count = len(self.tasklets)
        tasklets = "1 tasklet" if count == 1 else f"{count} tasklets"
        asleep = "" if self.driving else ", not driven now"
        return f"scheduler of thread {self.thread}: {tasklets} at step {self.step}{asleep}"

    def holder_of(self, handle):
        """Whose frame a channel's handle lies in; None: outside the tasklets."""
        if self._ranges is None:
            begin, end = word(self.chunk_table), word(self.chunk_table + 8)
            self._ranges = [
                [word(at + 8 * i) for i in range(4)] for at in range(begin, end, 32)
            ]
            self._entries = sorted(
                [(t.block, t) for t in self.tasklets]
                + [(f.address, t) for t in self.tasklets for f in t.frames],
                key=lambda entry: entry[0],
            )
        for memory, size, block_size, _ in self._ranges:
            if memory <= handle < memory + size:
                block = memory + (handle - memory) // block_size * block_size
                nearest = bisect.bisect_right(self._entries, handle, key=lambda e: e[0]) - 1
                if nearest < 0 or self._entries[nearest][0] < block:
                    return None
                return self._entries[nearest][1]
        return None


# --- commands ---------------------------------------------------------------------------------------


class Stackless(gdb.Command):
    """Tasklets of programs that use stackless.

    stackless tasklets      every tasklet, those that wait alike together
    stackless tasklets all  every tasklet by itself
    stackless tasklet N     one of them
    stackless graph         who waits for what and who holds it, in graphviz's language"""

    def __init__(self):
        super().__init__("stackless", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, prefix=True)


class Tasklets(gdb.Command):
    """Every tasklet, what it waits for, its async stack. With `all`: also those that wait alike."""

    def __init__(self):
        super().__init__("stackless tasklets", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        if argument.strip() not in ("", "all"):
            raise Problem("stackless tasklets [all]")
        for index, scheduler in enumerate(Program().schedulers):
            if index:
                print()
            print(scheduler.title())
            groups = {}
            for tasklet in scheduler.tasklets:
                key = tasklet.id if argument.strip() == "all" else tasklet.likeness()
                groups.setdefault(key, []).append(tasklet)
            for group in groups.values():
                print()
                try:
                    group[0].print()
                except gdb.MemoryError as error:
                    print(f"#{group[0].id}   cannot be read: {error}")
                others = [t.title() for t in group[1:4]]
                if len(group) > 4:
                    others.append(f"{len(group) - 4} more")
                if others:
                    print("      the same holds for: " + ", ".join(others))
            if scheduler.problem:
                print(f"\nThe list ends here, for memory is damaged: {scheduler.problem}")


class OneTasklet(gdb.Command):
    """The tasklet of that number: what it waits for, its async stack."""

    def __init__(self):
        super().__init__("stackless tasklet", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        wanted = argument.strip().removeprefix("#")
        if not wanted.isdigit():
            raise Problem("stackless tasklet N: the number of a tasklet, as 'stackless tasklets' shows")
        found = [s.find(int(wanted)) for s in Program().schedulers]
        found = [tasklet for tasklet in found if tasklet]
        if not found:
            raise Problem(f"stackless: there is no tasklet #{wanted} (any more)")
        for tasklet in found:
            if len(found) > 1:
                print(tasklet.scheduler.title())
            tasklet.print()


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Graph(gdb.Command):
    """Who waits for what and who holds it. Solid: only that one can end the wait; dashed: any of them."""

    def __init__(self):
        super().__init__("stackless graph", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        print("digraph stackless {")
        for scheduler in Program().schedulers:
            self.print_scheduler(scheduler)
        print("}")

    def print_scheduler(self, scheduler):
        prefix = f"{scheduler.thread}."
        objects = {}
        for tasklet in scheduler.tasklets:
            me = quoted(f"{prefix}{tasklet.id}")
            print(f"  {me} [shape=box, label={quoted(tasklet.title())}];")
            for kind, thing in tasklet.objects():
                if kind == "join":
                    print(f"  {me} -> {quoted(f'{prefix}{thing.tasklet}')} [label=join];")
                    continue
                if thing.address not in objects:
                    name = quoted(f"{prefix}object {len(objects) + 1}")
                    objects[thing.address] = (name, thing)
                name = objects[thing.address][0]
                print(f"  {me} -> {name} [label={quoted(kind)}];")
        for name, thing in objects.values():
            print(f"  {name} [shape=ellipse, label={quoted(thing.label)}];")
            if thing.tasklet is not None:
                owner = quoted(f"{prefix}{thing.tasklet}")
                print(f"  {name} -> {owner} [label={quoted('held by')}];")
            seen = set()
            for handle in thing.holders:
                holder = scheduler.holder_of(handle)
                if holder is None:
                    seen.add(None)
                elif holder.id not in seen:
                    seen.add(holder.id)
                    print(f"  {name} -> {quoted(f'{prefix}{holder.id}')} [style=dashed, label=holder];")
            if None in seen:
                print(f"  {name} -> \"outside the tasklets\" [style=dashed, label=holder];")


Stackless()
Tasklets()
OneTasklet()
Graph()
