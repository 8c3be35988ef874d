#include "transfer.hpp"

#include <stackless/stackless.hpp>

#include "extents.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace sl = stackless;
namespace io = stackless::io;

namespace copying {

namespace {

struct block {
  std::byte* bytes = nullptr;  // of the `buffers`
  std::size_t used = 0;
  std::uint64_t offset = 0;
};

/// Reads the source from its beginning to its end, without its holes.
class source_reader {
 public:
  explicit source_reader(const transfer_plan& plan) : plan_(plan), at_(plan.begin) {}

  /// Fills a part of the block, or all of it; `used` is 0 at the end.
  sl::task<> read(block& into) {
    into.used = 0;
    if (plan_.is_sparse && at_ >= data_.end) {
      const std::optional<extent> next = co_await next_extent(plan_.source, at_);
      if (!next) {
        at_ = std::max(at_, *plan_.size);
        co_return;
      }
      data_ = *next;
      at_ = std::max(at_, data_.begin);
    }
    if (plan_.size && *plan_.size != 0 && at_ >= *plan_.size) co_return;
    const auto room =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffers::block_size, data_.end - at_));
    const io::mutable_bytes bytes(into.bytes, room);
    into.offset = at_;
    if (plan_.source_has_offsets) {
      into.used = co_await plan_.source.read_some_at(at_, bytes);
    } else {
      into.used = co_await plan_.source.read_some(bytes);
    }
    at_ += into.used;
  }

  [[nodiscard]] std::uint64_t position() const noexcept { return at_; }

 private:
  const transfer_plan& plan_;
  std::uint64_t at_;
  extent data_{0, plan_.is_sparse ? 0 : extent().end};
};

sl::task<> write(const transfer_plan& plan, const block& from) {
  const io::const_bytes bytes(from.bytes, from.used);
  if (plan.target_has_offsets) {
    co_await plan.target.write_all_at(from.offset, bytes);
  } else {
    co_await plan.target.write_all(bytes);
  }
}

sl::task<> read_blocks(source_reader& reader, sl::channel<block> empty, sl::channel<block> full) {
  for (;;) {
    block next = co_await empty.receive();
    co_await reader.read(next);
    if (next.used == 0) break;
    co_await full.send(next);
  }
  full.close();
}

sl::task<> write_blocks(
    const transfer_plan& plan,
    sl::channel<block> full,
    sl::channel<block> empty,
    std::uint64_t& moved
) {
  while (std::optional<block> next = co_await full.next()) {
    co_await write(plan, *next);
    moved += next->used;
    (void)empty.try_send(*next);  // there is room: it has come from there
  }
}

}  // namespace

sl::task<std::uint64_t> transfer(transfer_plan plan, buffers& memory, std::uint64_t& moved) {
  source_reader reader(plan);
  if (plan.size && *plan.size <= plan.begin + buffers::block_size) {
    block only{memory.block(0)};
    for (;;) {
      co_await reader.read(only);
      if (only.used == 0) co_return reader.position();
      co_await write(plan, only);
      moved += only.used;
    }
  }
  sl::channel<block> empty("empty blocks", buffers::count);
  sl::channel<block> full("full blocks", buffers::count);
  for (std::size_t i = 0; i < buffers::count; ++i) (void)empty.try_send(block{memory.block(i)});
  co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
    n.spawn("reader", read_blocks, sl::borrow(reader), empty, full);
    n.spawn("writer", write_blocks, sl::borrow(plan), full, empty, sl::borrow(moved));
    if (plan.target_has_offsets)
      n.spawn("second writer", write_blocks, sl::borrow(plan), full, empty, sl::borrow(moved));
    co_return;
  });
  co_return reader.position();
}

sl::task<std::optional<std::uint64_t>> first_difference(
    io::file& one, io::file& other, std::uint64_t size, buffers& memory
) {
  std::byte* const mine = memory.block(0);
  std::byte* const its = memory.block(1);
  std::uint64_t at = 0;
  while (at < size) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffers::block_size, size - at));
    const std::size_t n = co_await one.read_some_at(at, io::mutable_bytes(mine, wanted));
    if (n == 0) co_return at;
    std::size_t m = 0;
    while (m < n) {
      const std::size_t more =
          co_await other.read_some_at(at + m, io::mutable_bytes(its + m, n - m));
      if (more == 0) break;
      m += more;
    }
    if (m < n || std::memcmp(mine, its, n) != 0) {
      const auto* const differs = std::mismatch(mine, mine + m, its).first;
      co_return at + static_cast<std::uint64_t>(differs - mine);
    }
    at += n;
  }
  co_return std::nullopt;
}

}  // namespace copying
