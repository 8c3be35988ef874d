#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "diagnostics/report.hpp"
#include "external_tool.hpp"
#include "sample_state.hpp"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace stackless;
using external::count;

namespace {

/// The document as a browser has read it; empty if there is none.
std::string seen_by_browser(const std::string& html) {
  const std::string program =
      external::find({"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"});
  if (program.empty()) return {};
  const external::temporary_file file(html, ".html");
  const external::temporary_folder profile;
  const external::outcome result = external::run(
      "timeout 100 " + program +
      " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=" +
      profile.path() + " --dump-dom file://" + file.path() + " 2>/dev/null"
  );
  CHECK(result.status == 0);
  CHECK_THAT(result.output, contains_text("</html>"));
  return result.output;
}

using arrows = std::multimap<std::string, std::string>;

/// What stands between `before`, from `at` on, and the next quote; `at` goes behind it.
std::string next_value(std::string_view html, std::string_view before, std::size_t& at) {
  at = html.find(before, at);
  if (at == std::string_view::npos) return {};
  at += before.size();
  const std::size_t end = html.find('"', at);
  return std::string(html.substr(at, end - at));
}

arrows core_arrows(std::string_view html) {
  arrows found;
  for (std::size_t at = 0; (at = html.find("class=\"edge core", at)) != std::string_view::npos;) {
    const std::string from = next_value(html, "data-from=\"", at);
    found.emplace(from, next_value(html, "data-to=\"", at));
  }
  return found;
}

/// Five tasklets, five locks, and one circle through all of them.
void check_philosophers(const std::string& html) {
  CHECK(count(html, "class=\"node tasklet core") == 5);
  CHECK(count(html, "class=\"node object core") == 5);
  const arrows edges = core_arrows(html);
  REQUIRE(edges.size() == 10);
  const std::string start = edges.begin()->first;
  std::string at = start;
  for (int step = 1; step <= 10; ++step) {
    INFO(step << " " << at);
    REQUIRE(edges.count(at) == 1);
    at = edges.find(at)->second;
    CHECK((at == start) == (step == 10));
  }
}

task<> dine(mutex& left, mutex& right) {
  const mutex_guard first = co_await left.lock();
  co_await yield();
  const mutex_guard second = co_await right.lock();
}

task<> dinner() {
  std::array<mutex, 5> forks{
      mutex("fork 0"), mutex("fork 1"), mutex("fork 2"), mutex("fork 3"), mutex("fork 4")
  };
  const auto body = [&](nursery& guests) -> task<> {
    for (std::size_t seat = 0; seat < forks.size(); ++seat)
      guests.spawn(
          "philosopher", dine, borrow(forks[seat]), borrow(forks[(seat + 1) % forks.size()])
      );
    co_return;
  };
  co_await with_nursery(body);
}

std::string html_of(auto program) {
  try {
    run(program);
  } catch (const deadlock_error& error) {
    return to_html(error.report());
  }
  FAIL("no deadlock");
  return {};
}

}  // namespace

TEST_CASE("html: the picture of the five philosophers, in a browser") {
  const std::string html = html_of(dinner);
  check_philosophers(html);
  const std::string seen = seen_by_browser(html);
  if (seen.empty()) return;
  check_philosophers(seen);
  CHECK_THAT(seen, contains_text("lock cycle of 5: "));
}

TEST_CASE("html: what it says of two that wait for each other") {
  auto s = sample::ping_pong();
  const deadlock_report report = detail::make_report(s.data(), 3);
  const std::string html = to_html(report);
  CHECK_THAT(html, contains_text("<title>deadlock: 3 of 3 tasklets blocked forever</title>"));
  CHECK_THAT(html, contains_text("[proven: none runnable, 0 I/O in flight, 0 timers]"));
  CHECK_THAT(html, contains_text("&#39;ping&#39; and &#39;pong&#39; each wait for the other"));
  CHECK_THAT(html, contains_text("class=\"fix\">let one side send before it receives"));
  CHECK_THAT(html, contains_text("freed by: a send on &#39;a&#39;"));
  CHECK_THAT(html, contains_text("waiting behind them: 1"));
  CHECK_THAT(html, contains_text("class=\"node tasklet core told\" data-key=\"t3\""));
  CHECK_THAT(
      html, contains_text(
                "<script type=\"application/json\" id=\"data\">" + to_json(report) + "</script>"
            )
  );
  CHECK(core_arrows(html).size() == 4);
  CHECK(to_html(detail::make_report(s.data(), 3)) == html);
}

