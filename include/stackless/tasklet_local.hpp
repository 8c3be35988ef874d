#pragma once

#include <stackless/detail/config.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

/// A tasklet's value of one `tasklet_local`.
struct local_entry {
  std::unique_ptr<local_entry> next;
  std::uint64_t key = 0;

  local_entry() noexcept = default;
  local_entry(const local_entry&) = delete;
  local_entry& operator=(const local_entry&) = delete;
  virtual ~local_entry() = default;
};

template <class T>
struct typed_local_entry final : local_entry {
  template <class... A>
  explicit typed_local_entry(A&&... arguments) : value(std::forward<A>(arguments)...) {}
  T value;
};

/// Of the process: never used twice.
[[nodiscard]] std::uint64_t new_local_key() noexcept;

// Of the running tasklet. \throws std::logic_error outside tasklets
[[nodiscard]] local_entry* find_local(std::uint64_t key);
void add_local(std::uint64_t key, std::unique_ptr<local_entry> entry);
[[nodiscard]] std::unique_ptr<local_entry> remove_local(std::uint64_t key);

}  // namespace detail

/// A variable of which every tasklet has its own, and the functions that it calls with it. It
/// begins as the first value given here, or as `T()`, when the tasklet first asks for it; a new
/// tasklet inherits nothing from the one that spawned it. Usually a global or a static member.
///
/// **Errors**: all operations but the constructors raise `std::logic_error` outside a tasklet.
/// **Lifetime**: a tasklet's value ends with the tasklet, the latest made first, after its
/// coroutines and an error handler that is called for it; it does not end with this.
/// **Threads**: this may be used by the tasklets of all threads; the values are each tasklet's own.
/// **Complexity**: a look into a table; O(of such variables that the tasklet has used). Tasklets
/// that use none pay nothing.
template <class T>
class tasklet_local {
 public:
  tasklet_local()
    requires std::default_initializable<T>
  = default;
  explicit tasklet_local(T first)
    requires std::copy_constructible<T>
      : first_(std::move(first)) {}
  tasklet_local(const tasklet_local&) = delete;
  tasklet_local& operator=(const tasklet_local&) = delete;
  ~tasklet_local() = default;

  /// The running tasklet's value; made now if there is none. Valid until `reset`, or the end of the
  /// tasklet. **Errors**: what making it raises; `std::bad_alloc`.
  [[nodiscard]] T& get() const {
    if (T* present = find()) return *present;
    return add(make_first());
  }
  [[nodiscard]] T& operator*() const { return get(); }
  [[nodiscard]] T* operator->() const { return std::addressof(get()); }

  /// The running tasklet's value, null if it has none yet.
  [[nodiscard]] T* find() const {
    detail::local_entry* entry = detail::find_local(key_);
    return entry == nullptr ? nullptr : std::addressof(static_cast<entry_type*>(entry)->value);
  }

  /// Makes or replaces the running tasklet's value.
  T& set(T value) const {
    if (T* present = find()) return *present = std::move(value);
    return add(std::make_unique<entry_type>(std::move(value)));
  }

  /// Destroys the running tasklet's value: the next `get` makes a new one.
  void reset() const { (void)detail::remove_local(key_); }

 private:
  using entry_type = detail::typed_local_entry<T>;

  [[nodiscard]] std::unique_ptr<entry_type> make_first() const {
    if constexpr (std::copy_constructible<T>) {
      if (first_) return std::make_unique<entry_type>(*first_);
    }
    if constexpr (std::default_initializable<T>) {
      return std::make_unique<entry_type>();
    } else {
      return nullptr;  // it was constructed with a first value
    }
  }
  T& add(std::unique_ptr<entry_type> entry) const {
    T& value = entry->value;
    detail::add_local(key_, std::move(entry));
    return value;
  }

  std::uint64_t key_ = detail::new_local_key();
  std::optional<T> first_;
};

}  // namespace stackless::inline STACKLESS_ABI
