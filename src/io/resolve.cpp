#include <stackless/external_source.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/resolve.hpp>

#include "name_lookup.hpp"
#include "native_address.hpp"
#include "resource.hpp"
#include "threads/offload_pool.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

class resolver_category_type final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "stackless.resolver"; }
  [[nodiscard]] std::string message(int code) const override { return ::gai_strerror(code); }
};

std::error_code code_of_lookup(int code) noexcept {
  switch (code) {
  case 0:
    return {};
  case EAI_NONAME:
  case EAI_NODATA:
  case EAI_ADDRFAMILY:
    return io::errc::unknown_host;
  case EAI_SYSTEM:
    return {errno, std::system_category()};
  case EAI_MEMORY:
    return std::make_error_code(std::errc::not_enough_memory);
  default:
    return {code, io::resolver_category()};
  }
}

std::atomic<name_lookup> lookup_in_use = &system_name_lookup;

/// One question to the resolver. It is on the heap, and belongs to who comes last: the tasklet, or
/// the thread that asks, which nobody can interrupt.
class question final : public pool_job {
 public:
  question(std::string host, std::string service, external_notifier answered)
      : host_(std::move(host)), service_(std::move(service)), answered_(std::move(answered)) {}

  name_answer answer;

  void run() noexcept override {
    try {
      answer = lookup_in_use.load()(host_, service_);
    } catch (...) {
      answer.error = std::make_error_code(std::errc::not_enough_memory);
    }
    answered_->notify();
    answered_.reset();
    release();
  }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~question() = default;

  std::string host_;
  std::string service_;
  std::optional<external_notifier> answered_;
  std::atomic<int> references_{2};
};

/// The tasklet's hold on it.
class asked {
 public:
  explicit asked(question& q) : question_(q) {
    try {
      offload_pool::instance().submit(q);
    } catch (...) {
      q.release();
      q.release();
      throw;
    }
  }
  asked(const asked&) = delete;
  asked& operator=(const asked&) = delete;
  ~asked() {
    if (offload_pool::instance().withdraw(question_)) question_.release();
    question_.release();
  }
  [[nodiscard]] name_answer take() noexcept { return std::move(question_.answer); }

 private:
  question& question_;
};

}  // namespace

name_answer system_name_lookup(const std::string& host, const std::string& service) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(host.c_str(), service.empty() ? nullptr : service.c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, [](addrinfo* list) {
    if (list != nullptr) ::freeaddrinfo(list);
  });
  name_answer answer;
  answer.error = code_of_lookup(code);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    native_address native;
    std::memcpy(&native.storage, one->ai_addr, one->ai_addrlen);
    native.size = one->ai_addrlen;
    const io::socket_address address = from_native(native);
    const auto& list = answer.addresses;
    if (std::find(list.begin(), list.end(), address) == list.end())
      answer.addresses.push_back(address);
  }
  if (!answer.error && answer.addresses.empty()) answer.error = io::errc::unknown_host;
  return answer;
}

void set_name_lookup(name_lookup lookup) noexcept {
  lookup_in_use = lookup;
}

}  // namespace detail

namespace io {

namespace {

std::optional<std::uint16_t> parse_port(const std::string& service) noexcept {
  if (service.empty()) return std::uint16_t{0};
  std::uint16_t port = 0;
  const char* const end = service.data() + service.size();
  const auto result = std::from_chars(service.data(), end, port);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return port;
}

std::string subject_of(const std::string& host, const std::string& service) {
  return service.empty() ? host : host + ":" + service;
}

}  // namespace

const std::error_category& resolver_category() noexcept {
  static const detail::resolver_category_type instance;
  return instance;
}

task<std::vector<socket_address>> resolve_all(std::string host, std::string service) {
  detail::check_current_tasklet();
  std::string_view text = host;
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  const auto port = parse_port(service);
  if (const auto ip = ip_address::parse(text); ip && port)
    co_return std::vector<socket_address>(1, socket_address(*ip, *port));
  if (host == "localhost" && port)
    co_return std::vector<socket_address>{
        socket_address(ip_address::loopback(), *port),
        socket_address(ip_address::loopback(ip_version::v6), *port)
    };
  const std::string subject = subject_of(host, service);
  // The system would see what is before the zero.
  const bool has_zero =
      host.find('\0') != std::string::npos || service.find('\0') != std::string::npos;
  if (host.empty() || has_zero) throw io_error(errc::unknown_host, "resolve", -1, subject);

  const object_name name("resolve \"" + subject + "\"");
  const external_source answered(name);
  detail::asked lookup(
      *new detail::question(std::string(text), std::move(service), answered.notifier())
  );
  co_await answered.wait();
  detail::name_answer answer = lookup.take();
  if (answer.error) throw io_error(answer.error, "resolve", -1, subject);
  co_return std::move(answer.addresses);
}

task<socket_address> resolve(std::string host, std::string service) {
  const std::vector<socket_address> all = co_await resolve_all(std::move(host), std::move(service));
  co_return all.front();
}

task<socket_address> resolve(std::string host, std::uint16_t port) {
  const std::vector<socket_address> all = co_await resolve_all(std::move(host), {});
  co_return socket_address(all.front().ip(), port);
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
