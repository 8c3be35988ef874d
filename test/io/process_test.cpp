#include <stackless/cancel.hpp>
#include <stackless/combine.hpp>
#include <stackless/deadline.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/tasklet.hpp>

#include "io/child.hpp"
#include "io_test.hpp"

#include <array>
#include <cerrno>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace std::chrono_literals;
using namespace stackless;
using io::child_stream;
using io::process;

namespace {

using words = std::vector<std::string>;

template <class... Text>
words of(Text... text) {
  return {std::string(text)...};
}

words shell(const char* script) {
  return {"sh", "-c", script};
}

/// All there is, until the other side has closed.
task<std::string> all_of(io::file& from) {
  std::string text;
  std::array<char, 4096> block{};
  while (const std::size_t count = co_await from.read_some(block)) text.append(block.data(), count);
  co_return text;
}

/// What the program writes.
task<std::string> output_of(words arguments, io::process_options options) {
  options.standard_output = child_stream::pipe();
  process child(arguments, options);
  std::string text = co_await all_of(child.standard_output());
  const io::exit_status status = co_await child.wait();
  CHECK(to_string(status) == "exited with 0");
  co_return text;
}

bool is_child(int pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool gone_soon(int pid) {
  for (int i = 0; i < 5000 && is_child(pid); ++i) std::this_thread::sleep_for(1ms);
  return !is_child(pid);
}

struct failure {
  std::string text;
  std::error_code code;
};
failure failure_of(const words& arguments, const io::process_options& options = {}) {
  try {
    const process child(arguments, options);
  } catch (const io::io_error& error) {
    return {error.what(), error.code()};
  }
  return {};
}

class no_pidfd {
 public:
  explicit no_pidfd(bool without) { detail::pretend_no_pidfd(without); }
  no_pidfd(const no_pidfd&) = delete;
  no_pidfd& operator=(const no_pidfd&) = delete;
  ~no_pidfd() { detail::pretend_no_pidfd(false); }
};

}  // namespace

TEST_CASE("process: how it ended") {
  for (const bool without : {false, true}) {
    const no_pidfd old_kernel(without);
    io_test::on_each_backend([]() -> task<> {
      process good(words{"true"});
      const io::exit_status status = co_await good.wait();
      CHECK(status.success());
      CHECK(status == co_await good.wait());
      CHECK(good.try_wait() == status);
      CHECK_THROWS_AS(status.signal(), std::logic_error);

      process bad(shell("exit 3"));
      const io::exit_status code = co_await bad.wait();
      CHECK(code.exited());
      CHECK_FALSE(code.success());
      CHECK(code.code() == 3);
      CHECK(to_string(code) == "exited with 3");

      process killed(words{"sleep", "1000"});
      CHECK_FALSE(killed.try_wait());
      killed.kill(SIGTERM);
      const io::exit_status end = co_await killed.wait();
      CHECK(end.signalled());
      CHECK_FALSE(end.success());
      CHECK(end.signal() == SIGTERM);
      CHECK(to_string(end) == "ended by signal 15 (Terminated)");
      CHECK_THROWS_AS(end.code(), std::logic_error);
      CHECK_FALSE(is_child(killed.id()));
      killed.kill(SIGTERM);  // nothing happens
    });
  }
}

TEST_CASE("process: streams") {
  io_test::on_each_backend([]() -> task<> {
    io::process_options options;
    options.standard_input = child_stream::pipe();
    options.standard_output = child_stream::pipe();
    process sort(words{"sort"}, options);
    CHECK_FALSE(sort.standard_error().is_open());
    const std::string large(300'000, 'x');  // more than a pipe holds
    const auto feeds = [&]() -> task<> {
      co_await sort.standard_input().write_all("b\n" + large + "\na\n");
      co_await sort.standard_input().close();
    };
    const auto fed = spawn(feeds);
    CHECK(co_await all_of(sort.standard_output()) == "a\nb\n" + large + "\n");
    co_await fed.join();
    CHECK((co_await sort.wait()).success());

    io::process_options both;
    both.standard_error = child_stream::same_as_output();
    CHECK(co_await output_of(shell("echo out; echo err >&2"), both) == "out\nerr\n");
    io::process_options null;
    null.standard_input = child_stream::null();
    null.standard_error = child_stream::null();
    CHECK(co_await output_of(shell("cat; echo err >&2; echo out"), null) == "out\n");

    // A descriptor of ours, even one of the standard streams; and the others crosswise.
    const io_test::temporary_directory directory;
    io::file log = co_await io::open(directory.file("log"), io::open_mode::open_or_create);
    io::process_options crossed;
    crossed.standard_output = child_stream::descriptor(STDERR_FILENO);
    crossed.standard_error = child_stream::descriptor(log.descriptor());
    process writes(shell("echo logged >&2"), crossed);
    CHECK((co_await writes.wait()).success());
    CHECK(log.size() == 7);
    co_await log.close();

    // A child that reads nothing.
    io::process_options deaf;
    deaf.standard_input = child_stream::pipe();
    process ends(words{"true"}, deaf);
    (void)co_await ends.wait();
    std::error_code error;
    (void)co_await ends.standard_input().write_some("x", error);
    CHECK(error == std::errc::broken_pipe);
  });
}

TEST_CASE("process: environment, directory, and what is not inherited") {
  io_test::on_each_backend([]() -> task<> {
    io::process_options options;
    options.environment = words{"GREETING=hello"};
    CHECK(co_await output_of(of("/usr/bin/env"), options) == "GREETING=hello\n");
    const io_test::temporary_directory directory;
    io::process_options elsewhere;
    elsewhere.directory = std::filesystem::canonical(directory.file(".")).string();
    std::string where = elsewhere.directory + "\n";
    CHECK(co_await output_of(of("pwd", "-P"), elsewhere) == where);

    // No descriptor of ours, and no signal blocked.
    io::process_options piped;
    piped.standard_input = child_stream::pipe();
    process other(of("sleep", "1000"), piped);
    struct stat status{};
    REQUIRE(::fstat(other.standard_input().descriptor(), &status) == 0);
    const io::process_options quiet;
    const std::string open = co_await output_of(of("ls", "-l", "/proc/self/fd"), quiet);
    CHECK_THAT(open, contains_text("/proc/"));
    CHECK_THAT(open, !contains_text("pipe:[" + std::to_string(status.st_ino) + "]"));
    sigset_t blocked;
    sigset_t before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &blocked, &before);
    const std::string mask = co_await output_of(of("grep", "SigBlk", "/proc/self/status"), quiet);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    CHECK_THAT(mask, contains_text("0000000000000000"));
  });
}

TEST_CASE("process: what cannot be started says what it was") {
  const std::size_t before = io_test::open_descriptors();
  failure f = failure_of(words{"no-such-program", "x"});
  CHECK(f.code == std::errc::no_such_file_or_directory);
  CHECK(f.text == "spawn \"no-such-program\": No such file or directory");
  f = failure_of(words{"/etc/passwd"});
  CHECK(f.code == std::errc::permission_denied);
  CHECK_THAT(f.text, starts_with_text("spawn \"/etc/passwd\": "));
  io::process_options nowhere;
  nowhere.directory = "/no/such/directory";
  nowhere.standard_input = child_stream::pipe();
  f = failure_of(words{"true"}, nowhere);
  CHECK(f.text == "spawn \"/no/such/directory\": No such file or directory");
  io::process_options closed;
  closed.standard_output = child_stream::descriptor(-1);
  f = failure_of(words{"true"}, closed);
  CHECK(f.code == std::errc::bad_file_descriptor);
  CHECK(io_test::open_descriptors() == before);

  CHECK_THROWS_AS(process(words{}), std::logic_error);
  CHECK_THROWS_AS(process(words{std::string("a\0b", 3)}), std::logic_error);
  io::process_options wrong;
  wrong.standard_output = child_stream::same_as_output();
  CHECK_THROWS_AS(process(words{"true"}, wrong), std::logic_error);
}

TEST_CASE("process: misuse") {
  run([]() -> task<> {
    process child(words{"true"});
    CHECK_THROWS_AS(child.kill(12345), io::io_error);
    process moved = std::move(child);
    CHECK_THROWS_AS(child.id(), std::logic_error);
    CHECK_THROWS_AS(child.kill(SIGTERM), std::logic_error);
    CHECK_THROWS_AS(co_await child.wait(), std::logic_error);
    CHECK((co_await moved.wait()).success());
    // Somebody else took its status.
    process taken(words{"true"});
    while (::waitpid(taken.id(), nullptr, 0) == -1 && errno == EINTR) {
    }
    std::string text;
    try {
      (void)co_await taken.wait();
    } catch (const io::io_error& error) {
      text = error.what();
    }
    CHECK_THAT(text, starts_with_text("wait \"true\": "));
  });
}

TEST_CASE("process: a dropped one is killed, and no zombie stays") {
  int pid = -1;
  {
    const process child(words{"sleep", "1000"});
    pid = child.id();
    CHECK(is_child(pid));
  }
  CHECK(gone_soon(pid));
  {
    const process ended(words{"true"});
    pid = ended.id();
    std::this_thread::sleep_for(20ms);
  }
  CHECK(gone_soon(pid));
  {
    process first(words{"sleep", "1000"});
    pid = first.id();
    first = process(words{"true"});
  }
  CHECK(gone_soon(pid));
}

TEST_CASE("process: many wait, one is cut short, one is killed") {
  for (const bool without : {false, true}) {
    const no_pidfd old_kernel(without);
    io_test::on_each_backend([without]() -> task<> {
      process child(words{"sleep", "1000"});
      const auto waits = [&]() -> task<> { (void)co_await child.wait(); };
      CHECK_FALSE(co_await move_on_after(5ms, waits));
      const auto first = spawn(waits);
      const auto second = spawn(waits);
      co_await yield();
      CHECK(second.blocked());
      if (!without) CHECK_THAT(to_text(snapshot()), contains_text("end of sleep"));
      co_await second.kill();
      CHECK_FALSE(second.alive());
      CHECK_FALSE(first.waiting_for().operation == operation_kind::none);
      child.kill(SIGKILL);
      co_await first.join();
      CHECK(co_await move_on_after(1h, waits));
    });
  }
}

TEST_CASE("process: who waits for one that is dropped learns how it ended") {
  for (const bool without : {false, true}) {
    const no_pidfd old_kernel(without);
    io_test::on_each_backend([]() -> task<> {
      std::optional<process> child(std::in_place, words{"sleep", "1000"});
      const auto waiter = spawn([&]() -> task<int> {
        const io::exit_status status = co_await child->wait();
        co_return status.signal();
      });
      co_await yield();
      child.reset();
      CHECK(co_await waiter.join() == SIGKILL);
    });
  }
}
