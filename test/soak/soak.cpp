// Mixed work at random, much of it cut short: by deadlines, cancellations, kills and resets. After
// each round nothing may be left of it: no descriptor, operation, timer or tasklet; and the memory
// in use must not grow from round to round.
//
//   soak [SECONDS] [uring|epoll|automatic] [SEED]

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iterator>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace sl = stackless;
namespace io = stackless::io;
using namespace std::chrono_literals;
using sl::task;
using std::chrono::microseconds;

namespace {

constexpr int jobs_in_a_round = 40;

std::mt19937 random_numbers;

std::uint32_t below(std::uint32_t limit) {
  return static_cast<std::uint32_t>(random_numbers()) % limit;
}
microseconds up_to(microseconds longest) {
  return microseconds(below(static_cast<std::uint32_t>(longest.count()) + 1));
}

std::string random_text(std::size_t longest) {
  std::string text(1 + below(static_cast<std::uint32_t>(longest)), '\0');
  for (char& c : text) c = static_cast<char>('a' + below(26));
  return text;
}

struct counts {
  std::uint64_t jobs = 0;
  std::uint64_t whole = 0;
  std::uint64_t cut_short = 0;
  std::uint64_t failed = 0;  // with an io_error, as after a reset
  std::uint64_t bytes = 0;
} done;

[[noreturn]] void wrong(const std::string& what) {
  throw std::logic_error("soak: " + what);
}

void expect_equal(const std::string& got, const std::string& expected, const char* where) {
  if (got != expected) wrong(std::string(where) + ": what arrived is not what was sent");
  done.bytes += got.size();
}

/// Closing it sends a reset.
void reset_on_close(int descriptor) {
  const linger now{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// What the jobs talk to
// ------------------------------------------------------------------------------

task<> echo(io::tcp_stream client) {
  try {
    std::array<char, 4096> bytes;
    while (const std::size_t n = co_await client.read_some(bytes))
      co_await client.write_all({bytes.data(), n});
  } catch (const io::io_error&) {  // clients reset and vanish
  }
}

task<> accept_clients(io::tcp_listener& listener) {
  co_await sl::with_nursery([&](sl::nursery& clients) -> task<> {
    for (;;) {
      std::error_code error;
      io::tcp_stream client = co_await listener.accept(error);
      if (error) {
        co_await sl::sleep_for(1ms);
      } else {
        clients.spawn("echo", echo, std::move(client));
      }
    }
  });
}

// Jobs
// ------------------------------------------------------------------------------

struct shared {
  io::socket_address server;
  std::string directory;
  sl::mutex lock{"soak lock"};
  sl::semaphore permits{"soak permits", 3};
};

task<> talk(shared& common) {
  io::tcp_stream stream = co_await io::connect_tcp(common.server);
  if (below(4) == 0) reset_on_close(stream.descriptor());
  for (std::uint32_t rounds = 1 + below(5); rounds != 0; --rounds) {
    const std::string sent = random_text(20'000);
    std::string received(sent.size(), ' ');
    const auto write = [&]() -> task<> { co_await stream.write_all(sent); };
    co_await sl::with_nursery([&](sl::nursery& both) -> task<> {
      both.spawn("write", write);
      co_await stream.read_exactly(received);
    });
    expect_equal(received, sent, "echo");
  }
  stream.shutdown_send();
  char more = 0;
  if (co_await stream.read_some({&more, 1}) != 0) wrong("more came back than was sent");
}

/// Writes and never reads: the other side stalls until this one is cut short.
task<> never_read(shared& common) {
  io::tcp_stream stream = co_await io::connect_tcp(common.server);
  reset_on_close(stream.descriptor());
  const std::string text(1'000'000, 'x');
  for (;;) co_await stream.write_all(text);
}

task<> lines_through_a_pipe(shared&) {
  auto [in, out] = io::pipe();
  const std::string line = random_text(3000);
  const std::uint32_t count = 1 + below(50);
  const auto write = [&out = out, &line, count]() -> task<> {
    io::buffered_writer writer(out, 4096);
    for (std::uint32_t i = 0; i < count; ++i) {
      co_await writer.write(line);
      co_await writer.write("\n");
    }
    co_await writer.flush();
    co_await out.close();
  };
  co_await sl::with_nursery([&, &in = in](sl::nursery& both) -> task<> {
    both.spawn("write lines", write);
    io::buffered_reader reader(in);
    std::uint32_t read = 0;
    for (;;) {
      const std::optional<std::string> got = co_await reader.read_line();
      if (!got) break;
      expect_equal(*got, line, "pipe");
      ++read;
    }
    if (read != count) wrong("lines were lost in a pipe");
  });
}

task<> keep_a_file(shared& common) {
  static int number = 0;
  const std::string path = common.directory + "/" + std::to_string(++number);
  const std::string text = random_text(100'000);
  try {
    io::file out = co_await io::open(path, io::open_mode::create_truncate);
    co_await out.write_all(text);
    if (below(8) == 0) co_await out.sync_data();
    co_await out.close();
    io::file in = co_await io::open(path);
    std::string read(text.size(), ' ');
    co_await in.read_exactly(read);
    expect_equal(read, text, "file");
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  ::unlink(path.c_str());
}

task<> pass_a_descriptor(shared& common) {
  auto [left, right] = io::unix_pair();
  io::file kept = co_await io::open("/dev/null");
  co_await left.send_descriptor(kept.descriptor());
  const io::owned_descriptor passed = co_await right.receive_descriptor();
  const std::string text = random_text(500'000);
  std::string read(text.size(), ' ');
  const auto write = [&left = left, &text]() -> task<> { co_await left.write_all(text); };
  co_await sl::with_nursery([&, &right = right](sl::nursery& both) -> task<> {
    both.spawn("write", write);
    co_await right.read_exactly(read);
  });
  expect_equal(read, text, "Unix socket");
  (void)common;
}

/// UDP may lose, and says nothing of it: some other time then.
task<> ask_by_datagram(shared&) {
  io::udp_socket server = io::bind_udp({io::ip_address::loopback(), 0});
  io::udp_socket client = io::connect_udp(server.local_address());
  const std::string question = random_text(1000);
  co_await client.send(question);
  std::string got(1500, ' ');
  const io::received_datagram received = co_await server.receive_from(got);
  got.resize(received.size);
  expect_equal(got, question, "datagram");
  co_await server.send_to(received.from, got);
  std::string answer(1500, ' ');
  const std::size_t size = co_await client.receive(answer);
  answer.resize(size);
  expect_equal(answer, question, "datagram's answer");
}

/// These wait for room, and none is lost.
task<> many_datagrams(shared&) {
  auto [left, right] = io::unix_datagram_pair();
  const std::uint32_t count = 1 + below(100);
  const std::string text = random_text(2000);
  const auto write = [&left = left, &text, count]() -> task<> {
    for (std::uint32_t i = 0; i < count; ++i) co_await left.send(text);
  };
  co_await sl::with_nursery([&, &right = right](sl::nursery& both) -> task<> {
    both.spawn("send", write);
    for (std::uint32_t i = 0; i < count; ++i) {
      std::string got(3000, ' ');
      const std::size_t size = co_await right.receive(got);
      got.resize(size);
      expect_equal(got, text, "Unix datagram");
    }
  });
}

/// A file through a connection and back into another file.
task<> copy_there_and_back(shared& common) {
  static int number = 0;
  const std::string path = common.directory + "/copied" + std::to_string(++number);
  const std::string text = random_text(300'000);
  std::string read(text.size(), ' ');
  const auto work = [&]() -> task<> {
    io::file out = co_await io::open(path, io::open_mode::create_truncate);
    co_await out.write_all(text);
    io::file in = co_await io::open(path);
    io::tcp_stream stream = co_await io::connect_tcp(common.server);
    const auto send = [&]() -> task<> {
      (void)co_await io::copy(in, stream);
      stream.shutdown_send();
    };
    io::file back = co_await io::open(path + "b", io::open_mode::create_truncate);
    co_await sl::with_nursery([&](sl::nursery& both) -> task<> {
      both.spawn("send", send);
      (void)co_await io::copy(stream, back);
    });
    io::file again = co_await io::open(path + "b");
    co_await again.read_exactly(read);
  };
  const auto clean = [&](bool) -> task<> {
    ::unlink(path.c_str());
    ::unlink((path + "b").c_str());
    co_return;
  };
  co_await sl::finally(work, clean);
  expect_equal(read, text, "copy");
}

task<> make_a_tree(shared& common) {
  static int number = 0;
  const std::string root = common.directory + "/tree" + std::to_string(++number);
  const auto work = [&]() -> task<> {
    co_await io::create_directory(root);
    std::string path = root;
    std::size_t made = 1;
    for (std::uint32_t depth = below(5); depth != 0; --depth) {
      path += "/d";
      co_await io::create_directory(path);
      ++made;
      for (std::uint32_t i = below(5); i != 0; --i) {
        const std::string name = path + "/" + std::to_string(i);
        io::file file = co_await io::open(name, io::open_mode::create_new);
        ++made;
        if (below(2) == 0) co_await io::rename(name, name + "r");
      }
    }
    auto entries = io::walk(root);
    std::size_t seen = 0;
    for (;;) {
      const io::walk_entry* const entry = co_await entries.next();
      if (entry == nullptr) break;
      if (entry->error()) wrong("walk: " + entry->error().message());
      ++seen;
    }
    if (seen != made) wrong("walk saw another number of entries than there are");
  };
  const auto clean = [&](bool) -> task<> {
    std::filesystem::remove_all(root);
    co_return;
  };
  co_await sl::finally(work, clean);
}

task<> wait_for_either(shared&) {
  auto [in, out] = io::pipe();
  const auto pause = up_to(5ms);
  const auto write = [&out = out, pause]() -> task<> {
    co_await sl::sleep_for(pause);
    co_await out.write_all("x");
  };
  co_await sl::with_nursery([&, &in = in](sl::nursery& both) -> task<> {
    both.spawn("write", write);
    const auto first = co_await sl::select(in.readable(), sl::after(up_to(5ms)));
    if (first.index() != 0) co_await in.readable();
    char c = 0;
    const std::size_t count = co_await in.read_some({&c, 1});
    if (count != 1) wrong("a pipe was readable, and had nothing");
  });
}

task<> block_a_thread(shared&) {
  const auto time = up_to(3ms);
  const int result = co_await sl::offload([time] {
    ::usleep(static_cast<useconds_t>(time.count()));
    return 42;
  });
  if (result != 42) wrong("another result of offload");
}

task<> run_a_program(shared&) {
  io::process_options options;
  options.standard_input = io::child_stream::pipe();
  options.standard_output = io::child_stream::pipe();
  const std::vector<std::string> arguments{"cat"};
  io::process cat(arguments, options);
  const std::string text = random_text(200'000);
  std::string read(text.size(), ' ');
  const auto write = [&]() -> task<> {
    co_await cat.standard_input().write_all(text);
    co_await cat.standard_input().close();
  };
  co_await sl::with_nursery([&](sl::nursery& both) -> task<> {
    both.spawn("write", write);
    co_await cat.standard_output().read_exactly(read);
  });
  expect_equal(read, text, "cat");
  const io::exit_status status = co_await cat.wait();
  if (!status.success()) wrong("cat ended with " + to_string(status));
}

task<> use_channels(shared& common) {
  sl::channel<int> numbers("numbers", below(4));
  sl::channel<int> answers("answers");
  const int count = static_cast<int>(below(200));
  const auto worker = [&]() -> task<> {
    for (;;) {
      const auto number = co_await numbers.next();
      if (!number) co_return;
      {
        const auto permit = co_await common.permits.acquire();
        const auto guard = co_await common.lock.lock();
        if (below(10) == 0) co_await sl::yield();
      }
      co_await answers.send(*number * 2);
    }
  };
  const auto producer = [&]() -> task<> {
    for (int i = 1; i <= count; ++i) co_await numbers.send(i);
    numbers.close();
  };
  co_await sl::with_nursery([&](sl::nursery& all) -> task<> {
    for (int i = 0; i < 3; ++i) all.spawn("worker", worker);
    all.spawn("producer", producer);
    long sum = 0;
    for (int i = 0; i < count; ++i) {
      const int answer = co_await answers.receive();
      sum += answer;
    }
    if (sum != static_cast<long>(count) * (count + 1)) wrong("an answer is missing, or came twice");
  });
}

task<> sleep_much(shared&) {
  const auto nap = []() -> task<> { co_await sl::sleep_for(up_to(20ms)); };
  co_await sl::with_nursery([&](sl::nursery& all) -> task<> {
    for (int i = 0; i < 50; ++i) all.spawn("nap", nap);
    co_return;
  });
}

using job = task<> (*)(shared&);
constexpr std::array<job, 14> frequent{
    talk,
    never_read,
    lines_through_a_pipe,
    keep_a_file,
    pass_a_descriptor,
    use_channels,
    block_a_thread,
    sleep_much,
    ask_by_datagram,
    many_datagrams,
    make_a_tree,
    wait_for_either,
    copy_there_and_back,
    talk
};

/// One job, cut short in one of the ways, or not at all.
task<> run_job(shared& common) {
  const job what = below(30) == 0 ? run_a_program : frequent[below(frequent.size())];
  const auto work = [&]() -> task<> { co_await what(common); };
  ++done.jobs;
  const bool endless = what == never_read;
  bool ended = false;
  try {
    switch (endless ? below(3) : below(4)) {
    case 0:
      ended = co_await sl::move_on_after(up_to(20ms), work);
      break;
    case 1:
      ended = co_await sl::with_cancel_scope([&](sl::cancel_scope& scope) -> task<> {
        const auto stop = [&]() -> task<> {
          co_await sl::sleep_for(up_to(10ms));
          scope.cancel("soak");
        };
        co_await sl::with_nursery([&](sl::nursery& both) -> task<> {
          both.spawn_daemon("stop", stop);
          co_await work();
        });
      });
      break;
    case 2: {
      const auto victim = sl::spawn("victim", work);
      co_await sl::sleep_for(up_to(10ms));
      victim.kill_pending();
      try {
        co_await victim.join();
        ended = true;
      } catch (const sl::tasklet_killed&) {
      }
      break;
    }
    default:
      co_await work();
      ended = true;
    }
  } catch (const io::io_error&) {
    ++done.failed;
    co_return;
  }
  ++(ended ? done.whole : done.cut_short);
}

task<> run_round(std::string directory) {
  // Outside the nursery: its children, cancelled, still use them when its body has ended.
  io::tcp_listener listener = io::listen_tcp({io::ip_address::loopback(), 0});
  shared common{listener.local_address(), directory};
  const auto serve = [&]() -> task<> { co_await accept_clients(listener); };
  co_await sl::with_nursery([&](sl::nursery& all) -> task<> {
    all.spawn_daemon("server", serve);
    co_await sl::with_nursery([&](sl::nursery& jobs) -> task<> {
      for (int i = 0; i < jobs_in_a_round; ++i) jobs.spawn("job", run_job, sl::borrow(common));
      co_return;
    });
  });
}

// What must not be left
// ------------------------------------------------------------------------------

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

std::size_t memory_in_use() {
  if (__sanitizer_get_current_allocated_bytes != nullptr)
    return __sanitizer_get_current_allocated_bytes();
  return ::mallinfo2().uordblks;
}

struct sample {
  std::size_t descriptors = 0;
  std::size_t memory = 0;
};

sample check_nothing_is_left(std::size_t descriptors_before) {
  const sl::scheduler_statistics now = sl::statistics();
  const std::size_t open = open_descriptors();
  if (now.alive != 1) wrong(std::to_string(now.alive - 1) + " tasklets are left");
  if (now.io_in_flight != 0) wrong(std::to_string(now.io_in_flight) + " operations are left");
  if (now.timers != 0) wrong(std::to_string(now.timers) + " timers are left");
  if (descriptors_before != 0 && open != descriptors_before)
    wrong(std::to_string(open) + " descriptors, " + std::to_string(descriptors_before) + " before");
  return {open, memory_in_use()};
}

std::size_t median(std::vector<std::size_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

task<> soak(std::chrono::seconds time) {
  std::string directory = (std::filesystem::temp_directory_path() / "soak_XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) wrong("no temporary directory");
  const auto end = std::chrono::steady_clock::now() + time;
  std::vector<std::size_t> memory;
  std::size_t descriptors = 0;
  while (std::chrono::steady_clock::now() < end || memory.size() < 8) {
    co_await run_round(directory);
    const sample now = check_nothing_is_left(descriptors);
    // The first rounds make what is kept: the engine, threads, the stock of frames.
    if (memory.size() == 2) descriptors = now.descriptors;
    memory.push_back(now.memory);
    if (memory.size() % 100 == 0) {
      std::printf("%zu rounds, %zu KiB\n", memory.size(), now.memory / 1024);
      std::fflush(stdout);
    }
  }
  if (::rmdir(directory.c_str()) != 0) wrong("files are left in " + directory);

  const std::size_t half = memory.size() / 2;
  const auto middle = memory.begin() + static_cast<std::ptrdiff_t>(half);
  const std::size_t first =
      median({memory.begin() + static_cast<std::ptrdiff_t>(half / 2), middle});
  const std::size_t last = median({middle + static_cast<std::ptrdiff_t>(half / 2), memory.end()});
  std::printf(
      "%s: %zu rounds; of %llu jobs %llu ended, %llu were cut short, %llu failed with their peer; "
      "%llu MiB compared; memory in use %zu KiB, then %zu KiB\n",
      sl::statistics().io_backend.c_str(), memory.size(),
      static_cast<unsigned long long>(done.jobs), static_cast<unsigned long long>(done.whole),
      static_cast<unsigned long long>(done.cut_short), static_cast<unsigned long long>(done.failed),
      static_cast<unsigned long long>(done.bytes >> 20), first / 1024, last / 1024
  );
  if (last > first + first / 20 + 256 * 1024) wrong("the memory in use grows");
}

int usage() {
  std::fputs("usage: soak [SECONDS] [uring|epoll|automatic] [SEED]\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const long seconds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 10;
  const std::string_view engine = argc > 2 ? argv[2] : "automatic";
  sl::scheduler_options options;
  if (engine == "uring") options.io = sl::io_choice::uring;
  if (engine == "epoll") options.io = sl::io_choice::epoll;
  if (argc > 4 || seconds <= 0 || (options.io == sl::io_choice::automatic && engine != "automatic"))
    return usage();
  const unsigned seed =
      argc > 3 ? static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)) : std::random_device()();
  std::printf("seed %u\n", seed);
  random_numbers.seed(seed);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    sl::run(options, soak, std::chrono::seconds(seconds));
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
