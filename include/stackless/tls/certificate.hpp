#pragma once

#include <stackless/detail/config.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::tls {

/// What a certificate says.
struct certificate {
  std::string subject;  ///< as in RFC 2253: "CN=example.org,O=Example"
  std::string issuer;
  std::vector<std::string> hosts;  ///< the names and addresses that it is for
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
  std::string sha256;  ///< of the whole certificate, in hexadecimal digits
};

}  // namespace stackless::inline STACKLESS_ABI::tls
