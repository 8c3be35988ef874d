// Copies a file: one tasklet reads, two write, and a few blocks go round between them. With two
// writers the kernel has the next block at hand when it is done with one.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace sl = stackless;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t block_size = std::size_t{1} << 20;
constexpr std::size_t blocks = 3;  // one is read into while two are written

struct block {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t used = 0;
  std::uint64_t offset = 0;
};

class progress_bar {
 public:
  explicit progress_bar(std::uint64_t total) : total_(total) {}
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;
  ~progress_bar() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
  }

  void show(std::uint64_t done) {
    const auto now = std::chrono::steady_clock::now();
    if (!is_terminal_ || total_ == 0 || now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    shown_ = true;
    constexpr std::uint64_t width = 50;
    const auto filled = static_cast<int>(done < total_ ? width * done / total_ : width);
    std::fprintf(
        stderr, "\r[%.*s%*s] %3d%%", filled, "##################################################",
        static_cast<int>(width) - filled, "",
        static_cast<int>(done < total_ ? 100 * done / total_ : 100)
    );
  }

 private:
  std::uint64_t total_;
  bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now();
};

struct target_file {
  target_file(sl::io::file opened, bool regular, std::uint64_t expected)
      : file(std::move(opened)), has_offsets(regular), bar(expected) {}

  sl::io::file file;
  bool has_offsets;  // not a pipe or a terminal, where blocks must be written in order
  progress_bar bar;
  std::uint64_t written = 0;
};

// Whoever works on a block owns it: what the kernel still writes into outlives an error elsewhere.
sl::task<> read(sl::io::file source, sl::channel<block> empty, sl::channel<block> full) {
  std::uint64_t offset = 0;
  while (std::optional<block> b = co_await empty.next()) {
    b->offset = offset;
    b->used = co_await source.read_some({b->bytes.get(), block_size});
    if (b->used == 0) break;
    offset += b->used;
    co_await full.send_from(*b);
  }
  full.close();
}

sl::task<> write(
    std::shared_ptr<target_file> target, sl::channel<block> full, sl::channel<block> empty
) {
  while (std::optional<block> b = co_await full.next()) {
    const sl::io::const_bytes bytes(b->bytes.get(), b->used);
    if (target->has_offsets) {
      co_await target->file.write_all_at(b->offset, bytes);
    } else {
      co_await target->file.write_all(bytes);
    }
    target->written += b->used;
    target->bar.show(target->written);
    (void)empty.try_send(std::move(*b));
  }
}

sl::task<std::uint64_t> copy(fs::path from, fs::path to, bool& target_is_open) {
  sl::io::file source = co_await sl::io::open(from);
  const std::uint64_t size = source.size();
  const auto permissions = static_cast<unsigned>(fs::status(from).permissions()) & 0777U;
  sl::io::file opened = co_await sl::io::open(to, sl::io::open_mode::create_truncate, permissions);
  target_is_open = true;
  const bool has_offsets = fs::is_regular_file(to);
  const auto target = std::make_shared<target_file>(std::move(opened), has_offsets, size);

  sl::channel<block> empty("empty blocks", blocks);
  sl::channel<block> full("full blocks", blocks);
  for (std::size_t i = 0; i < blocks; ++i)
    (void)empty.try_send(block{std::make_unique_for_overwrite<std::byte[]>(block_size)});
  sl::spawn("reader", read, std::move(source), empty, full);
  const auto writer = sl::spawn("writer", write, target, full, empty);
  if (has_offsets) co_await sl::spawn("second writer", write, target, full, empty).join();
  co_await writer.join();
  co_await target->file.close();  // tells what could not be written; the destructor would not
  co_return target->written;
}

void check(const fs::path& from, const fs::path& to) {
  if (fs::is_directory(from)) throw std::runtime_error(from.string() + " is a directory");
  std::error_code target_is_new;
  if (fs::equivalent(from, to, target_is_new))
    throw std::runtime_error(from.string() + " and " + to.string() + " are the same file");
}

/// A half-written copy must not be taken for a whole one.
void remove_incomplete(const fs::path& target) {
  std::error_code error;
  if (!fs::is_regular_file(target, error)) return;
  fs::remove(fs::canonical(target, error), error);
  std::fprintf(
      stderr, "copy: the incomplete %s %s\n", target.c_str(),
      error ? "could not be removed" : "was removed"
  );
}

}  // namespace

int main(int argc, char** argv) {
  constexpr const char* usage = "usage: copy SOURCE TARGET   (over TARGET, if it exists)\n";
  if (argc == 2 && std::string_view(argv[1]) == "--help") return std::fputs(usage, stdout) < 0;
  if (argc != 3) {
    std::fputs(usage, stderr);
    return 2;
  }
  const fs::path from = argv[1];
  const fs::path to = argv[2];
  bool target_is_open = false;
  try {
    check(from, to);
    const auto began = std::chrono::steady_clock::now();
    const std::uint64_t bytes = sl::run(copy, from, to, sl::borrow(target_is_open));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf(
        "copied %" PRIu64 " bytes in %.3f s (%.0f MB/s)\n", bytes, took.count(),
        static_cast<double>(bytes) / 1e6 / took.count()
    );
  } catch (const std::exception& error) {
    std::fprintf(stderr, "copy: %s\n", error.what());
    if (target_is_open) remove_incomplete(to);
    return 1;
  }
}
