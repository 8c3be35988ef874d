#include <stackless/detail/error_trace.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/error.hpp>
#include <stackless/tasklet.hpp>
#include <stackless/traceback.hpp>

#include "diagnostics/snapshot.hpp"
#include "diagnostics/tasklet_text.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace {

using detail::error_trace;
using detail::traced_frame;
using detail::traced_tasklet;

stack_frame to_frame(const traced_frame& f) {
  return detail::frame_from(f.function, f.at);
}

std::string line_of(const error_trace& trace, std::uint64_t id) {
  const traced_tasklet* t = nullptr;
  for (const traced_tasklet& known : trace.tasklets)
    if (known.id == id) t = &known;
  std::string text = "      " + detail::numbered(id, t != nullptr ? t->name : "");
  if (t == nullptr || t->is_main) return text + "\n";
  text += ", spawned";
  if (t->spawn_site_known)
    text += " " + detail::place(t->spawned_at.file_name(), t->spawned_at.line(), 0);
  return text + (t->spawner == 0 ? " by the host\n" : fmt::format(" by #{}\n", t->spawner));
}

std::string way_of(const error_trace& trace) {
  async_stack stack;
  for (const traced_frame& f : trace.frames) stack.push_back(to_frame(f));
  detail::frame_table table;
  table.make_room_for(stack);
  std::string text;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    if (i == error_trace::most_frames / 2 && trace.left_out != 0) {
      text += fmt::format("   …  {} more frames\n", trace.left_out);
      shown += trace.left_out;
    }
    if (!stack[i].in_library) text += table.row(shown++, stack[i]) + "\n";
    const std::uint64_t tasklet = trace.frames[i].tasklet;
    if (i + 1 == stack.size() || trace.frames[i + 1].tasklet != tasklet)
      text += line_of(trace, tasklet);
  }
  if (trace.incomplete) text += "      (there was no memory for all of its way)\n";
  return text;
}

/// What it is, and its way; after a message of several lines that begins with a heading.
std::string told_with_way(const std::exception_ptr& error) {
  const std::string what = describe(error);
  const std::string way = way_of(detail::find_trace(error));
  const bool is_long = what.find('\n') != what.npos && !way.empty();
  return what + (is_long ? "\n\nits way, innermost first:\n" : "\n") + way;
}

void write(std::string_view text) noexcept {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

constinit std::atomic<std::terminate_handler> handler_before = nullptr;
constinit std::atomic<bool> is_installed = false;

/// It would only print the message of the exception again.
bool repeats_the_message([[maybe_unused]] std::terminate_handler handler) noexcept {
#ifdef __GLIBCXX__
  return handler == __gnu_cxx::__verbose_terminate_handler;
#else
  return false;
#endif
}

[[noreturn]] void on_terminate() noexcept {
  // Whatever goes wrong while printing must not keep the program from ending.
  static constinit std::atomic<bool> is_printing = false;
  bool is_told = false;
  if (!is_printing.exchange(true)) {
    try {
      if (const std::exception_ptr error = std::current_exception()) {
        write("stackless: nobody caught " + traceback(error));
        is_told = true;
      }
      if (const async_stack stack = current_stack(); !stack.empty()) {
        const any_tasklet running(*detail::active_scheduler->current());
        write(
            "stackless: terminated in " + detail::numbered(running.id(), running.name()) + "\n" +
            to_string(stack)
        );
      }
    } catch (...) {
      write("stackless: (there was no memory to tell more)\n");
    }
    (void)std::fflush(stderr);
  }
  const std::terminate_handler before = handler_before;
  if (before != nullptr && !(is_told && repeats_the_message(before))) before();
  std::abort();
}

}  // namespace

async_stack trace_of(const std::exception_ptr& error) {
  async_stack stack;
  for (const traced_frame& f : detail::find_trace(error).frames) stack.push_back(to_frame(f));
  return stack;
}

std::string traceback(const std::exception_ptr& error) {
  std::string text = told_with_way(error);
  if (!error) return text;
  for (const std::exception_ptr& later : suppressed(error))
    text += "besides: " + told_with_way(later);
  return text;
}

void print_traceback_on_terminate() noexcept {
  if (is_installed.exchange(true)) return;
  handler_before = std::set_terminate(on_terminate);
}

}  // namespace stackless::inline STACKLESS_ABI
