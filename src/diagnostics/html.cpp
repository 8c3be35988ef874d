#include <stackless/deadlock.hpp>

#include "diagnostics/diagram.hpp"
#include "diagnostics/page.hpp"
#include "diagnostics/report_sections.hpp"
#include "diagnostics/svg.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

namespace stackless::inline STACKLESS_ABI {

namespace {

using detail::html_text;

constexpr detail::diagram_limits drawn{24, 24};

/// Above that the JSON would make the page too large for a browser.
constexpr std::size_t most_tasklets_as_data = 2000;

constexpr std::string_view style = R"css(
:root { --ink: #1b1f24; --paper: #fff; --soft: #59636e; --line: #8c959f; --box: #f6f8fa;
  --core: #c4161c; --corebox: #fff1f0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9198a1;
  --line: #6e7681; --box: #161b22; --core: #ff7b72; --corebox: #2b1416; } }
body { margin: 2em auto; max-width: 76em; padding: 0 1.5em; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35em; margin-bottom: .2em; }
h2 { font-size: 1.05em; margin: 1.8em 0 .5em; }
.grade { color: var(--soft); margin-top: 0; }
.why, .fix { font-size: 1.1em; border-left: 4px solid var(--core); padding-left: .8em; }
.fix { border-color: #1a7f37; }
pre { overflow-x: auto; background: var(--box); padding: .8em 1em; border-radius: 6px;
  font: 12.5px/1.45 ui-monospace, monospace; }
figure { margin: 1em 0; overflow-x: auto; }
figcaption { color: var(--soft); font-size: .9em; }
svg { max-width: 100%; height: auto; }
svg text { text-anchor: middle; fill: var(--ink); font: 12px ui-monospace, monospace; }
svg .detail { fill: var(--soft); font-size: 11px; }
.node rect { fill: var(--box); stroke: var(--line); }
.group rect { stroke-width: 3; }
.outside rect { stroke-dasharray: 5 4; }
.node.core rect { fill: var(--corebox); stroke: var(--core); }
.node.told rect { stroke-width: 3; }
.edge path { fill: none; stroke: var(--line); stroke-width: 1.4; }
.edge.any path { stroke-dasharray: 5 4; }
.edge.core path { stroke: var(--core); }
.edge text { font-size: 11px; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; }
#head path { fill: var(--line); }
#core-head path { fill: var(--core); }
)css";

class html_page {
 public:
  explicit html_page(std::string_view title) {
    out_ = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
           "style-src 'unsafe-inline'\">\n<title>";
    out_ += html_text(title);
    out_ += "</title>\n<style>";
    out_ += style;
    out_ += "</style></head><body>\n";
  }

  void element(std::string_view tag, std::string_view class_name, std::string_view text) {
    out_ += '<';
    out_ += tag;
    if (!class_name.empty()) out_ += fmt::format(" class=\"{}\"", class_name);
    out_ += fmt::format(">{}</{}>\n", html_text(text), tag);
  }

  void picture(const detail::diagram& drawing) {
    const std::string svg = detail::to_svg(drawing);
    if (svg.empty()) return;
    out_ += "<figure>\n" + svg +
            "<figcaption>Boxes are tasklets, pills what they wait for. A solid "
            "line: only that one could act; dashed: any one of them could.";
    if (drawing.left_out != 0)
      out_ +=
          fmt::format(" Not drawn: {}.", detail::counted(drawing.left_out, "tasklet", "tasklets"));
    out_ += "</figcaption></figure>\n";
  }

  /// Blocks of the text report.
  void section(std::string_view title, std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    if (text.empty()) return;
    if (!title.empty()) element("h2", {}, title);
    element("pre", {}, text);
  }

  void data(const std::string* json) {
    if (json == nullptr) {
      element("p", "grade", "The data as JSON is too large for this page: to_json() gives it.");
      return;
    }
    out_ += "<script type=\"application/json\" id=\"data\">" + *json + "</script>\n";
  }

  std::string take() && { return std::move(out_) + "</body></html>\n"; }

 private:
  std::string out_;
};

template <class Write>
std::string text_by(const snapshot_data& state, Write write) {
  detail::page out;
  detail::tasklet_printer printer(out, state);
  write(out, printer);
  return std::move(out).take();
}

}  // namespace

std::string to_html(const deadlock_report& report) {
  const auto [what, reason] = detail::heading_of(report);
  html_page page(what);
  page.element("h1", {}, what);
  page.element("p", "grade", reason);
  page.element("p", "why", detail::reason_of(report));
  page.picture(detail::draw(report, drawn));
  if (!report.advice.empty()) page.element("p", "fix", report.advice);
  page.section("The core", text_by(report.state, [&](auto& out, auto& printer) {
                 detail::write_core(out, printer, report);
               }));
  page.section("The others", text_by(report.state, [&](auto& out, auto& printer) {
                 detail::write_crowd(out, printer, report);
               }));
  page.section({}, text_by(report.state, [&](auto& out, auto& printer) {
                 detail::write_ended(out, printer, report);
               }));
  page.section({}, detail::sources_of(report.state));
  if (report.state.tasklets.size() > most_tasklets_as_data) {
    page.data(nullptr);
  } else {
    const std::string json = to_json(report);
    page.data(&json);
  }
  return std::move(page).take();
}

std::string to_html(const snapshot_data& data) {
  html_page page("Tasklets");
  page.element("h1", {}, "Tasklets");
  page.element("p", "grade", detail::heading_of(data));
  page.picture(detail::draw(data, drawn));
  page.section("All of them", to_text(data));
  if (data.tasklets.size() > most_tasklets_as_data) {
    page.data(nullptr);
  } else {
    const std::string json = to_json(data);
    page.data(&json);
  }
  return std::move(page).take();
}

}  // namespace stackless::inline STACKLESS_ABI
