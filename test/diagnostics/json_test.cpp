#include "catch.hpp"
#include "diagnostics/report.hpp"
#include "external_tool.hpp"
#include "sample_state.hpp"

#include <set>

using namespace stackless;

namespace {

/// What another's parser reads, `d`, fulfils the condition.
void check_with_python(const std::string& json, const std::string& condition) {
  const std::string python = external::find({"python3"});
  if (python.empty()) return;
  const external::temporary_file document(json);
  const external::temporary_file program(
      "import json, sys\nd = json.load(open(sys.argv[1], encoding='utf-8'))\nsys.exit(0 if (" +
      condition + ") else 1)\n"
  );
  INFO(json);
  CHECK(external::run(python + " " + program.path() + " " + document.path()).status == 0);
}

last_operation some_operation(std::uint64_t step, source_place at) {
  last_operation done;
  done.operation = operation_kind::send;
  done.outcome = operation_outcome::dropped;
  done.attempted_only = true;
  done.tasklet = 3;
  done.tasklet_name = "pong";
  done.step = step;
  done.at = at;
  return done;
}

/// No field has the value that it is born with.
deadlock_report full_report() {
  deadlock_report report;
  report.why = verdict::leaked;
  report.certainty = grade::likely;
  report.explanation = "so it is";
  report.advice = "do not";
  report.raised_in = 2;
  report.core = {2, 4};
  report.crowd = {{{5, 6}, true}, {{7}, false}};

  snapshot_data& state = report.state;
  state.step = 99;
  state.tracked = true;
  state.host_driven = true;
  state.sources = {11, 12, 13, 14, "uring", "asked"};

  tasklet_info& t = state.tasklets.emplace_back();
  t.id = 2;
  t.name = "ping";
  t.state = tasklet_state::blocked;
  t.is_main = t.is_daemon = t.wakes_nobody = t.never_started = t.has_way_out = true;
  t.spawned_by = 1;
  t.spawned_by_name = "main";
  t.spawned_at = {"a.cpp", 21, 22, "task<> main"};
  t.waits = {operation_kind::receive, 1, 41, std::chrono::nanoseconds(1200), {}};
  t.waits.cases.push_back({operation_kind::lock, 91});
  t.waits.cases.push_back({operation_kind::join, 92});
  t.stack = {{"task<> ping", "a.cpp", 31, 32, true}};

  object_info& object = state.objects.emplace_back();
  object.id = 1;
  object.kind = object_kind::channel;
  object.name = "numbers";
  object.type = "int";
  object.made_at = {"b.cpp", 51, 52, {}};
  object.tasklet = 3;
  object.capacity = 61;
  object.buffered = 62;
  object.waiting_receivers = 63;
  object.waiting_senders = 64;
  object.waiting = 65;
  object.children = 66;
  object.count = 67;
  object.is_closed = true;
  object.senders_gone = object.receivers_gone = true;
  object.holders = {
      {0, 0}, {2, 1, channel_side::send}, {3, holder_info::kept_arguments, channel_side::receive}
  };
  object.last_end = some_operation(75, {});
  object.last_end->operation = operation_kind::send_end;
  object.last_end->given_to = 4;
  object.last_end->given_to_name = "pang";
  object.last = some_operation(72, {"c.cpp", 73, 74, {}});
  object.history = {some_operation(71, {}), *object.last};

  state.ended.push_back(
      {3,
       "pong",
       {"a.cpp", 81, 0, {}},
       83,
       true,
       "went wrong",
       {"d.cpp", 84, 85, "fails"},
       2,
       "ping",
       "no time left"}
  );
  state.lock_orders.push_back({1, 2, 91, {"a.cpp", 92, 93, {}}, {"b.cpp", 94, 95, {}}});
  return report;
}

constexpr std::string_view full_state =
    R"("step":99,"tracked":true,"host_driven":true,)"
    R"("sources":{"io_in_flight":11,"timers":12,"foreign":13,"silent":14,"io_backend":"uring",)"
    R"("io_backend_reason":"asked"},)"
    R"("tasklets":[{"id":2,"name":"ping","state":"blocked","main":true,"daemon":true,)"
    R"("wakes_nobody":true,"never_started":true,"has_way_out":true,"spawned_by":1,)"
    R"("spawned_by_name":"main",)"
    R"("spawned_at":{"file":"a.cpp","line":21,"column":22,"function":"task\u003c> main"},)"
    R"("operation":"receive","object":1,"since_step":41,"age_ns":1200,)"
    R"("cases":[{"operation":"lock","object":91},{"operation":"join","object":92}],)"
    R"("stack":[{"function":"task\u003c> ping","file":"a.cpp","line":31,"column":32,)"
    R"("in_library":true}]}],)"
    R"("objects":[{"id":1,"kind":"channel","name":"numbers","type":"int",)"
    R"("made_at":{"file":"b.cpp","line":51,"column":52},"tasklet":3,"capacity":61,"buffered":62,)"
    R"("waiting_receivers":63,"waiting_senders":64,"waiting":65,"children":66,"count":67,)"
    R"("closed":true,"senders_gone":true,"receivers_gone":true,)"
    R"("holders":[{"tasklet":0,"frame":0},{"tasklet":2,"frame":1,"side":"send"},)"
    R"({"tasklet":3,"in_arguments":true,"side":"receive"}],)"
    R"("last":{"operation":"send","outcome":"dropped","attempted_only":true,"tasklet":3,)"
    R"("tasklet_name":"pong","step":72,"at":{"file":"c.cpp","line":73,"column":74}},)"
    R"("last_end":{"operation":"send_end","outcome":"dropped","attempted_only":true,"tasklet":3,)"
    R"("tasklet_name":"pong","step":75,"given_to":4,"given_to_name":"pang"},)"
    R"("history":[{"operation":"send","outcome":"dropped","attempted_only":true,"tasklet":3,)"
    R"("tasklet_name":"pong","step":71},)"
    R"({"operation":"send","outcome":"dropped","attempted_only":true,"tasklet":3,)"
    R"("tasklet_name":"pong","step":72,"at":{"file":"c.cpp","line":73,"column":74}}]}],)"
    R"("ended":[{"id":3,"name":"pong","spawned_at":{"file":"a.cpp","line":81,"column":0},)"
    R"("step":83,"killed":true,"error":"went wrong","cancelled":"no time left",)"
    R"("thrown_at":{"file":"d.cpp","line":84,"column":85,"function":"fails"},)"
    R"("spawned_by":2,"spawned_by_name":"ping"}],)"
    R"("lock_orders":[{"first":1,"second":2,"count":91,)"
    R"("first_at":{"file":"a.cpp","line":92,"column":93},)"
    R"("second_at":{"file":"b.cpp","line":94,"column":95}}]})";

/// The word that `to_json` has for the field, for each value up to one that is none.
template <class Enum, class Write>
std::vector<std::string> words(std::string_view field, Enum last, Write write) {
  std::vector<std::string> found;
  for (int i = 0; i <= static_cast<int>(last) + 1; ++i) {
    const std::string json = write(static_cast<Enum>(i));
    const std::string key = '"' + std::string(field) + "\":\"";
    const std::size_t start = json.find(key) + key.size();
    found.push_back(json.substr(start, json.find('"', start) - start));
  }
  return found;
}

void check_words(std::vector<std::string> found) {
  CHECK(found.back() == "unknown");  // a value of no name, so that none was forgotten before it
  found.pop_back();
  CHECK(std::set<std::string>(found.begin(), found.end()).size() == found.size());
}

}  // namespace

