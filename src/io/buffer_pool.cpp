#include <stackless/detail/io_port.hpp>
#include <stackless/io/buffer_pool.hpp>

#include "buffer_pool_state.hpp"
#include "stream_receiver.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define STACKLESS_POISON_BUFFERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACKLESS_POISON_BUFFERS 1
#endif
#endif
#if defined(STACKLESS_POISON_BUFFERS)
#include <sanitizer/asan_interface.h>
#endif

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

/// Of bytes that own their memory.
constexpr std::uint32_t no_index = std::numeric_limits<std::uint32_t>::max();
/// A kernel that finds none stops receiving.
constexpr std::uint32_t least_lent = 32;

}  // namespace

// buffer_pool_state
// --------------------------------------------------------------------------------

buffer_pool_state::buffer_pool_state(std::size_t count, std::size_t size)
    : size_(static_cast<std::uint32_t>(size)), count_(static_cast<std::uint32_t>(count)) {
  if (count == 0 || count > io::buffer_pool::most_buffers)
    throw std::invalid_argument("a buffer_pool has 1 to 32768 buffers");
  if (size == 0 || size > longest_transfer)
    throw std::invalid_argument("the buffers of a buffer_pool have 1 byte to 1 GiB");
  slots_ = std::make_unique<received_bytes[]>(count);
  // Pages that are never received into are never made.
  void* const memory = ::mmap(
      nullptr, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
      -1, 0
  );
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  for (std::uint32_t i = count_; i != 0; --i) give_back(slots_[i - 1]);
}

buffer_pool_state::~buffer_pool_state() {
  stop_lending();
  if (home_ != nullptr) io_backend::forget(*this);
  if (kernel_keeps_memory_) return;
  for (std::uint32_t i = 0; i < count_; ++i) mark(slots_[i], true);
  ::munmap(memory_, std::size_t{count_} * size_);
}

// So that AddressSanitizer sees bytes that are used after they were given back.
void buffer_pool_state::mark(
    [[maybe_unused]] const received_bytes& slot, [[maybe_unused]] bool in_use
) const noexcept {
#if defined(STACKLESS_POISON_BUFFERS)
  if (in_use) {
    ASAN_UNPOISON_MEMORY_REGION(data(slot), size_);
  } else {
    ASAN_POISON_MEMORY_REGION(data(slot), size_);
  }
#endif
}

received_bytes* buffer_pool_state::take() noexcept {
  received_bytes* const slot = first_free_;
  if (slot == nullptr) return nullptr;
  first_free_ = slot->next;
  --free_count_;
  mark(*slot, true);
  return slot;
}

received_bytes& buffer_pool_state::take_from_kernel(std::uint32_t index) noexcept {
  received_bytes& slot = slots_[index];
  slot.lent = false;
  --lent_;
  mark(slot, true);
  return slot;
}

void buffer_pool_state::give_back(received_bytes& slot) noexcept {
  if (!starving_.empty()) {
    stream_receiver& first = starving_.front();
    feed_no_more(first);
    first.feed(slot);
    return;
  }
  mark(slot, false);
  slot.next = first_free_;
  first_free_ = &slot;
  ++free_count_;
  lend_more();
}

bool buffer_pool_state::may_lend() const noexcept {
  return ring_ && borrowers_ != 0 && lent_ < std::max<std::uint32_t>(borrowers_, least_lent);
}

void buffer_pool_state::lend_more() noexcept {
  while (first_free_ != nullptr && may_lend()) {
    received_bytes& slot = *first_free_;
    first_free_ = slot.next;
    --free_count_;
    slot.lent = true;
    ++lent_;
    ring_->provide(static_cast<std::uint16_t>(index_of(slot)), data(slot), size_);
  }
}

void buffer_pool_state::stop_lending() noexcept {
  if (!ring_) return;
  if (!ring_->withdraw()) kernel_keeps_memory_ = true;
  const auto gone = std::move(ring_);
  for (std::uint32_t i = 0; i < count_ && !kernel_keeps_memory_; ++i)
    if (slots_[i].lent) give_back(take_from_kernel(i));
}

void buffer_pool_state::leave() noexcept {
  stop_lending();
  home_ = nullptr;
}

void buffer_pool_state::starve(stream_receiver& receiver) noexcept {
  starving_.push_back(receiver);
  while (anybody_starves() && !hoarding_.empty() && hoarding_.front().let_go()) continue;
}

void buffer_pool_state::feed_no_more(stream_receiver& receiver) noexcept {
  intrusive_list<stream_receiver, starving_hook>::remove(receiver);
}

void buffer_pool_state::note_hoard(stream_receiver& receiver) noexcept {
  hoarding_.push_back(receiver);
}

void buffer_pool_state::forget_hoard(stream_receiver& receiver) noexcept {
  intrusive_list<stream_receiver, hoarding_hook>::remove(receiver);
}

io::pooled_bytes pooled_access::make(buffer_pool_state& pool, received_bytes& bytes) noexcept {
  io::pooled_bytes made;
  made.size_ = bytes.size;
  if (bytes.in_pool) {
    pool.retain();
    made.data_ = pool.data(bytes);
    made.index_ = pool.index_of(bytes);
    made.origin_ = &pool;
  } else {
    made.data_ = reinterpret_cast<std::byte*>(&bytes + 1);
    made.index_ = no_index;
    made.origin_ = &bytes;
  }
  return made;
}

received_bytes& pooled_access::take_apart(io::pooled_bytes& bytes) noexcept {
  void* const origin = std::exchange(bytes.origin_, nullptr);
  bytes.data_ = nullptr;
  bytes.size_ = 0;
  if (bytes.index_ == no_index) return *static_cast<received_bytes*>(origin);
  auto& pool = *static_cast<buffer_pool_state*>(origin);
  received_bytes& slot = pool.slot(bytes.index_);
  pool.release();  // the stream has a reference of its own
  return slot;
}

}  // namespace detail

namespace io {

void pooled_bytes::give_back() noexcept {
  void* const origin = std::exchange(origin_, nullptr);
  data_ = nullptr;
  size_ = 0;
  if (index_ == detail::no_index) {
    ::operator delete(origin);
    return;
  }
  auto& pool = *static_cast<detail::buffer_pool_state*>(origin);
  pool.give_back(pool.slot(index_));
  pool.release();
}

buffer_pool::buffer_pool(std::size_t count, std::size_t size)
    : state_(new detail::buffer_pool_state(count, size)) {}

buffer_pool::buffer_pool(const buffer_pool& other) noexcept : state_(other.state_) {
  state_->retain();
}

buffer_pool& buffer_pool::operator=(const buffer_pool& other) noexcept {
  other.state_->retain();
  std::exchange(state_, other.state_)->release();
  return *this;
}

buffer_pool::~buffer_pool() {
  state_->release();
}

std::size_t buffer_pool::count() const noexcept {
  return state_->count();
}
std::size_t buffer_pool::buffer_size() const noexcept {
  return state_->buffer_size();
}
std::size_t buffer_pool::available() const noexcept {
  return state_->available();
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
