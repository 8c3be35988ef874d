#include "diagnostics/svg.hpp"

#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

struct point {
  double x = 0;
  double y = 0;
};

constexpr double box_width = 190;
constexpr double box_height = 44;
constexpr double row_height = 74;
constexpr double column_width = 290;
constexpr double margin = 30;
constexpr std::size_t longest_line = 25;

/// How far the ring's neighbours lie apart, so that an arrow and its label fit in between.
constexpr double ring_distance = 250;

class layout {
 public:
  explicit layout(const diagram& drawing) : drawing_(drawing), at_(drawing.nodes.size()) {
    place_ring();
    place_columns();
    shift();
  }

  [[nodiscard]] point at(std::size_t node) const { return at_[node]; }
  [[nodiscard]] point size() const { return size_; }

 private:
  void place_ring() {
    const std::size_t count = drawing_.core_nodes;
    if (count == 0) return;
    radius_ =
        count == 1
            ? 0
            : std::max(130.0, ring_distance * static_cast<double>(count) / (2 * std::numbers::pi));
    for (std::size_t i = 0; i < count; ++i) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(count) -
          std::numbers::pi / 2;
      at_[i] = {std::round(radius_ * std::cos(angle)), std::round(radius_ * std::sin(angle))};
    }
  }

  /// Objects next to the ring, then who waits for them.
  void place_columns() {
    std::size_t objects = 0;
    std::size_t others = 0;
    for (std::size_t i = drawing_.core_nodes; i < at_.size(); ++i)
      (is_tasklet(i) ? others : objects) += 1;
    const double left = drawing_.core_nodes == 0 ? 0 : radius_ + column_width;
    place_columns_of(true, others, place_columns_of(false, objects, left));
  }

  [[nodiscard]] bool is_tasklet(std::size_t node) const {
    return drawing_.nodes[node].kind == node_kind::tasklet ||
           drawing_.nodes[node].kind == node_kind::group;
  }

  /// Where the next column may stand.
  double place_columns_of(bool tasklets, std::size_t count, double x) {
    // Rather another column than one that is much higher than the ring.
    const auto rows = std::max<std::size_t>(
        {std::size_t{8}, static_cast<std::size_t>(2 * radius_ / row_height), (count + 2) / 3}
    );
    const std::size_t used = std::min(rows, count);
    std::size_t placed = 0;
    for (std::size_t i = drawing_.core_nodes; i < at_.size(); ++i) {
      if (is_tasklet(i) != tasklets) continue;
      at_[i].x = x + column_width * static_cast<double>(placed / rows);
      at_[i].y =
          row_height * (static_cast<double>(placed % rows) - (static_cast<double>(used) - 1) / 2);
      ++placed;
    }
    return x + column_width * static_cast<double>((count + rows - 1) / rows);
  }

  void shift() {
    point low{1e9, 1e9};
    point high{-1e9, -1e9};
    for (const point& p : at_) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    const double left = box_width / 2 + margin;
    const double top = box_height / 2 + margin;
    for (point& p : at_) p = {p.x - low.x + left, p.y - low.y + top};
    size_ = {high.x - low.x + 2 * left, high.y - low.y + 2 * top};
  }

  const diagram& drawing_;
  std::vector<point> at_;
  point size_;
  double radius_ = 0;
};

/// Where the line from `target` on the way to the box's middle meets its border.
point border(point box, point target) {
  const double dx = target.x - box.x;
  const double dy = target.y - box.y;
  if (dx == 0 && dy == 0) return box;
  const double across = dx == 0 ? 1e9 : box_width / 2 / std::abs(dx);
  const double along = dy == 0 ? 1e9 : box_height / 2 / std::abs(dy);
  const double part = std::min({across, along, 1.0});
  return {box.x + dx * part, box.y + dy * part};
}

