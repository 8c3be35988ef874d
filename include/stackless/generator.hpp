#pragma once

#include <stackless/detail/config.hpp>
#include <stackless/detail/yield.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

template <class T>
class generator;

/// `co_yield elements_of(range)`: all of the range's elements, one after the other. Of a generator
/// of the same type this costs the same at every depth of nesting.
template <class Range>
class elements_of {
 public:
  explicit elements_of(Range range) noexcept : range_(static_cast<Range&&>(range)) {}
  [[nodiscard]] Range&& get() const noexcept { return static_cast<Range&&>(range_); }

 private:
  Range&& range_;
};
template <class Range>
elements_of(Range&&) -> elements_of<Range&&>;

namespace detail {

/// Of nested generators the outermost is iterated, and the innermost is resumed.
template <class T>
class generator_promise {
 public:
  using reference = std::conditional_t<std::is_reference_v<T>, T, T&&>;
  using value = std::remove_reference_t<T>;
  using handle = std::coroutine_handle<generator_promise>;

  generator_promise() noexcept = default;
  generator_promise(const generator_promise&) = delete;
  generator_promise& operator=(const generator_promise&) = delete;

  generator<T> get_return_object() noexcept;
  static std::suspend_always initial_suspend() noexcept { return {}; }
  static std::suspend_always final_suspend() noexcept { return {}; }
  static void return_void() noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  template <class A>
  void await_transform(A&&) {
    static_assert(
        !std::is_same_v<A, A>,
        "a generator cannot co_await: it runs in plain functions. Use async_generator"
    );
  }

  std::suspend_always yield_value(reference element) noexcept {
    static_assert(
        std::is_reference_v<T> || detail::safe_to_yield<value>,
        "GCC 12 destroys such a temporary twice: name the variable, and co_yield move_from(it)"
    );
    root_->current_ = std::addressof(element);
    return {};
  }

  /// Keeps a copy of what must not be moved from.
  class copy_awaiter {
   public:
    copy_awaiter(generator_promise& root, const value& element) : copy_(element), root_(root) {}
    copy_awaiter(const copy_awaiter&) = delete;
    copy_awaiter& operator=(const copy_awaiter&) = delete;
    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { root_.current_ = &copy_; }
    static void await_resume() noexcept {}

   private:
    value copy_;
    generator_promise& root_;
  };
  copy_awaiter yield_value(const value& element)
    requires(!std::is_reference_v<T> && std::copy_constructible<value>)
  {
    return copy_awaiter(*root_, element);
  }

  template <class U>
    requires(!std::is_reference_v<T> && std::same_as<U, value>)
  std::suspend_always yield_value(moved_element<U> element) noexcept {
    root_->current_ = std::addressof(element.get());
    return {};
  }

  class nested_awaiter {
   public:
    nested_awaiter(generator<T> inner, generator_promise& outer) noexcept
        : inner_(std::move(inner)), outer_(outer) {}
    nested_awaiter(const nested_awaiter&) = delete;
    nested_awaiter& operator=(const nested_awaiter&) = delete;
    static bool await_ready() noexcept { return false; }
    void await_suspend(handle) noexcept {
      generator_promise& promise = inner_.handle_.promise();
      promise.owner_ = &inner_.handle_;
      promise.outer_ = &outer_;
      promise.root_ = outer_.root_;
      outer_.root_->innermost_ = inner_.handle_;
    }
    void await_resume() const {
      generator_promise& ended = inner_.handle_.promise();
      if (ended.error_) std::rethrow_exception(std::exchange(ended.error_, nullptr));
    }

   private:
    generator<T> inner_;
    generator_promise& outer_;
  };
  nested_awaiter yield_value(elements_of<generator<T>&&> nested) {
    nested.get().check_new();
    return nested_awaiter(std::move(nested.get()), *this);
  }
  template <std::ranges::input_range Range>
    requires std::convertible_to<std::ranges::range_reference_t<Range>, reference> ||
             std::convertible_to<std::ranges::range_reference_t<Range>, value>
  nested_awaiter yield_value(elements_of<Range> nested) {
    return nested_awaiter(walk(nested.get()), *this);
  }