TEST_CASE("json: every field of the schema") {
  const deadlock_report report = full_report();
  CHECK(
      to_json(report) ==
      R"({"schema":"stackless-deadlock/1","verdict":"leaked","grade":"likely",)"
      R"("explanation":"so it is","advice":"do not","raised_in":2,"core":[2,4],)"
      R"("crowd":[{"behind_core":true,"tasklets":[5,6]},{"behind_core":false,"tasklets":[7]}],)" +
          std::string(full_state)
  );
  CHECK(to_json(report.state) == R"({"schema":"stackless-snapshot/1",)" + std::string(full_state));
}

TEST_CASE("json: what is not known is absent, and empty lists stand") {
  snapshot_data state;
  state.tasklets.emplace_back();
  state.objects.emplace_back();
  const std::string json = to_json(state);
  for (const char* key : {"\"spawned_at\"", "\"made_at\"", "\"last\"", "\"at\""}) {
    INFO(key);
    CHECK(json.find(key) == std::string::npos);
  }
  CHECK_THAT(json, contains_text(R"("stack":[])"));
  CHECK_THAT(json, contains_text(R"("holders":[],"history":[])"));
  check_with_python(json, "d['tasklets'][0]['id'] == 0 and d['ended'] == []");
}

TEST_CASE("json: a report is read by another's parser, and is complete") {
  auto s = sample::ping_pong();
  const std::string json = to_json(detail::make_report(s.data(), 3));
  check_with_python(
      json, R"(d["schema"] == "stackless-deadlock/1" and d["verdict"] == "mutual_receive")"
            R"( and d["grade"] == "proven" and d["core"] == [2, 3] and d["raised_in"] == 3)"
            R"( and len(d["tasklets"]) == 3 and len(d["objects"]) == 3)"
            R"( and d["tasklets"][1]["stack"][0]["line"] == 7)"
            R"( and d["objects"][0]["holders"] == [{"tasklet": 2, "frame": 1},)"
            R"( {"tasklet": 3, "frame": 1}])"
  );
}

