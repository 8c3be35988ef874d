#include <stackless/error.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include <cxxabi.h>

namespace stackless::inline STACKLESS_ABI {

namespace {

struct suppressed_errors {
  std::exception_ptr error;
  std::vector<std::exception_ptr> later;
};

// The table holds its keys, so an entry is right as long as it stands; old entries make room.
constexpr std::size_t kept = 16;

std::vector<suppressed_errors>& table() {
  thread_local std::vector<suppressed_errors> errors;
  return errors;
}

std::string type_name(const std::type_info* type) {
  if (type == nullptr) return "unknown exception";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free
  );
  return status == 0 ? name.get() : type->name();
}

}  // namespace

std::vector<std::exception_ptr> suppressed(const std::exception_ptr& error) {
  for (const suppressed_errors& entry : table())
    if (entry.error == error) return entry.later;
  return {};
}

std::string describe(const std::exception_ptr& error) {
  if (!error) return "no exception";
  try {
    std::rethrow_exception(error);
  } catch (const tasklet_exit&) {
    return "tasklet_exit";
  } catch (const cancelled& e) {
    return "cancelled: " + std::string(e.reason());
  } catch (const std::exception& e) {
    return type_name(&typeid(e)) + ": " + e.what();
  } catch (...) {
    return type_name(abi::__cxa_current_exception_type());
  }
}

namespace detail {

void add_suppressed(const std::exception_ptr& error, std::exception_ptr later) {
  if (error == later) return;
  auto& errors = table();
  const auto entry =
      std::find_if(errors.begin(), errors.end(), [&](const auto& e) { return e.error == error; });
  if (entry != errors.end()) {
    entry->later.push_back(std::move(later));
    return;
  }
  if (errors.size() == kept) errors.erase(errors.begin());
  errors.push_back({error, {std::move(later)}});
}

void throw_misuse(const char* sentence) {
  throw std::logic_error(sentence);
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
