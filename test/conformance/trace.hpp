#pragma once

// The cases log what happens; a case's trace is all entries up to the end of its main, `A → B → M`.
// Errors are named as in the measured traces, so that these can be compared as they stand. What the
// ancestor calls D1, D2 and D3 is one deadlock_error here, named `deadlock`.

#include <stackless/stackless.hpp>

#include <exception>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conformance {

inline std::vector<std::string>& entries() {
  static std::vector<std::string> list;
  return list;
}

/// One entry, made of all parts.
template <class... Parts>
void log(const Parts&... parts) {
  std::ostringstream text;
  text << std::boolalpha;
  (text << ... << parts);
  entries().push_back(text.str());
}

/// An application's error. It is named `kind(text)`.
class app_error : public std::runtime_error {
 public:
  app_error(std::string_view kind, std::string_view text)
      : std::runtime_error(std::string(kind) + "(" + std::string(text) + ")") {}
};

inline std::exception_ptr value_error(std::string_view text) {
  return std::make_exception_ptr(app_error("ValueError", text));
}
inline std::exception_ptr index_error(std::string_view text) {
  return std::make_exception_ptr(app_error("IndexError", text));
}
inline std::exception_ptr key_error(std::string_view text) {
  return std::make_exception_ptr(app_error("KeyError", text));
}

inline std::string misuse_name(std::string_view text) {
  if (text.find("is blocked") != text.npos) return "ISBLOCKED";
  if (text.find("has ended") != text.npos) return "ISDEAD";
  if (text.find("running tasklet") != text.npos) return "ISCURRENT";
  return "logic_error(" + std::string(text) + ")";
}

inline std::string error_name(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const stackless::tasklet_exit&) {
    return "TaskletExit";
  } catch (const stackless::deadlock_error&) {
    return "deadlock";
  } catch (const stackless::channel_closed&) {
    return "CLOSED";
  } catch (const stackless::block_trap_error&) {
    return "BLOCKTRAP";
  } catch (const stackless::switch_trap_error&) {
    return "TRAP";
  } catch (const stackless::tasklet_killed&) {
    return "KILLED";
  } catch (const std::invalid_argument&) {
    return "invalid_argument";
  } catch (const std::logic_error& e) {
    return misuse_name(e.what());
  } catch (const std::exception& e) {
    return e.what();
  }
}

/// The error that is being handled.
inline std::string error_name() {
  return error_name(std::current_exception());
}

/// `[APBS]`: alive, paused, blocked, scheduled.
inline std::string flags(const stackless::any_tasklet& t) {
  std::string text = "[----]";
  if (t.alive()) text[1] = 'A';
  if (t.paused()) text[2] = 'P';
  if (t.blocked()) text[3] = 'B';
  if (t.scheduled()) text[4] = 'S';
  return text;
}

/// Logs when its scope is left: the `finally` of the measured cases.
class at_exit {
 public:
  explicit at_exit(std::string_view text) : text_(text) {}
  at_exit(const at_exit&) = delete;
  at_exit& operator=(const at_exit&) = delete;
  ~at_exit() { log(text_); }

 private:
  std::string_view text_;
};

/// A bystander that logs its own name and ends.
inline stackless::task<> says(const char* name) {
  log(name);
  co_return;
}

/// Logs name1, yields, logs name2.
inline stackless::task<> says_twice(const char* name) {
  log(name, 1);
  co_await stackless::yield();
  log(name, 2);
}

/// Logs `name ok` or `name!error`.
template <class Operation>
stackless::task<> attempt(const char* name, Operation operation) {
  try {
    co_await operation;
    log(name, " ok");
  } catch (...) {
    log(name, "!", error_name());
  }
}

/// Makes a tasklet that is alive, never ran and is not in the ring.
template <class... A>
auto spawn_paused(A... arguments) {
  auto made = stackless::spawn(std::move(arguments)...);
  made.remove();
  return made;
}

enum class remaining : unsigned char { nothing, blocked_tasklets };

/// Runs `body()` as main and gives its trace. With `remaining::blocked_tasklets` the case leaves
/// some, and `run` must say so.
template <class F>
std::string run_case(remaining left, F body) {
  entries().clear();
  std::vector<std::string> recorded;
  std::string end = "all ended";
  const auto main = [&]() -> stackless::task<> {
    try {
      co_await body();
    } catch (...) {
      log("MAIN!", error_name());
    }
    recorded = entries();
  };
  try {
    stackless::run(main);
  } catch (...) {
    end = error_name();
  }
  if (end != (left == remaining::nothing ? "all ended" : "deadlock"))
    recorded.push_back("run: " + end);
  std::string trace;
  for (const std::string& entry : recorded) trace += (trace.empty() ? "" : " → ") + entry;
  return trace;
}

template <class F>
std::string run_case(F body) {
  return run_case(remaining::nothing, std::move(body));
}

}  // namespace conformance
