// A lost wake-up, and how it shows. Main starts two reads, polls for those that have completed, and
// hands each result to the tasklet that waits for it. It delivers only when somebody waits: a
// result that comes early is dropped, and the tasklet that begins to wait for it later would wait
// for ever. That tasklet gets a deadlock_error, and the guard around it tells what main is doing.
//
//   poll_race            shows the race; ends with status 1
//   poll_race --fixed    the channels have room for one result: nothing is lost; ends with status 0

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace sl = stackless;

namespace {

bool failed = false;

std::string what_it_does(const sl::tasklet_info& t, const sl::deadlock_report& report) {
  const sl::object_info* object = report.find_object(t.waits.object);
  switch (t.waits.operation) {
  case sl::operation_kind::join:
    if (const auto* joined = report.find_tasklet(object->tasklet))
      return "waits for the end of tasklet #" + std::to_string(joined->id) + " " + joined->name;
    return "waits for the end of a tasklet";
  case sl::operation_kind::receive:
    return "waits to receive from channel " + object->name;
  case sl::operation_kind::send:
    return "waits to send to channel " + object->name;
  default:
    return t.state == sl::tasklet_state::blocked ? "waits" : "does not wait";
  }
}

void explain(const sl::deadlock_report& report) {
  std::printf(
      "%s: %s\n", std::string(sl::to_string(report.why)).c_str(), report.explanation.c_str()
  );
  for (const sl::tasklet_info& t : report.state.tasklets)
    if (t.is_main)
      std::printf(
          "main %s, here:\n%s", what_it_does(t, report).c_str(), sl::to_string(t.stack).c_str()
      );
  if (!report.advice.empty()) std::printf("fix: %s\n", report.advice.c_str());
}

/// Runs a coroutine function so that none of its errors goes unseen, and none stops the others.
template <class F>
class guarded {
 public:
  explicit guarded(F body) : body_(std::move(body)) {}

  template <class... A>
  sl::task<> operator()(A... args) const {
    try {
      co_await body_(std::move(args)...);
    } catch (const sl::tasklet_exit&) {
      throw;  // it was killed: that is no error
    } catch (const sl::deadlock_error& error) {
      failed = true;
      std::printf("tasklet %s waits in vain\n", sl::this_tasklet::name().c_str());
      explain(error.report());
    } catch (...) {
      failed = true;
      std::printf(
          "tasklet %s failed: %s\n%s", sl::this_tasklet::name().c_str(),
          sl::describe(std::current_exception()).c_str(),
          sl::to_string(sl::this_tasklet::stack()).c_str()
      );
    }
  }

 private:
  F body_;
};

/// An asynchronous read: its tasklet fills in the result, the poller hands it over.
struct read_request {
  std::uint64_t offset;
  std::size_t size;
  sl::channel<std::string> reply;
  std::string result = {};
  bool is_complete = false;
};

sl::task<> read(sl::io::file& file, read_request& request) {
  request.result.resize(request.size);
  co_await file.read_exactly_at(request.offset, request.result);
  request.is_complete = true;
}

sl::task<> show(sl::channel<std::string> header, sl::channel<std::string> body) {
  const std::string first = co_await header.receive();
  std::printf("header: %zu bytes, an %s file\n", first.size(), first.substr(1, 3).c_str());
  const std::string rest = co_await body.receive();
  std::printf("body: %zu bytes\n", rest.size());
}

sl::task<> poll(std::string path, std::size_t room) {
  sl::io::file file = co_await sl::io::open(path);
  read_request header{.offset = 0, .size = 64, .reply = sl::channel<std::string>("header", room)};
  read_request body{.offset = 64, .size = 4096, .reply = sl::channel<std::string>("body", room)};
  const auto shown = sl::spawn("show", guarded(show), header.reply, body.reply);
  const auto first = sl::spawn("read header", guarded(read), sl::borrow(file), sl::borrow(header));
  const auto second = sl::spawn("read body", guarded(read), sl::borrow(file), sl::borrow(body));

  // Both have completed before main gets round to delivering them.
  while (first.alive() || second.alive()) co_await sl::drain_ready();
  for (read_request* request : {&header, &body}) {
    if (!request->is_complete) continue;
    (void)request->reply.try_send(request->result);  // the mistake: nobody asks what became of it
  }

  co_await shown.join();
  co_await file.close();
}

}  // namespace

int main(int argc, char** argv) {
  const bool fixed = argc == 2 && std::string_view(argv[1]) == "--fixed";
  if (argc > 1 && !fixed) {
    std::fputs("usage: poll_race [--fixed]\n", stderr);
    return 2;
  }
  // any file of some size: this program itself
  sl::run(guarded(poll), std::string("/proc/self/exe"), std::size_t{fixed ? 1U : 0U});
  return failed ? 1 : 0;
}