void write_edge(
    std::string& out,
    const diagram& drawing,
    const layout& where,
    const diagram_edge& edge,
    bool bent
) {
  const point from = where.at(edge.from);
  const point to = where.at(edge.to);
  const double length = std::max(std::hypot(to.x - from.x, to.y - from.y), 1.0);
  // To the left of its way, so that the one back does not lie upon it.
  const double bend = bent ? 46 / length : 0;
  const point control{
      (from.x + to.x) / 2 + bend * (to.y - from.y), (from.y + to.y) / 2 - bend * (to.x - from.x)
  };
  const point start = border(from, control);
  const point end = border(to, control);
  const point middle{(start.x + 2 * control.x + end.x) / 4, (start.y + 2 * control.y + end.y) / 4};
  out += fmt::format(
      "<g class=\"edge{}{}\" data-from=\"{}\" data-to=\"{}\">"
      "<path d=\"M{:.0f},{:.0f} Q{:.0f},{:.0f} {:.0f},{:.0f}\" marker-end=\"url(#{})\"/>"
      "<text x=\"{:.0f}\" y=\"{:.0f}\">{}</text></g>\n",
      edge.in_core ? " core" : "", edge.any_one ? " any" : "", drawing.nodes[edge.from].key,
      drawing.nodes[edge.to].key, start.x, start.y, control.x, control.y, end.x, end.y,
      edge.in_core ? "core-head" : "head", middle.x, middle.y + 4, html_text(edge.label)
  );
}

std::string_view class_of(node_kind kind) {
  switch (kind) {
  case node_kind::tasklet:
    return "tasklet";
  case node_kind::group:
    return "group";
  case node_kind::object:
    return "object";
  case node_kind::outside:
    return "outside";
  }
  return "";
}

void write_node(std::string& out, const diagram_node& node, point at) {
  const bool two = !node.detail.empty();
  out += fmt::format(
      "<g class=\"node {}{}{}\" data-key=\"{}\"><title>{}{}{}</title>"
      "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" rx=\"{}\"/>"
      "<text x=\"{:.0f}\" y=\"{:.0f}\">{}</text>",
      class_of(node.kind), node.in_core ? " core" : "", node.is_told ? " told" : "", node.key,
      html_text(node.title), two ? ", " + html_text(node.detail) : "",
      node.is_told ? ", gets the error" : "", at.x - box_width / 2, at.y - box_height / 2,
      box_width, box_height, node.kind == node_kind::object ? 22 : 4, at.x, at.y + (two ? -3 : 4),
      html_text(shortened(node.title, longest_line))
  );
  if (two)
    out += fmt::format(
        "<text class=\"detail\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>", at.x, at.y + 13,
        html_text(shortened(node.detail, longest_line))
    );
  out += "</g>\n";
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '"':
      result += "&quot;";
      break;
    case '\'':
      result += "&#39;";
      break;
    default:
      result += c;
    }
  }
  return result;
}

std::string to_svg(const diagram& drawing) {
  if (drawing.nodes.empty()) return {};
  const layout where(drawing);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "role=\"img\" aria-label=\"wait graph\">\n<defs>",
      where.size().x, where.size().y
  );
  for (const char* id : {"head", "core-head"})
    out += fmt::format(
        "<marker id=\"{}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" "
        "markerHeight=\"8\" orient=\"auto\"><path d=\"M0,0 L10,5 L0,10 z\"/></marker>",
        id
    );
  out += "</defs>\n";
  std::set<std::pair<std::size_t, std::size_t>> ways;
  for (const diagram_edge& edge : drawing.edges) ways.insert({edge.from, edge.to});
  for (const diagram_edge& edge : drawing.edges)
    write_edge(out, drawing, where, edge, ways.contains({edge.to, edge.from}));
  for (std::size_t i = 0; i < drawing.nodes.size(); ++i)
    write_node(out, drawing.nodes[i], where.at(i));
  return out + "</svg>\n";
}

}  // namespace stackless::inline STACKLESS_ABI::detail