  /// Up to the next element, or the end. \throws what the bodies throw
  void advance() {
    current_ = nullptr;
    while (current_ == nullptr) {
      const handle running = innermost_;
      running.resume();
      if (!running.done()) continue;  // it has an element, or a nested one is to run
      generator_promise& ended = running.promise();
      if (ended.outer_ == nullptr) {
        if (ended.error_) std::rethrow_exception(std::exchange(ended.error_, nullptr));
        return;
      }
      innermost_ = handle::from_promise(*ended.outer_);
    }
  }
  [[nodiscard]] reference element() const noexcept { return static_cast<reference>(*current_); }

  /// Innermost first and in a loop, so that the native stack stays flat.
  void destroy_nested() noexcept {
    while (innermost_ != handle::from_promise(*this)) {
      const handle inner = innermost_;
      innermost_ = handle::from_promise(*inner.promise().outer_);
      *inner.promise().owner_ = nullptr;
      inner.destroy();
    }
  }

 private:
  friend class generator<T>;

  template <class Range>
  static generator<T> walk(Range&& range) {
    for (auto&& element : range) co_yield static_cast<decltype(element)>(element);
  }

  std::add_pointer_t<reference> current_ = nullptr;  // of the outermost
  handle innermost_ = handle::from_promise(*this);   // of the outermost
  generator_promise* root_ = this;
  generator_promise* outer_ = nullptr;
  handle* owner_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace detail

/// A sequence that is made while it is read: a coroutine that gives its elements by `co_yield`. An
/// input range, for one pass, in tasklets and outside of them alike; nothing runs before `begin`.
/// Elements are `T&&`, or `T` itself if that is a reference; an lvalue that is yielded is copied.
///
/// **Errors**: what the body raises comes out of `begin` or of the iterator's `++`, and the range
/// is at its end then. `begin` a second time: `std::logic_error`. It cannot `co_await`.
/// **Lifetime**: an element lives until the next `++`. A generator that is destroyed in between
/// destroys its body's locals, innermost first.
/// **Threads**: one at a time, any.
template <class T>
class [[nodiscard("a generator runs only when it is iterated")]] generator
    : public std::ranges::view_interface<generator<T>> {
 public:
  using promise_type = detail::generator_promise<T>;
  using value_type = std::remove_cvref_t<T>;
  using reference = typename promise_type::reference;

  generator(generator&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), begun_(other.begun_) {}
  generator& operator=(generator&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
      begun_ = other.begun_;
    }
    return *this;
  }
  ~generator() { reset(); }

  class iterator {
   public:
    using value_type = generator::value_type;
    using difference_type = std::ptrdiff_t;

    iterator(iterator&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    iterator& operator=(iterator&& other) noexcept {
      handle_ = std::exchange(other.handle_, nullptr);
      return *this;
    }

    [[nodiscard]] reference operator*() const noexcept { return handle_.promise().element(); }
    iterator& operator++() {
      handle_.promise().advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    [[nodiscard]] friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
      return i.handle_.done();
    }

   private:
    friend class generator;
    explicit iterator(typename promise_type::handle h) noexcept : handle_(h) {}
    typename promise_type::handle handle_;
  };

  /// Runs the body up to its first element.
  iterator begin() {
    check_new();
    begun_ = true;
    handle_.promise().advance();
    return iterator(handle_);
  }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return std::default_sentinel; }

 private:
  friend promise_type;

  explicit generator(typename promise_type::handle h) noexcept : handle_(h) {}
  void check_new() const {
    if (handle_ == nullptr) detail::throw_misuse("generator: it was moved from");
    if (begun_) detail::throw_misuse("generator: it can be iterated only once");
  }
  void reset() noexcept {
    if (handle_ == nullptr) return;
    handle_.promise().destroy_nested();
    std::exchange(handle_, nullptr).destroy();
  }

  typename promise_type::handle handle_;
  bool begun_ = false;
};

template <class T>
generator<T> detail::generator_promise<T>::get_return_object() noexcept {
  return generator<T>(handle::from_promise(*this));
}

}  // namespace stackless::inline STACKLESS_ABI

template <class T>
inline constexpr bool std::ranges::enable_view<stackless::generator<T>> = true;
