#include <stackless/io/error.hpp>

namespace stackless::inline STACKLESS_ABI::io {

namespace {

class io_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "stackless.io"; }
  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
    case errc::end_of_file:
      return "end of file";
    case errc::broken_stream:
      return "broken stream: an earlier transfer was interrupted in the middle";
    case errc::unknown_host:
      return "unknown host";
    case errc::line_too_long:
      return "line too long";
    case errc::no_descriptor:
      return "no descriptor came with the byte";
    case errc::misaligned:
      return "misaligned direct I/O";
    }
    return "unknown error";
  }
};

std::string describe_failure(
    std::error_code code, const char* operation, const std::string& path, std::string_view progress
) {
  std::string text = operation;
  if (!path.empty()) text.append(" \"").append(path).append("\"");
  if (code == std::errc::bad_file_descriptor) text.append(" (closed, or never opened)");
  if (!progress.empty()) text.append(" ").append(progress);
  return text;
}

}  // namespace

const std::error_category& category() noexcept {
  static const io_category instance;
  return instance;
}

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), category()};
}

io_error::io_error(
    std::error_code code,
    const char* operation,
    int descriptor,
    const std::string& path,
    std::string_view progress
)
    : std::system_error(code, describe_failure(code, operation, path, progress)),
      path_(std::make_shared<const std::string>(path)),
      operation_(operation),
      descriptor_(descriptor) {}

}  // namespace stackless::inline STACKLESS_ABI::io
