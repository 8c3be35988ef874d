// Runs programs and starts them again when they end; their output comes line by line, with their
// names before it.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/ioctl.h>

namespace sl = stackless;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

constexpr const char* usage =
    "usage: supervise [OPTION…] -- NAME=COMMAND…      one argument a program\n"
    "       supervise [OPTION…] FILE                  lines of NAME = COMMAND; # begins a comment\n"
    "A command is split at blanks; '…', \"…\" and \\ quote. For a shell write sh -c '…'.\n"
    "  --restart always|failure|never   when a program has ended (always)\n"
    "  --first TIME      the wait before the first restart; each one is twice as long (100ms)\n"
    "  --longest TIME    but no longer than this (30s)\n"
    "  --stable TIME     one that ran so long begins again with the first wait (10s)\n"
    "  --max-restarts N  give a program up after so many without a stable run (no limit)\n"
    "  --grace TIME      between SIGTERM and SIGKILL (5s), and for who takes no output\n"
    "  --longest-line N  bytes; longer lines are printed in pieces (8192)\n"
    "SIGTERM and SIGINT end the programs, the second time at once. SIGHUP, SIGUSR1 and SIGUSR2 are "
    "passed on.\n"
    "Status: 0 all is well, 1 a program failed or was killed or output lost, 2 wrong arguments.\n";

struct program {
  std::string name;
  std::vector<std::string> words;
};

enum class restart_policy { always, failure, never };

struct settings {
  std::vector<program> programs;
  restart_policy restart = restart_policy::always;
  milliseconds first = 100ms;
  milliseconds longest = 30s;
  milliseconds stable = 10s;
  milliseconds grace = 5s;
  std::optional<std::size_t> max_restarts;
  std::size_t longest_line = 8192;
};

void log(const std::string& line) {
  std::fprintf(stderr, "supervise: %s\n", line.c_str());
}

// What the arguments say

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::size_t number(std::string_view option, std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw usage_error(std::string(option) + ": " + std::string(text) + " is no number");
  return value;
}

milliseconds time_of(std::string_view option, std::string_view text) {
  std::size_t unit = 1000;
  std::string_view digits = text;
  if (digits.ends_with("ms")) {
    unit = 1;
    digits.remove_suffix(2);
  } else if (digits.ends_with("s")) {
    digits.remove_suffix(1);
  } else if (digits.ends_with("m")) {
    unit = 60'000;
    digits.remove_suffix(1);
  }
  const std::size_t count = number(option, digits);
  if (count > 1'000'000) throw usage_error(std::string(option) + ": that is too long");
  return milliseconds(count * unit);
}

std::vector<std::string> split(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (c == '\\' && quote != '\'' && i + 1 < command.size()) {
      word += command[++i];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) throw usage_error("a quotation does not end: " + std::string(command));
  if (in_word) words.push_back(word);
  return words;
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

void add_program(settings& wanted, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) throw usage_error("not NAME=COMMAND: " + std::string(text));
  program made{trimmed(text.substr(0, equals)), split(text.substr(equals + 1))};
  if (made.name.empty() || made.name.find_first_of(" \t") != std::string::npos)
    throw usage_error("no name of a program: " + std::string(text));
  if (made.words.empty()) throw usage_error(made.name + " has no command");
  for (const program& other : wanted.programs)
    if (other.name == made.name) throw usage_error("two programs are called " + made.name);
  wanted.programs.push_back(std::move(made));
}

void read_file(settings& wanted, const std::string& path) {
  std::ifstream file(path);
  if (!file) throw usage_error("cannot read " + path);
  std::string line;
  for (int count = 1; std::getline(file, line); ++count) {
    const std::string text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    try {
      add_program(wanted, text);
    } catch (const usage_error& error) {
      throw usage_error(path + ":" + std::to_string(count) + ": " + error.what());
    }
  }
}

settings parse(int argc, char** argv) {
  settings wanted;
  int i = 1;
  for (; i < argc; ++i) {
    const std::string option = argv[i];
    if (!option.starts_with("--") || option == "--") break;
    if (i + 1 == argc) throw usage_error(option + " needs a value");
    const std::string value = argv[++i];
    if (option == "--restart") {
      constexpr std::array<std::string_view, 3> names{"always", "failure", "never"};
      const auto found = std::find(names.begin(), names.end(), value) - names.begin();
      if (found == std::ssize(names)) throw usage_error("--restart: what is " + value + "?");
      wanted.restart = static_cast<restart_policy>(found);
    } else if (option == "--first") {
      wanted.first = std::max(time_of(option, value), 1ms);
    } else if (option == "--longest") {
      wanted.longest = std::max(time_of(option, value), 1ms);
    } else if (option == "--stable") {
      wanted.stable = time_of(option, value);
    } else if (option == "--grace") {
      wanted.grace = time_of(option, value);
    } else if (option == "--max-restarts") {
      wanted.max_restarts = number(option, value);
    } else if (option == "--longest-line") {
      wanted.longest_line = std::clamp<std::size_t>(number(option, value), 1, 1 << 20);
    } else {
      throw usage_error("what is " + option + "?");
    }
  }
  if (i < argc && std::string_view(argv[i]) == "--") {
    for (++i; i < argc; ++i) add_program(wanted, argv[i]);
  } else if (i + 1 == argc) {
    read_file(wanted, argv[i]);
  } else {
    throw usage_error(i == argc ? "no programs" : "one FILE, or -- and the programs");
  }
  if (wanted.programs.empty()) throw usage_error("no programs");
  return wanted;
}

