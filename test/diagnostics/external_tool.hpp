#pragma once

#include "catch.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

// Programs of others that read what we write. They may be missing; then the test says so, and
// passes.

namespace external {

class temporary_file {
 public:
  explicit temporary_file(const std::string& content, std::string_view suffix = "") {
    std::string name = std::filesystem::temp_directory_path() / "stackless_test_XXXXXX";
    name += suffix;
    const int descriptor = ::mkstemps(name.data(), static_cast<int>(suffix.size()));
    REQUIRE(descriptor >= 0);
    ::close(descriptor);
    path_ = name;
    std::ofstream(path_, std::ios::binary) << content;
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() { std::filesystem::remove(path_); }

  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

class temporary_folder {
 public:
  temporary_folder() {
    std::string name = std::filesystem::temp_directory_path() / "stackless_test_XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct outcome {
  int status = 0;
  std::string output;
};

inline outcome run(const std::string& command) {
  outcome result;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) != 0;)
    result.output.append(buffer.data(), got);
  result.status = ::pclose(pipe);
  return result;
}

/// The first of the programs that exists; empty, and a warning, if none does.
inline std::string find(std::initializer_list<const char*> names) {
  std::string all;
  for (const char* name : names) {
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0)
      return name;
    all += std::string(all.empty() ? "" : " or ") + name;
  }
  WARN("not checked: there is no " << all);
  return {};
}

inline std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size()))
    ++found;
  return found;
}

}  // namespace external
