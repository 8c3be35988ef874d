#include "diagnostics/lock_text.hpp"
#include "diagnostics/purpose.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wait_graph.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

bool receives(const tasklet_info& t) {
  return t.waits.operation == operation_kind::receive;
}

/// What somebody else would have to do.
std::string_view counterpart(const tasklet_info& t) {
  if (t.waits.operation == operation_kind::select) return "make one happen";
  return receives(t) ? "send" : "receive";
}
std::string_view counterpart_on(const tasklet_info& t) {
  return receives(t) ? "send on" : "receive from";
}

class sentence {
 public:
  sentence(const snapshot_data& state, const finding& found)
      : state_(state),
        found_(found),
        subject_(*state.find_tasklet(found.subject != 0 ? found.subject : found.core.front())),
        object_(state.find_object(subject_.waits.object)) {}

  [[nodiscard]] std::string text() const {
    switch (found_.why) {
    case verdict::mutual_receive:
      // Who has ended may be the one who should have sent.
      if (!state_.ended.empty())
        return fmt::format(
            "{} each wait to receive, and of those who are left only {} could send{}", names(),
            found_.core.size() == 2 ? "the other" : "another of them", about_selects()
        );
      return each_wait("to send first");
    case verdict::circular_wait:
      return circular_wait();
    case verdict::self_wait:
      if (object_ != nullptr && object_->kind != object_kind::channel)
        return fmt::format(
            "{} waits for {}, which it {} itself", name(subject_.id), called(*object_),
            object_->kind == object_kind::once ? "runs"
            : object_->tasklet == 0            ? "reads"
                                               : "owns"
        );
      return fmt::format(
          "{} waits {}, and {}", name(subject_.id), purpose(subject_),
          found_.handles_only
              ? fmt::format("no other tasklet has a handle to {} with", counterpart(subject_))
              : fmt::format("only it could {}", counterpart(subject_))
      );
    case verdict::join_cycle:
      return join_cycle();
    case verdict::lock_cycle:
      return circular_wait();
    case verdict::never_signalled:
      return never_signalled();
    case verdict::orphaned_channel:
      return orphaned_channel();
    case verdict::lost_notification:
      return lost_notification();
    case verdict::leaked:
      return leaked();
    case verdict::buffer_full_without_receiver:
      return without_receiver();
    case verdict::never_started:
      return fmt::format(
          "{} was taken out of the ring before it first ran, and nobody is left to insert() it",
          name(subject_.id)
      );
    case verdict::owner_exited_holding_lock:
      return fmt::format(
          "{} waits for {}; {}, which locked it ({}), has ended, and its guard was not unlocked",
          name(subject_.id), called(*object_), numbered(state_, object_->last->tasklet),
          place(object_->last->at.file, object_->last->at.line)
      );
    case verdict::queued_behind_a_deadlock:
      return fmt::format("what was waited for is itself held up by {}", name(subject_.id));
    default:
      return unknown();
    }
  }

 private:
  [[nodiscard]] std::string name(std::uint64_t id) const { return called(state_, id, found_.core); }

  [[nodiscard]] std::string names() const {
    constexpr std::size_t most = 5;
    std::vector<std::string> items;
    for (std::uint64_t id : found_.core) {
      if (items.size() < most) {
        items.push_back(name(id));
      } else {
        items.emplace_back();
      }
    }
    return listed(items, most);
  }

  [[nodiscard]] std::string purpose(const tasklet_info& t) const {
    return purpose_of(state_, t, found_.core);
  }

  [[nodiscard]] std::string each_wait(std::string_view for_what) const {
    return fmt::format(
        "{} each wait for {} {}{}", names(),
        found_.core.size() == 2 ? "the other" : "another of them", for_what, about_selects()
    );
  }

  /// A select has several ways out; that all of them lead back is what makes it part of the core.
  [[nodiscard]] std::string about_selects() const {
    std::vector<std::string> who;
    for (std::uint64_t id : found_.core) {
      const std::vector<wait_case>& cases = state_.find_tasklet(id)->waits.cases;
      if (cases.empty()) continue;
      // An event might be set by anybody, and a channel used by who holds it outside the tasklets.
      if (std::any_of(cases.begin(), cases.end(), [&](const wait_case& each) {
            return could_be_anybodys(each);
          }))
        return {};
      who.push_back(name(id));
    }
    if (who.empty()) return {};
    return fmt::format(
        "; every case of the {} in {} needs {}", who.size() == 1 ? "select" : "selects",
        listed(who, 3), found_.core.size() == 2 ? "the other" : "one of them"
    );
  }