TEST_CASE("json: hostile names come through, what is not UTF-8 is replaced") {
  auto s = sample::ping_pong();
  s.at(1).name = "\"</script>\\\n\t\x01";
  s.at(2).name = "\xff zw\xc3\xb6lf \xed\xa0\x80 \xe2\x82";
  s.at(3).name = std::string("with\0zero", 9);
  const std::string json = to_json(s.data());
  CHECK(json.find('<') == std::string::npos);
  CHECK_THAT(json, contains_text(R"("\ufffd zwölf \ufffd\ufffd\ufffd \ufffd\ufffd")"));
  check_with_python(
      json,
      R"(d["schema"] == "stackless-snapshot/1" and [t["name"] for t in d["tasklets"]] ==)"
      R"( ["\"</script>\\\n\t\x01", "\ufffd zw\u00f6lf \ufffd\ufffd\ufffd \ufffd\ufffd", "with\0zero"])"
  );
}

TEST_CASE("json: each enumerator has a word of its own") {
  check_words(words("state", tasklet_state::paused, [](tasklet_state each) {
    snapshot_data state;
    state.tasklets.emplace_back().state = each;
    return to_json(state);
  }));
  check_words(words("operation", operation_kind::receive_end, [](operation_kind each) {
    snapshot_data state;
    state.tasklets.emplace_back().waits.operation = each;
    return to_json(state);
  }));
  check_words(words("kind", object_kind::buffer_pool, [](object_kind each) {
    snapshot_data state;
    state.objects.emplace_back().kind = each;
    return to_json(state);
  }));
  check_words(words("outcome", operation_outcome::merged, [](operation_outcome each) {
    snapshot_data state;
    state.objects.emplace_back().last.emplace().outcome = each;
    return to_json(state);
  }));
  const std::vector<std::string> verdicts = words("verdict", verdict::unknown, [](verdict each) {
    deadlock_report report;
    report.why = each;
    return to_json(report);
  });
  CHECK(verdicts.back() == "unknown");
  CHECK(std::set<std::string>(verdicts.begin(), verdicts.end()).size() == verdicts.size() - 1);
}
