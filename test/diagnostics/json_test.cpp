#include "catch.hpp"
#include "diagnostics/report.hpp"
#include "sample_state.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace stackless;

namespace {

bool python_agrees(const std::string& json, const std::string& condition) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("stackless_json_" + std::to_string(std::rand()) + ".json");
  std::ofstream(file, std::ios::binary) << json;
  const std::string command = "python3 -c 'import json,sys; d=json.load(open(sys.argv[1], "
                              "encoding=\"utf-8\")); sys.exit(0 if (" +
                              condition + ") else 1)' " + file.string();
  const int status = std::system(command.c_str());
  std::filesystem::remove(file);
  return status == 0;
}

}  // namespace

TEST_CASE("json: a report is read by another's parser, and is complete") {
  auto s = sample::ping_pong();
  const std::string json = to_json(detail::make_report(s.data(), 3));
  CHECK(python_agrees(
      json, R"(d["schema"] == "stackless-deadlock/1" and d["verdict"] == "mutual_receive")"
            R"( and d["grade"] == "proven" and d["core"] == [2, 3] and d["raised_in"] == 3)"
            R"( and len(d["tasklets"]) == 3 and len(d["objects"]) == 3)"
            R"( and d["tasklets"][1]["stack"][0]["line"] == 7)"
            R"( and d["objects"][0]["holders"] == [{"tasklet": 2, "frame": 1},)"
            R"( {"tasklet": 3, "frame": 1}])"
  ));
}

TEST_CASE("json: hostile names come through, what is not UTF-8 is replaced") {
  auto s = sample::ping_pong();
  s.at(1).name = "\"</script>\\\n\t\x01";
  s.at(2).name = "\xff zw\xc3\xb6lf \xed\xa0\x80 \xe2\x82";
  s.at(3).name = std::string("with\0zero", 9);
  CHECK(python_agrees(
      to_json(s.data()),
      R"(d["schema"] == "stackless-snapshot/1" and [t["name"] for t in d["tasklets"]] ==)"
      R"( ["\"</script>\\\n\t\x01", "\ufffd zw\u00f6lf \ufffd\ufffd\ufffd \ufffd\ufffd", "with\0zero"])"
  ));
}
