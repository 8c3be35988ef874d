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

namespace {

/// As a shell takes it. What is not to be printed becomes "\n" and "\xff" on its way to the
/// terminal, which is why it has $'…'.
std::string quoted(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%";
  if (word.find_first_not_of(plain) == std::string_view::npos) return std::string(word);
  std::string text = "$'";
  bool is_printable = true;
  for (const char c : word) {
    is_printable = is_printable && c >= ' ' && c <= '~' && c != '\'' && c != '\\';
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  text += '\'';
  return is_printable ? text.substr(1) : text;
}

}  // namespace

std::string resuming_command(const options& chosen, bool renames_directory) {
  std::string command = "copy";
  if (chosen.recursive) command += " -r";
  command += " --resume";
  if (chosen.verify) command += " --verify";
  if (chosen.jobs != options().jobs) command += " -j " + std::to_string(chosen.jobs);
  command += " --";
  for (const std::string& source : chosen.sources)
    command += " " + quoted(renames_directory ? source + "/." : source);
  return command + " " + quoted(chosen.target);
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
         "                   A file that fails keeps what it has, too; one that --verify finds to "
         "differ is copied\n"
         "                   anew. A directory that was to become TARGET and is there now would be "
         "copied into it:\n"
         "                   go on with SOURCE/. TARGET. A copy that is stopped prints the "
         "command\n"
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