  [[nodiscard]] bool could_be_anybodys(const wait_case& each) const {
    const object_info* object = state_.find_object(each.object);
    if (object == nullptr) return true;
    if (object->kind != object_kind::channel) return object->tasklet == 0;
    return !state_.tracked ||
           std::any_of(object->holders.begin(), object->holders.end(), [&](const holder_info& h) {
             return h.tasklet == 0 && could_help(*object, h);
           });
  }

  [[nodiscard]] std::string circular_wait() const {
    if (found_.core.size() != 2 && !lock_circle(state_, found_.core).empty())
      return fmt::format("{} each hold one mutex and want the one that the next holds", names());
    if (found_.core.size() != 2)
      return each_wait(
          found_.why != verdict::lock_cycle ? to_do_first()
          : none_joins()                    ? "to unlock"
                                            : "to unlock, or to end"
      );
    const auto locks = lock_circle(state_, found_.core);
    if (!locks.empty() && plainly_called(*locks[0].holds) == plainly_called(*locks[0].wants))
      return fmt::format(
          "{} and {} each hold one and want the other of two that are both {}",
          name(locks[0].who->id), name(locks[1].who->id), plainly_called(*locks[0].holds)
      );
    if (!locks.empty())
      return fmt::format(
          "opposite order of {} and {}: {} holds the first and wants the second, {} holds the "
          "second and wants the first",
          called(*locks[0].holds), called(*locks[0].wants), name(locks[0].who->id),
          name(locks[1].who->id)
      );
    const tasklet_info& a = *state_.find_tasklet(found_.core[0]);
    const tasklet_info& b = *state_.find_tasklet(found_.core[1]);
    return fmt::format(
        "{} waits {} and {} waits {}: each needs the other to go on first{}", name(a.id),
        purpose(a), name(b.id), purpose(b), about_selects()
    );
  }

  /// What each of a circle of more than two waits for another to do.
  [[nodiscard]] std::string_view to_do_first() const {
    bool any_lock = false;
    bool all_send = true;
    for (std::uint64_t id : found_.core) {
      const wait_info& waits = state_.find_tasklet(id)->waits;
      any_lock |= waits.operation == operation_kind::lock;
      all_send &= waits.operation == operation_kind::send;
    }
    return any_lock ? "to go on" : all_send ? "to receive first" : "to send or to receive first";
  }

  [[nodiscard]] bool none_joins() const {
    return std::none_of(found_.core.begin(), found_.core.end(), [&](std::uint64_t id) {
      return is_join(*state_.find_tasklet(id));
    });
  }

  [[nodiscard]] std::string join_cycle() const {
    if (is_join(subject_)) return each_wait("to end");
    std::string text = name(found_.core.front());
    constexpr std::size_t most = 4;
    const std::size_t joins = found_.core.size() - 1;
    for (std::size_t i = 1; i <= joins; ++i) {
      if (joins > most && i == most) {
        text += fmt::format(" and so on over {} more,", joins - most);
        i = joins;
      }
      text += fmt::format("{} joins {}", i == 1 ? "" : ", which", name(found_.core[i]));
    }
    return text + fmt::format(
                      ", which waits {}, and only {} could {}", purpose(subject_),
                      name(found_.core.front()), counterpart(subject_)
                  );
  }

  /// Who is needed, if it promised to wake nobody; else null.
  [[nodiscard]] const tasklet_info* quiet_one_needed() const {
    const tasklet_info* needed =
        object_ == nullptr ? nullptr : state_.find_tasklet(object_->tasklet);
    return needed != nullptr && needed->wakes_nobody ? needed : nullptr;
  }

  [[nodiscard]] std::string needs_quiet_one(const tasklet_info& needed) const {
    const bool sleeps =
        needed.state == tasklet_state::blocked && needed.waits.operation == operation_kind::sleep;
    return fmt::format(
        "{} waits {}, which {}promised to wake nobody", name(subject_.id), purpose(subject_),
        sleeps ? "sleeps, and " : ""
    );
  }