// What is common to all programs

/// One of our two output streams. Who finds it slow waits, and with him the program that he reads.
class printer {
 public:
  explicit printer(sl::io::file to) : to_(std::move(to)) {}

  sl::task<> print(std::string line) {
    const sl::mutex_guard whole = co_await turn_.lock();
    co_await to_.write_all(line);
    ++printed_;
  }
  [[nodiscard]] std::size_t printed() const noexcept { return printed_; }

 private:
  sl::io::file to_;
  std::size_t printed_ = 0;
  sl::mutex turn_{"output"};
};

/// A program while it runs.
struct child {
  child(const std::vector<std::string>& words, const sl::io::process_options& options)
      : process(words, options) {}

  sl::io::process process;
  bool has_ended = false;
  std::vector<sl::cancel_scope*> readers;  ///< of who wait for its output
  sl::cancel_scope* everything = nullptr;
};

/// Is among `all` while it lives.
template <class T>
class enrolled {
 public:
  enrolled(std::vector<T*>& all, T& one) : all_(all), one_(&one) { all_.push_back(one_); }
  enrolled(const enrolled&) = delete;
  enrolled& operator=(const enrolled&) = delete;
  ~enrolled() { std::erase(all_, one_); }

 private:
  std::vector<T*>& all_;
  T* one_;
};

struct supervisor {
  explicit supervisor(settings s) : wanted(std::move(s)) {}

  settings wanted;
  printer output{sl::io::standard_output()};
  printer errors{sl::io::standard_error()};
  std::vector<child*> running;
  sl::event stop{"stop"};
  bool failed = false;

  void send(int signal) {
    for (child* const c : running) c->process.kill(signal);
  }
  void request_stop(const std::string& why) {
    if (stop.is_set()) return;
    log("stopping: " + why);
    stop.set();
    send(SIGTERM);
  }
  [[nodiscard]] std::size_t printed() const { return output.printed() + errors.printed(); }
  /// Those that have ended and are here for their output are not among the killed.
  void kill_all() {
    for (child* const c : running) {
      if (c->has_ended) continue;
      log("process " + std::to_string(c->process.id()) + " is killed");
      failed = true;
      c->process.kill(SIGKILL);
    }
  }
  /// Nobody is waited for who does not take our output.
  void drop_output() {
    for (child* const c : running) {
      if (c->has_ended) log(std::to_string(c->process.id()) + " ended; its output is lost");
      failed = true;
      c->everything->cancel();
    }
  }
};

// Output

struct piece {
  std::string text;
  bool goes_on = false;  ///< the line was too long
};

sl::task<std::optional<piece>> next_piece(sl::io::reader_base& reader) {
  std::error_code error;
  std::optional<std::string> line = co_await reader.read_line(error);
  std::optional<piece> result;
  if (error == sl::io::errc::line_too_long) {
    result.emplace();
    result->text = reader.buffered();
    result->goes_on = true;
    reader.consume(result->text.size());
  } else if (error) {
    throw std::system_error(error, "read");
  } else if (line) {
    result.emplace();
    result->text = std::move(*line);
  }
  co_return result;
}

std::size_t waiting_bytes(const sl::io::file& pipe) {
  int count = 0;
  return ::ioctl(pipe.descriptor(), FIONREAD, &count) == 0 ? static_cast<std::size_t>(count) : 0;
}

/// Prints what a program writes, until nobody can write there any more. When the program has ended
/// but its own children still hold the pipe, what is in it then counts, and no more is waited for.
sl::task<> print_lines(
    sl::io::file& from, printer& to, std::string name, child& writer, const settings& wanted
) {
  sl::io::buffered_reader reader(from, wanted.longest_line);
  bool goes_on = false;
  std::optional<std::size_t> left;  // when it has ended: what is to be printed
  for (;;) {
    std::optional<piece> next;
    bool has_read = false;
    const auto read = [&]() -> sl::task<> {
      next = co_await next_piece(reader);
      has_read = true;
    };
    const auto interruptible = [&](sl::cancel_scope& scope) -> sl::task<> {
      const enrolled waits(writer.readers, scope);
      co_await read();
    };
    if (writer.has_ended) {
      if (!left) left = reader.buffered().size() + waiting_bytes(from);
      if (*left == 0) break;
      // Only the last read may wait: for the end of a line.
      (void)co_await sl::move_on_after(200ms, read);
      if (!has_read && !reader.buffered().empty()) next.emplace().text = reader.buffered();
      if (!has_read || !next) left = 0;
      if (next) *left -= std::min(*left, next->text.size() + (next->goes_on ? 0 : 1));
    } else {
      // A read that is cut short loses nothing.
      (void)co_await sl::with_cancel_scope(interruptible);
      if (!has_read) continue;
    }
    if (!next) break;
    std::string line = name + (goes_on ? " + " : " | ") + next->text + "\n";
    goes_on = next->goes_on;
    co_await to.print(std::move(line));
  }
}

