#pragma once

#include <stackless/io/address.hpp>

#include <string>
#include <system_error>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// What the system's resolver says. Blocks. An empty `service` is port 0.
struct name_answer {
  std::vector<io::socket_address> addresses;
  std::error_code error;
};
using name_lookup = name_answer (*)(const std::string& host, const std::string& service);

[[nodiscard]] name_answer system_name_lookup(const std::string& host, const std::string& service);

/// For tests: who is asked instead. Not while a look-up is under way.
void set_name_lookup(name_lookup lookup) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