  [[nodiscard]] std::string never_signalled() const {
    if (const tasklet_info* needed = quiet_one_needed()) return needs_quiet_one(*needed);
    if (object_->kind == object_kind::shared_mutex && object_->count != 0)
      return fmt::format(
          "{} waits {}, which is locked by {}; who reads is not recorded, and may be among those "
          "who wait",
          name(subject_.id), purpose(subject_), counted(object_->count, "reader", "readers")
      );
    std::string_view what = "signal it";
    switch (object_->kind) {
    case object_kind::event:
      what = "set it";
      break;
    case object_kind::oneshot:
    case object_kind::broadcast:
    case object_kind::remote:
      what = "send on it";
      break;
    case object_kind::watch:
      what = "change it";
      break;
    case object_kind::semaphore:
      what = "release it";
      break;
    case object_kind::condition_variable:
    case object_kind::external_source:
      what = "notify it";
      break;
    case object_kind::latch:
      what = "count it down";
      break;
    case object_kind::barrier:
      what = "arrive there";
      break;
    case object_kind::mutex:
    case object_kind::shared_mutex:
      what = "unlock it";
      break;
    case object_kind::once:
      what = "come to its end";
      break;
    case object_kind::select:
      what = "make one happen";
      break;
    case object_kind::buffer_pool:
      what = "give one back";
      break;
    default:
      break;
    }
    return fmt::format(
        "{} {} {}, and nobody is left who could {}{}", names(),
        found_.core.size() > 1 ? "wait" : "waits", purpose(subject_), what,
        can_go_on(state_) ? "" : those_left(state_, found_.core)
    );
  }

  [[nodiscard]] std::string orphaned_channel() const {
    if (is_orphaned(state_, subject_)) return without_ends();
    std::string text;
    if (found_.core.size() > 1 && !found_.only_core) {
      const bool others =
          std::any_of(object_->holders.begin(), object_->holders.end(), [&](const holder_info& h) {
            return h.tasklet != 0 && could_help(*object_, h) &&
                   !std::binary_search(found_.core.begin(), found_.core.end(), h.tasklet);
          });
      text = fmt::format(
          "all who hold {} wait to receive from it{}", called(*object_),
          others ? ", or for one of those" : ""
      );
    } else {
      text =
          fmt::format("nobody is left who could {} {}", counterpart_on(subject_), called(*object_));
      if (found_.core.size() > 1)
        text += fmt::format(": {} tasklets wait to receive from it", found_.core.size());
    }
    const std::uint64_t last = object_->last ? object_->last->tasklet : 0;
    if (last != 0 && state_.find_tasklet(last) == nullptr)
      return text +
             fmt::format("; the last who used it, {}, {}", numbered(state_, last), end_of(last));
    if (found_.core.size() > 1) return text;
    bool others = false;
    bool outside = !state_.tracked;
    bool any = false;
    for (const holder_info& holder : object_->holders) {
      if (!could_help(*object_, holder)) continue;
      any = true;
      const tasklet_info* t = state_.find_tasklet(holder.tasklet);
      if (t != nullptr && t->wakes_nobody)
        return text + fmt::format(" but {}, which promised to wake nobody", name(t->id));
      others |= holder.tasklet != 0 && holder.tasklet != subject_.id;
      outside |= holder.tasklet == 0;
    }
    if (others) return text + fmt::format(": all who hold it wait for {}", name(subject_.id));
    if (!outside && any) return text + fmt::format(": only {} still holds it", name(subject_.id));
    return text;
  }

  /// The counted ends of the other side are all gone.
  [[nodiscard]] std::string without_ends() const {
    const std::string end = receives(subject_) ? "send end" : "receive end";
    const std::string never = object_->last ? "" : receives(subject_) ? "sent" : "received";
    if (!object_->last_end) return fmt::format("no {} of {} is left", end, called(*object_));
    const std::uint64_t who = object_->last_end->tasklet;
    if (who == 0)
      return fmt::format(
          "the last {} of {} went outside the tasklets{}", end, called(*object_),
          never.empty() ? "" : ", and nothing was ever " + never
      );
    if (state_.find_tasklet(who) != nullptr)
      return fmt::format(
          "{} let go of the last {} of {}{}", numbered(state_, who), end, called(*object_),
          never.empty() ? "" : ", and nothing was ever " + never
      );
    return fmt::format(
        "the last {} of {} died with {}, which {}{}", end, called(*object_), numbered(state_, who),
        end_of(who), never.empty() ? "" : " and never " + never
    );
  }