TEST_CASE("html: it loads nothing and runs nothing") {
  auto s = sample::ping_pong();
  const std::string html = to_html(detail::make_report(s.data(), 3));
  CHECK_THAT(html, contains_text("default-src 'none'"));
  CHECK(
      count(html, "http") == count(html, "http-equiv") + count(html, "http://www.w3.org/2000/svg")
  );
  CHECK(count(html, "<script") == 1);
  for (const char* word : {"src=", "href=", "@import", "url("}) {
    INFO(word);
    CHECK(
        count(html, word) ==
        count(html, "url(#head)") * (std::string_view(word) == "url(" ? 1 : 0) +
            count(html, "url(#core-head)") * (std::string_view(word) == "url(" ? 1 : 0)
    );
  }
}

TEST_CASE("html: hostile names are text, in a browser too") {
  constexpr const char* hostile = "</title></pre></svg></script><script>document.title='gone'</"
                                  "script><img src=x onerror=\"x\">";
  auto s = sample::ping_pong();
  s.at(2).name = hostile;
  s.object(1).name = hostile;
  s.object(1).made_at.file = hostile;
  s.at(2).stack[0].function = hostile;
  s.at(2).waits.age = std::chrono::milliseconds(1);
  deadlock_report report = detail::make_report(s.data(), 3);
  report.advice = hostile;
  const std::string html = to_html(report);
  CHECK(count(html, "<script") == 1);
  CHECK(count(html, "</script>") == 1);
  CHECK(count(html, "<img") == 0);
  CHECK(count(html, "</svg>") == 1);
  const std::string seen = seen_by_browser(html);
  if (seen.empty()) return;
  CHECK_THAT(seen, contains_text("<title>deadlock: 3 of 3 tasklets blocked forever</title>"));
  CHECK(count(seen, "<script") == 1);
  CHECK(count(seen, "<img") == 0);
  CHECK(count(seen, "<svg") == 1);
  CHECK(count(seen, "class=\"node") == 5);
  CHECK(core_arrows(seen).size() == 4);
}

TEST_CASE("html: nodes do not lie upon each other") {
  auto s = sample::philosophers();
  for (std::uint32_t i = 0; i < 40; ++i) {
    auto& t = s.tasklet("crowd", {{"task<> f()", "f.cpp", i + 1, 1}});
    const auto own = s.channel("own " + std::to_string(i));
    s.receives(t.id, own);
    s.holds(2, own);
  }
  const std::string html = to_html(detail::make_report(s.data(), 2));
  struct box {
    double x, y, width, height;
  };
  std::vector<box> boxes;
  for (std::size_t at = 0; (at = html.find("<rect ", at)) != std::string::npos;) {
    box& each = boxes.emplace_back();
    each.x = std::stod(next_value(html, "x=\"", at));
    each.y = std::stod(next_value(html, "y=\"", at));
    each.width = std::stod(next_value(html, "width=\"", at));
    each.height = std::stod(next_value(html, "height=\"", at));
  }
  CHECK(boxes.size() == 10 + 1 + 2 * 23);  // main, and of the crowd as many as there is room for
  for (std::size_t a = 0; a < boxes.size(); ++a) {
    CHECK((boxes[a].x >= 0 && boxes[a].y >= 0));
    for (std::size_t b = 0; b < a; ++b)
      CHECK(
          (boxes[a].x + boxes[a].width <= boxes[b].x || boxes[b].x + boxes[b].width <= boxes[a].x ||
           boxes[a].y + boxes[a].height <= boxes[b].y || boxes[b].y + boxes[b].height <= boxes[a].y)
      );
  }
  CHECK_THAT(html, contains_text("Not drawn: 17 tasklets"));
}

TEST_CASE("html: a snapshot, and nothing at all") {
  auto s = sample::ping_pong();
  const std::string html = to_html(s.data());
  CHECK_THAT(html, contains_text("3 tasklets at step 0"));
  CHECK_THAT(html, contains_text("#2 ping"));
  CHECK(count(html, "class=\"node tasklet\"") == 3);
  CHECK_THAT(to_html(snapshot_data()), contains_text("0 tasklets"));
  CHECK_THAT(to_html(deadlock_report()), contains_text("deadlock: 0 of 0 tasklets"));
}
