#pragma once

#include <stackless/snapshot.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

// The words that sentences and tables share. Names come from users: what goes into a report is one
// line, without control characters, and of bounded length.

inline constexpr std::size_t longest_name = 48;

[[nodiscard]] std::string printable(std::string_view text, std::size_t columns = longest_name);
[[nodiscard]] std::string in_quotes(std::string_view name);

/// Columns that UTF-8 text takes up, all characters being one column wide.
[[nodiscard]] std::size_t width_of(std::string_view text);

/// `text` in `columns` at most; what is cut off shows as `…`.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t columns);

/// `#2 ping`
[[nodiscard]] std::string numbered(std::uint64_t id, std::string_view name);
/// `#2 ping` of a tasklet in `state`, or of one that has ended; else `#2`.
[[nodiscard]] std::string numbered(const snapshot_data& state, std::uint64_t id);

/// How sentences about `among` name the tasklet: `'ping'`, or `#2 ping` when two have that name.
[[nodiscard]] std::string called(
    const snapshot_data& state, std::uint64_t id, std::span<const std::uint64_t> among
);

/// `'a', 'b' and 'c'`; after `most` of them `and 7 more`.
[[nodiscard]] std::string listed(std::span<const std::string> items, std::size_t most = 5);

/// `channel`, `mutex`
[[nodiscard]] std::string kind_of(const object_info& object);
/// `'a'`, `mutex 'm'`, or `the channel made pingpong.cpp:21:16`, or just `a channel<int>`; with
/// `ordinal_of` it.
[[nodiscard]] std::string called(const object_info& object);
/// Without: several may be called so.
[[nodiscard]] std::string plainly_called(const object_info& object);
/// ` (2nd of 5)`, of an object that shares its name, or its place, with others; else nothing.
[[nodiscard]] std::string ordinal_of(const object_info& object);
/// `2nd`
[[nodiscard]] std::string ordinal_text(std::size_t number);
/// `made pingpong.cpp:21`; of one that has no name and was made within the standard library
/// `made by a container or make_unique`. Else empty.
[[nodiscard]] std::string made_text(const object_info& object, bool with_column = false);
/// It has no name, and no place that says more.
[[nodiscard]] bool wants_a_name(const object_info& object);
/// Tells the objects that `called` names alike from each other.
void number_namesakes(std::vector<object_info>& objects);

/// `pingpong.cpp:7:13`, by base name; empty for no line.
[[nodiscard]] std::string place(
    std::string_view file, std::uint32_t line, std::uint32_t column = 0
);
[[nodiscard]] std::string_view base_name(std::string_view file);

/// The frames that are the user's; all, if none is.
[[nodiscard]] async_stack without_library(const async_stack& stack);
/// A frame's number in there; its caller's, if it is left out.
[[nodiscard]] std::size_t shown_number(const async_stack& stack, std::size_t frame);

/// `12 ms`
[[nodiscard]] std::string age_text(std::chrono::nanoseconds age);

[[nodiscard]] std::string_view verb(operation_kind operation);
[[nodiscard]] std::string counted(std::size_t count, std::string_view one, std::string_view many);

}  // namespace stackless::inline STACKLESS_ABI::detail