sl::task<> forward_output(
    sl::io::file& from, printer& to, std::string name, child& writer, supervisor& all
) {
  try {
    co_await print_lines(from, to, std::move(name), writer, all.wanted);
  } catch (const std::system_error& error) {
    all.failed = true;
    all.request_stop(error.what());
  }
}

// Programs

sl::task<sl::io::exit_status> run_once(const program& which, supervisor& all) {
  sl::io::process_options options;
  options.standard_input = sl::io::child_stream::null();
  options.standard_output = sl::io::child_stream::pipe();
  options.standard_error = sl::io::child_stream::pipe();
  child running(which.words, options);
  log(which.name + ": started, process " + std::to_string(running.process.id()));
  const auto body = [&](sl::nursery& n) -> sl::task<> {
    n.spawn(
        which.name + " output", forward_output, sl::borrow(running.process.standard_output()),
        sl::borrow(all.output), which.name, sl::borrow(running), sl::borrow(all)
    );
    n.spawn(
        which.name + " errors", forward_output, sl::borrow(running.process.standard_error()),
        sl::borrow(all.errors), which.name, sl::borrow(running), sl::borrow(all)
    );
    (void)co_await running.process.wait();
    running.has_ended = true;
    for (sl::cancel_scope* const reader : running.readers) reader->cancel();
  };
  const auto everything = [&](sl::cancel_scope& scope) -> sl::task<> {
    running.everything = &scope;
    const enrolled known(all.running, running);
    co_await sl::with_nursery(body);
  };
  (void)co_await sl::with_cancel_scope(everything);
  const sl::io::exit_status status = co_await running.process.wait();
  co_return status;
}

sl::task<> keep_running(const program& which, supervisor& all) {
  const settings& wanted = all.wanted;
  milliseconds wait = wanted.first;
  std::size_t restarts = 0;
  while (!all.stop.is_set()) {
    const sl::time_point start = sl::now();
    bool success = false;
    std::string how;
    try {
      const sl::io::exit_status status = co_await run_once(which, all);
      success = status.success();
      how = to_string(status);
    } catch (const std::system_error& error) {
      how = error.what();
    }
    if (all.stop.is_set()) {
      log(which.name + ": " + how);
      co_return;
    }
    if (wanted.restart == restart_policy::never ||
        (wanted.restart == restart_policy::failure && success)) {
      log(which.name + ": " + how);
      all.failed |= !success;
      co_return;
    }
    if (sl::now() - start >= wanted.stable) {
      wait = wanted.first;
      restarts = 0;
    }
    if (wanted.max_restarts && restarts == *wanted.max_restarts) {
      log(which.name + ": " + how + "; given up after " + std::to_string(restarts) + " restarts");
      all.failed = true;
      co_return;
    }
    ++restarts;
    log(which.name + ": " + how + "; again in " + std::to_string(wait.count()) + " ms");
    const auto stopped = [&]() -> sl::task<> { co_await all.stop.wait(); };
    (void)co_await sl::move_on_after(wait, stopped);
    wait = std::min(2 * wait, wanted.longest);
  }
}

sl::task<> pass_signals(sl::io::signal_set& signals, supervisor& all) {
  for (;;) {
    const int signal = co_await signals.wait();
    if (signal == SIGTERM || signal == SIGINT) {
      if (all.stop.is_set()) {
        all.kill_all();
        all.drop_output();
      } else {
        all.request_stop("signal " + std::to_string(signal));
      }
    } else {
      all.send(signal);
    }
  }
}

sl::task<> limit_grace(supervisor& all) {
  co_await all.stop.wait();
  std::size_t before = all.printed();
  co_await sl::sleep_for(all.wanted.grace);
  all.kill_all();
  while (all.printed() != std::exchange(before, all.printed()))
    co_await sl::sleep_for(std::max(all.wanted.grace, 200ms));
  all.drop_output();
}

sl::task<int> supervise(settings wanted) {
  sl::io::signal_set signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
  supervisor all(std::move(wanted));
  const auto body = [&](sl::nursery& n) -> sl::task<> {
    n.spawn_daemon("signals", pass_signals, sl::borrow(signals), sl::borrow(all));
    n.spawn_daemon("grace", limit_grace, sl::borrow(all));
    for (const program& which : all.wanted.programs)
      n.spawn(which.name, keep_running, sl::borrow(which), sl::borrow(all));
    co_return;
  };
  co_await sl::with_nursery(body);
  co_return all.failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    std::fputs(usage, stdout);
    return 0;
  }
  try {
    return sl::run(supervise, parse(argc, argv));
  } catch (const usage_error& error) {
    std::fprintf(stderr, "supervise: %s\n%s", error.what(), usage);
    return 2;
  } catch (const std::exception& error) {
    log(error.what());
    return 1;
  }
}
