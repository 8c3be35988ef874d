#include <stackless/deadlock.hpp>

#include "diagnostics/json_writer.hpp"

namespace stackless::inline STACKLESS_ABI {

namespace {

using detail::json_writer;

std::string_view word(tasklet_state state) {
  switch (state) {
  case tasklet_state::running:
    return "running";
  case tasklet_state::ready:
    return "ready";
  case tasklet_state::blocked:
    return "blocked";
  case tasklet_state::paused:
    return "paused";
  }
  return "unknown";
}

std::string_view word(operation_kind what) {
  switch (what) {
  case operation_kind::none:
    return "none";
  case operation_kind::suspend:
    return "suspend";
  case operation_kind::drain:
    return "drain";
  case operation_kind::receive:
    return "receive";
  case operation_kind::send:
    return "send";
  case operation_kind::join:
    return "join";
  case operation_kind::sleep:
    return "sleep";
  case operation_kind::io:
    return "io";
  case operation_kind::join_nursery:
    return "join_nursery";
  case operation_kind::start:
    return "start";
  case operation_kind::wait:
    return "wait";
  case operation_kind::acquire:
    return "acquire";
  case operation_kind::lock:
    return "lock";
  case operation_kind::lock_shared:
    return "lock_shared";
  case operation_kind::arrive:
    return "arrive";
  case operation_kind::select:
    return "select";
  case operation_kind::foreign:
    return "foreign";
  case operation_kind::set:
    return "set";
  case operation_kind::reset:
    return "reset";
  case operation_kind::release:
    return "release";
  case operation_kind::unlock:
    return "unlock";
  case operation_kind::notify:
    return "notify";
  case operation_kind::count_down:
    return "count_down";
  case operation_kind::send_end:
    return "send_end";
  case operation_kind::receive_end:
    return "receive_end";
  }
  return "unknown";
}

std::string_view word(object_kind what) {
  switch (what) {
  case object_kind::none:
    return "none";
  case object_kind::channel:
    return "channel";
  case object_kind::tasklet:
    return "tasklet";
  case object_kind::timer:
    return "timer";
  case object_kind::io_operation:
    return "io_operation";
  case object_kind::nursery:
    return "nursery";
  case object_kind::start:
    return "start";
  case object_kind::event:
    return "event";
  case object_kind::semaphore:
    return "semaphore";
  case object_kind::mutex:
    return "mutex";
  case object_kind::shared_mutex:
    return "shared_mutex";
  case object_kind::condition_variable:
    return "condition_variable";
  case object_kind::latch:
    return "latch";
  case object_kind::barrier:
    return "barrier";
  case object_kind::once:
    return "once";
  case object_kind::oneshot:
    return "oneshot";
  case object_kind::watch:
    return "watch";
  case object_kind::broadcast:
    return "broadcast";
  case object_kind::select:
    return "select";
  case object_kind::external_source:
    return "external_source";
  case object_kind::remote:
    return "remote";
  case object_kind::foreign:
    return "foreign";
  case object_kind::offload:
    return "offload";
  case object_kind::buffer_pool:
    return "buffer_pool";
  }
  return "unknown";
}

std::string_view word(operation_outcome what) {
  switch (what) {
  case operation_outcome::none:
    return "none";
  case operation_outcome::delivered:
    return "delivered";
  case operation_outcome::buffered:
    return "buffered";
  case operation_outcome::blocked:
    return "blocked";
  case operation_outcome::dropped:
    return "dropped";
  case operation_outcome::refused:
    return "refused";
  case operation_outcome::closed:
    return "closed";
  case operation_outcome::created:
    return "created";
  case operation_outcome::done:
    return "done";
  case operation_outcome::merged:
    return "merged";
  }
  return "unknown";
}

std::string_view word(verdict what) {
  switch (what) {
  case verdict::mutual_receive:
    return "mutual_receive";
  case verdict::circular_wait:
    return "circular_wait";
  case verdict::lock_cycle:
    return "lock_cycle";
  case verdict::self_wait:
    return "self_wait";
  case verdict::join_cycle:
    return "join_cycle";
  case verdict::orphaned_channel:
    return "orphaned_channel";
  case verdict::owner_exited_holding_lock:
    return "owner_exited_holding_lock";
  case verdict::lost_notification:
    return "lost_notification";
  case verdict::buffer_full_without_receiver:
    return "buffer_full_without_receiver";
  case verdict::leaked:
    return "leaked";
  case verdict::never_started:
    return "never_started";
  case verdict::queued_behind_a_deadlock:
    return "queued_behind_a_deadlock";
  case verdict::never_signalled:
    return "never_signalled";
  case verdict::unknown:
    return "unknown";
  }
  return "unknown";
}

void write_place(json_writer& out, std::string_view name, const source_place& at) {
  if (at.line == 0 && at.function.empty()) return;
  out.key(name);
  out.open('{');
  if (at.line != 0) {
    out.member("file", at.file);
    out.member("line", at.line);
    out.member("column", at.column);
  }
  if (!at.function.empty()) out.member("function", at.function);
  out.close('}');
}

void write_tasklet(json_writer& out, const tasklet_info& t) {
  out.open('{');
  out.member("id", t.id);
  out.member("name", std::string_view(t.name));
  out.member("state", word(t.state));
  out.member("main", t.is_main);
  out.member("daemon", t.is_daemon);
  out.member("wakes_nobody", t.wakes_nobody);
  out.member("never_started", t.never_started);
  out.member("has_way_out", t.has_way_out);
  out.member("spawned_by", t.spawned_by);
  out.member("spawned_by_name", std::string_view(t.spawned_by_name));
  write_place(out, "spawned_at", t.spawned_at);
  out.member("operation", word(t.waits.operation));
  out.member("object", t.waits.object);
  out.member("since_step", t.waits.since_step);
  out.member("age_ns", t.waits.age.count());
  if (!t.waits.cases.empty()) {
    out.key("cases");
    out.open('[');
    for (const wait_case& c : t.waits.cases) {
      out.open('{');
      out.member("operation", word(c.operation));
      out.member("object", c.object);
      out.close('}');
    }
    out.close(']');
  }
  out.key("stack");
  out.open('[');
  for (const stack_frame& f : t.stack) {
    out.open('{');
    out.member("function", f.function);
    out.member("file", f.file);
    out.member("line", f.line);
    out.member("column", f.column);
    out.member("in_library", f.in_library);
    out.close('}');
  }
  out.close(']');
  out.close('}');
}

void write_operation(json_writer& out, const last_operation& o) {
  out.open('{');
  out.member("operation", word(o.operation));
  out.member("outcome", word(o.outcome));
  out.member("attempted_only", o.attempted_only);
  out.member("tasklet", o.tasklet);
  out.member("tasklet_name", std::string_view(o.tasklet_name));
  out.member("step", o.step);
  if (o.given_to != 0) {
    out.member("given_to", o.given_to);
    out.member("given_to_name", std::string_view(o.given_to_name));
    if (o.woken != 0) out.member("woken", o.woken);
  }
  write_place(out, "at", o.at);
  out.close('}');
}

void write_object(json_writer& out, const object_info& o) {
  out.open('{');
  out.member("id", o.id);
  out.member("kind", word(o.kind));
  out.member("name", std::string_view(o.name));
  out.member("type", std::string_view(o.type));
  write_place(out, "made_at", o.made_at);
  if (o.ordinal != 0) {
    out.member("ordinal", o.ordinal);
    out.member("namesakes", o.namesakes);
  }
  out.member("tasklet", o.tasklet);
  out.member("capacity", o.capacity);
  out.member("buffered", o.buffered);
  out.member("waiting_receivers", o.waiting_receivers);
  out.member("waiting_senders", o.waiting_senders);
  out.member("waiting", o.waiting);
  out.member("children", o.children);
  if (!o.unfinished.empty()) {
    out.key("unfinished");
    out.open('[');
    for (std::uint64_t id : o.unfinished) out.value(id);
    out.close(']');
  }
  out.member("count", o.count);
  out.member("closed", o.is_closed);
  out.member("senders_gone", o.senders_gone);
  out.member("receivers_gone", o.receivers_gone);
  out.key("holders");
  out.open('[');
  for (const holder_info& holder : o.holders) {
    out.open('{');
    out.member("tasklet", holder.tasklet);
    if (holder.frame == holder_info::kept_arguments) {
      out.member("in_arguments", true);
    } else {
      out.member("frame", holder.frame);
    }
    if (holder.side != channel_side::both)
      out.member("side", std::string_view(holder.side == channel_side::send ? "send" : "receive"));
    out.close('}');
  }
  out.close(']');
  if (o.last) {
    out.key("last");
    write_operation(out, *o.last);
  }
  if (o.last_end) {
    out.key("last_end");
    write_operation(out, *o.last_end);
  }
  out.key("history");
  out.open('[');
  for (const last_operation& each : o.history) write_operation(out, each);
  out.close(']');
  out.close('}');
}

void write_state(json_writer& out, const snapshot_data& state) {
  out.member("step", state.step);
  out.member("tracked", state.tracked);
  out.member("host_driven", state.host_driven);
  if (!state.scheduler.empty()) out.member("scheduler", std::string_view(state.scheduler));
  out.key("sources");
  out.open('{');
  out.member("io_in_flight", state.sources.io_in_flight);
  out.member("timers", state.sources.timers);
  out.member("foreign", state.sources.foreign);
  out.member("silent", state.sources.silent);
  out.member("io_backend", std::string_view(state.sources.io_backend));
  out.member("io_backend_reason", std::string_view(state.sources.io_backend_reason));
  out.close('}');
  out.key("tasklets");
  out.open('[');
  for (const tasklet_info& t : state.tasklets) write_tasklet(out, t);
  out.close(']');
  out.key("objects");
  out.open('[');
  for (const object_info& o : state.objects) write_object(out, o);
  out.close(']');
  out.key("ended");
  out.open('[');
  for (const ended_info& e : state.ended) {
    out.open('{');
    out.member("id", e.id);
    out.member("name", std::string_view(e.name));
    write_place(out, "spawned_at", e.spawned_at);
    out.member("step", e.step);
    out.member("killed", e.killed);
    out.member("error", std::string_view(e.error));
    if (!e.cancelled.empty()) out.member("cancelled", std::string_view(e.cancelled));
    write_place(out, "thrown_at", e.thrown_at);
    if (e.spawned_by != 0) {
      out.member("spawned_by", e.spawned_by);
      out.member("spawned_by_name", std::string_view(e.spawned_by_name));
    }
    out.close('}');
  }
  out.close(']');
  if (state.lock_orders.empty()) return;
  out.key("lock_orders");
  out.open('[');
  for (const lock_order_info& order : state.lock_orders) {
    out.open('{');
    out.member("first", order.first);
    out.member("second", order.second);
    out.member("count", order.count);
    write_place(out, "first_at", order.first_at);
    write_place(out, "second_at", order.second_at);
    out.close('}');
  }
  out.close(']');
}

void write_ids(json_writer& out, std::string_view name, const std::vector<std::uint64_t>& ids) {
  out.key(name);
  out.open('[');
  for (const std::uint64_t id : ids) out.value(id);
  out.close(']');
}

}  // namespace

std::string to_json(const snapshot_data& data) {
  json_writer out;
  out.open('{');
  out.member("schema", std::string_view("stackless-snapshot/1"));
  write_state(out, data);
  out.close('}');
  return std::move(out).take();
}

std::string to_json(const deadlock_report& report) {
  json_writer out;
  out.open('{');
  out.member("schema", std::string_view("stackless-deadlock/1"));
  out.member("verdict", word(report.why));
  out.member("grade", std::string_view(report.certainty == grade::proven ? "proven" : "likely"));
  out.member("explanation", std::string_view(report.explanation));
  out.member("advice", std::string_view(report.advice));
  out.member("raised_in", report.raised_in);
  write_ids(out, "core", report.core);
  out.key("crowd");
  out.open('[');
  for (const waiting_group& group : report.crowd) {
    out.open('{');
    out.member("behind_core", group.behind_core);
    write_ids(out, "tasklets", group.tasklets);
    out.close('}');
  }
  out.close(']');
  write_state(out, report.state);
  out.close('}');
  return std::move(out).take();
}

}  // namespace stackless::inline STACKLESS_ABI
