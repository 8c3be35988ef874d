#include <stackless/deadlock.hpp>

#include "diagnostics/diagram.hpp"
#include "diagnostics/report_sections.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

// The wait graph in two languages that others draw.

namespace stackless::inline STACKLESS_ABI {

namespace {

/// In a string of DOT. Graphviz reads escapes and entities in labels.
std::string dot_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (result += '\\') += c;
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

/// In a quoted label of Mermaid, which knows entities by `#`, and draws the rest as HTML.
std::string mermaid_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("\"#&<>`\\;").find(c) != std::string_view::npos) {
      result += fmt::format("#{};", static_cast<int>(c));
    } else {
      result += c;
    }
  }
  return result;
}

std::string left_out(const detail::diagram& drawing) {
  return "and " + detail::counted(drawing.left_out, "other tasklet", "other tasklets");
}

std::string write_dot(const detail::diagram& drawing, std::string_view title) {
  std::string out = fmt::format(
      "digraph \"wait graph\" {{\n"
      "  graph [label=\"{}\", labelloc=t, fontname=\"sans-serif\", rankdir=LR];\n"
      "  node [fontname=\"sans-serif\", fontsize=11];\n"
      "  edge [fontname=\"sans-serif\", fontsize=10];\n",
      dot_text(title)
  );
  for (const detail::diagram_node& node : drawing.nodes) {
    const bool is_object = node.kind == detail::node_kind::object;
    std::string label = dot_text(node.title);
    if (!node.detail.empty()) label += "\\n" + dot_text(node.detail);
    if (node.is_told) label += "\\ngets the error";
    out +=
        fmt::format("  {} [label=\"{}\", shape={}", node.key, label, is_object ? "ellipse" : "box");
    if (node.kind == detail::node_kind::group) out += ", peripheries=2";
    if (node.kind == detail::node_kind::outside) out += ", style=dashed";
    if (node.in_core) out += ", color=red";
    out += "];\n";
  }
  for (const detail::diagram_edge& edge : drawing.edges) {
    out += fmt::format(
        "  {} -> {} [label=\"{}\"", drawing.nodes[edge.from].key, drawing.nodes[edge.to].key,
        dot_text(edge.label)
    );
    if (edge.any_one) out += ", style=dashed";
    if (edge.in_core) out += ", color=red";
    out += "];\n";
  }
  if (drawing.left_out != 0)
    out += fmt::format("  left_out [label=\"{}\", shape=plaintext];\n", left_out(drawing));
  return out + "}\n";
}

std::string write_mermaid(const detail::diagram& drawing) {
  std::string out = "flowchart LR\n";
  std::string core;
  for (const detail::diagram_node& node : drawing.nodes) {
    const bool is_object = node.kind == detail::node_kind::object;
    std::string label = mermaid_text(node.title);
    if (!node.detail.empty()) label += "<br>" + mermaid_text(node.detail);
    if (node.is_told) label += "<br>gets the error";
    const bool is_group = node.kind == detail::node_kind::group;
    out += fmt::format(
        "  {}{}\"{}\"{}\n", node.key,
        is_object  ? "(["
        : is_group ? "[["
                   : "[",
        label,
        is_object  ? "])"
        : is_group ? "]]"
                   : "]"
    );
    if (node.in_core) core += (core.empty() ? "" : ",") + node.key;
  }
  for (const detail::diagram_edge& edge : drawing.edges)
    out += fmt::format(
        "  {} {}|\"{}\"| {}\n", drawing.nodes[edge.from].key, edge.any_one ? "-.->" : "-->",
        mermaid_text(edge.label), drawing.nodes[edge.to].key
    );
  if (drawing.left_out != 0) out += fmt::format("  left_out[\"{}\"]\n", left_out(drawing));
  if (!core.empty())
    out += fmt::format("  classDef core stroke:#c00,stroke-width:2px\n  class {} core\n", core);
  return out;
}

}  // namespace

std::string to_dot(const snapshot_data& data) {
  return write_dot(detail::draw(data, {}), detail::heading_of(data));
}

std::string to_dot(const deadlock_report& report) {
  return write_dot(detail::draw(report, {}), detail::reason_of(report));
}

std::string to_mermaid(const snapshot_data& data) {
  return write_mermaid(detail::draw(data, {}));
}

std::string to_mermaid(const deadlock_report& report) {
  return write_mermaid(detail::draw(report, {}));
}

}  // namespace stackless::inline STACKLESS_ABI