  [[nodiscard]] std::string_view end_of(std::uint64_t tasklet) const {
    for (const ended_info& e : state_.ended) {
      if (e.id != tasklet) continue;
      return !e.error.empty()       ? "ended with an error"
             : e.killed             ? "was killed"
             : !e.cancelled.empty() ? "was cancelled"
                                    : "has ended";
    }
    return "has ended";
  }

  [[nodiscard]] std::string lost_notification() const {
    const last_operation& last = *object_->last;
    const std::string who =
        last.tasklet == 0 ? "somebody outside the tasklets" : numbered(state_, last.tasklet);
    std::string when;
    if (last.tasklet != 0 && subject_.waits.since_step > last.step)
      when = counted(subject_.waits.since_step - last.step, "step ", "steps ");
    if (object_->kind == object_kind::condition_variable)
      return fmt::format(
          "{} notified {} {}BEFORE {} began to wait; nobody was waiting then, and a condition "
          "variable does not remember",
          who, called(*object_), when, name(subject_.id)
      );
    return fmt::format(
        "{} offered a value on {} {}BEFORE {} began to wait; nobody was waiting then, and it was "
        "dropped",
        who, called(*object_), when, name(subject_.id)
    );
  }

  [[nodiscard]] std::string leaked() const {
    const std::string who = found_.core.size() == 1
                                ? name(found_.core.front()) + " waits"
                                : fmt::format("{} tasklets wait", found_.core.size());
    return fmt::format(
        "{} {} {}, of which nobody else has a handle", who,
        receives(subject_) ? "to receive from" : "to send on", called(*object_)
    );
  }

  [[nodiscard]] std::string without_receiver() const {
    const auto failed =
        std::find_if(state_.ended.begin(), state_.ended.end(), [](const ended_info& e) {
          return !e.error.empty();
        });
    return why_without_receiver() +
           (failed == state_.ended.end()
                ? ""
                : fmt::format("; {} has ended by an error", numbered(failed->id, failed->name)));
  }

  [[nodiscard]] std::string why_without_receiver() const {
    std::string text;
    if (object_->capacity != 0)
      text = fmt::format(
          "{} is full ({} of {})", called(*object_), object_->buffered, object_->capacity
      );
    const bool one = found_.core.size() == 1;
    if (const tasklet_info* joiner = receiver_that_joins(state_, found_))
      return text + fmt::format(
                        "{}{} to send on {}, and {}, which could receive, waits for {} to end",
                        text.empty() ? "" : ": ",
                        one ? name(subject_.id) + " waits"
                            : fmt::format("{} tasklets wait", found_.core.size()),
                        called(*object_), name(joiner->id), whom_it_joins(state_, found_, *joiner)
                    );
    if (one) return text + ", and nobody is left who could receive";
    return text + fmt::format(
                      "{}all {} wait to send on {}{}", text.empty() ? "" : ": ",
                      found_.only_core ? fmt::format("{} who are left", found_.core.size())
                                       : "who hold it",
                      called(*object_), found_.only_core ? ", and none could receive" : ""
                  );
  }

  [[nodiscard]] std::string unknown() const {
    if (subject_.state == tasklet_state::paused)
      return fmt::format("{} is paused, and nobody is left to insert() it", name(subject_.id));
    if (state_.host_driven && object_ != nullptr && object_->kind == object_kind::channel)
      return fmt::format(
          "{} waits {}: no tasklet of this scheduler could {}, only who holds {} outside it",
          name(subject_.id), purpose(subject_), counterpart(subject_), called(*object_)
      );
    if (waits_for_others(subject_) && object_ != nullptr && held_outside(*object_))
      return fmt::format(
          "{} waits {}, of which a handle is in no tasklet's frame: any of the others may reach it "
          "and {}, and none of them can run",
          name(subject_.id), purpose(subject_), counterpart(subject_)
      );
    if (const tasklet_info* needed = quiet_one_needed()) return needs_quiet_one(*needed);
    if (subject_.wakes_nobody)
      return fmt::format("{} is waited for, though it promised to wake nobody", name(subject_.id));
    return {};
  }

  const snapshot_data& state_;
  const finding& found_;
  const tasklet_info& subject_;
  const object_info* object_;
};

}  // namespace

std::string explain(const snapshot_data& state, const finding& found) {
  return found.core.empty() ? std::string() : sentence(state, found).text();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
