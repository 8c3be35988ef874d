#pragma once

#include "diagnostics/diagram.hpp"

#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

/// The element `<svg>`: the core as a ring, clockwise; what waits behind it in columns to the
/// right. Colours come from the page's style. Empty for an empty diagram.
[[nodiscard]] std::string to_svg(const diagram& drawing);

/// As text or an attribute's value of HTML.
[[nodiscard]] std::string html_text(std::string_view text);

}  // namespace stackless::inline STACKLESS_ABI::detail
