#include "options.hpp"

#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

namespace copying {

namespace {

constexpr std::size_t most_jobs = 256;

bool parse_jobs(std::string_view text, std::size_t& jobs) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), jobs);
  return error == std::errc() && end == text.data() + text.size() && jobs != 0 && jobs <= most_jobs;
}

}  // namespace

std::optional<options> parse(int argc, char** argv) {
  options chosen;
  std::vector<std::string> paths;
  bool only_paths = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (only_paths || word.size() < 2 || word.front() != '-') {
      paths.emplace_back(word);
    } else if (word == "--") {
      only_paths = true;
    } else if (word == "-r" || word == "-R" || word == "--recursive") {
      chosen.recursive = true;
    } else if (word == "--resume") {
      chosen.resume = true;
    } else if (word == "--verify") {
      chosen.verify = true;
    } else if (word == "-j" || word == "--jobs") {
      if (i + 1 == argc || !parse_jobs(argv[++i], chosen.jobs)) return std::nullopt;
    } else if (word == "-h" || word == "--help") {
      chosen.help = true;
    } else {
      return std::nullopt;
    }
  }
  if (chosen.help) return chosen;
  if (paths.size() < 2) return std::nullopt;
  for (const std::string& path : paths)
    if (path.empty()) return std::nullopt;
  chosen.target = std::move(paths.back());
  paths.pop_back();
  chosen.sources = std::move(paths);
  return chosen;
}

const char* usage() noexcept {
  return "usage: copy SOURCE TARGET\n"
         "       copy [OPTIONS] SOURCE... TARGET\n"
         "\n"
         "Copies files, with their permissions and times, into TARGET if that is a directory, else "
         "as TARGET.\n"
         "A file has its name when it is complete: until then it is .NAME.copy-partial, beside "
         "it.\n"
         "\n"
         "  -r, --recursive  directories with all that is in them; symbolic links stay links. What "
         "is no\n"
         "                   file, directory or link is left out\n"
         "  --resume         goes on where a copy was interrupted: files of the same size and time "
         "are\n"
         "                   taken to be complete, and what agrees with the source of one that is "
         "not is kept.\n"
         "                   A file that fails keeps what it has, too\n"
         "  --verify         reads every file back from the device and compares it with its "
         "source\n"
         "  -j, --jobs N     files at the same time (8)\n"
         "\n"
         "Ends with 0, or 1 if anything could not be copied, 2 for wrong usage, 130 or 143 when it "
         "was stopped by\n"
         "SIGINT or SIGTERM. Neither owners nor hard links are kept, nor set-user-ID and the "
         "like.\n";
}

}  // namespace copying
