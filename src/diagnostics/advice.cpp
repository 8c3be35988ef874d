#include "diagnostics/lock_text.hpp"
#include "diagnostics/purpose.hpp"
#include "diagnostics/signal_advice.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wait_graph.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t most_named = 4;

std::string joined_by(const std::vector<std::string>& items, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) text += i + 1 == items.size() ? last : ", ";
    text += items[i];
  }
  return text;
}

/// Where each of the core waits: of its frames the innermost at which the stacks differ, since that
/// is where they can be changed one without the other.
std::string places_of_the_core(const snapshot_data& state, const finding& found) {
  if (found.core.size() > most_named) return {};
  std::vector<async_stack> members;
  for (std::uint64_t id : found.core)
    members.push_back(without_library(state.find_tasklet(id)->stack));
  for (std::size_t depth = 0;; ++depth) {
    std::vector<std::string> places;
    for (const async_stack& stack : members) {
      if (stack.size() <= depth) return {};
      places.push_back(place(stack[depth].file, stack[depth].line));
    }
    const std::set<std::string> different(places.begin(), places.end());
    if (different.contains("")) return {};
    if (different.size() == places.size()) return " (" + joined_by(places, " or ") + ")";
  }
}

std::vector<const object_info*> objects_of_the_core(
    const snapshot_data& state, const finding& found
) {
  std::vector<const object_info*> objects;
  std::unordered_set<const object_info*> seen;
  const auto add = [&](const object_info* object) {
    if (object != nullptr && seen.insert(object).second) objects.push_back(object);
  };
  for (std::uint64_t id : found.core) {
    const wait_info& waits = state.find_tasklet(id)->waits;
    if (waits.cases.empty()) add(state.find_object(waits.object));
    for (const wait_case& each : waits.cases) add(state.find_object(each.object));
  }
  return objects;
}

std::string any_of(const std::vector<const object_info*>& objects, std::string_view last = " or ") {
  if (objects.size() > most_named)
    return objects.front()->kind == object_kind::channel ? "any of the channels" : "them";
  std::vector<std::string> names;
  for (const object_info* object : objects) names.push_back(called(*object));
  return joined_by(names, last);
}

/// Nothing in a sentence tells one from another: those made by one line, without names.
bool look_alike(const std::vector<const object_info*>& objects) {
  return objects.size() > 1 && std::all_of(objects.begin(), objects.end(), [&](const auto* object) {
           return plainly_called(*object) == plainly_called(*objects.front());
         });
}

bool all_are_mutexes(const snapshot_data& state, const finding& found) {
  return std::all_of(found.core.begin(), found.core.end(), [&](std::uint64_t id) {
    const object_info* object = waited_for(state, id);
    return object != nullptr && object->kind == object_kind::mutex;
  });
}

/// Nothing has ever gone through.
bool untouched(const std::vector<const object_info*>& objects) {
  return std::all_of(objects.begin(), objects.end(), [](const object_info* object) {
    return !object->last || object->last->outcome == operation_outcome::blocked;
  });
}

std::string about_mutual_receive(const snapshot_data& state, const finding& found) {
  // Once something was sent the order is right somewhere, and which step is missing is not known;
  // nor is it when one has ended who may have been the one to send.
  const auto objects = objects_of_the_core(state, found);
  if (!state.tracked || !state.ended.empty() || !untouched(objects)) return {};
  return fmt::format(
      "let one {} send before it receives{}. A buffer on {} will not help: nobody ever sends.",
      found.core.size() == 2 ? "side" : "of them", places_of_the_core(state, found), any_of(objects)
  );
}

std::string about_circular_wait(const snapshot_data& state, const finding& found) {
  if (std::string advice = about_lock_kept(state, found); !advice.empty()) return advice;
  const bool all_send = std::all_of(found.core.begin(), found.core.end(), [&](std::uint64_t id) {
    return state.find_tasklet(id)->waits.operation == operation_kind::send;
  });
  const auto objects = objects_of_the_core(state, found);
  // Nor is what a full buffer is short of.
  const bool any_buffer = std::any_of(objects.begin(), objects.end(), [](const auto* object) {
    return object->capacity != 0;
  });
  if (!all_send || any_buffer || !state.tracked || !state.ended.empty() || !untouched(objects))
    return {};
  return fmt::format(
      "let one {} receive before it sends{}, or give {} room for all that is sent "
      "until the other end receives.",
      found.core.size() == 2 ? "side" : "of them", places_of_the_core(state, found), any_of(objects)
  );
}

std::string about_join_cycle(
    const snapshot_data& state, const finding& found, const tasklet_info& subject
) {
  if (is_join(subject)) {
    // The end of a nursery is no join that could be left out.
    std::vector<std::uint64_t> plain;
    std::copy_if(
        found.core.begin(), found.core.end(), std::back_inserter(plain),
        [&](std::uint64_t id) {
          return state.find_tasklet(id)->waits.operation == operation_kind::join;
        }
    );
    if (plain.size() == found.core.size())
      return fmt::format("leave out one of these joins{}.", places_of_the_core(state, found));
    if (plain.size() != 1) return {};
    return fmt::format(
        "leave out the join in {}{}.", called(state, plain.front(), found.core),
        place_of(state, plain.front())
    );
  }
  const std::uint64_t joiner = found.core.front();
  return fmt::format(
      "{} before {} joins {}{}.",
      !subject.waits.cases.empty()
          ? fmt::format(
                "let one case of the select in {} happen", called(state, subject.id, found.core)
            )
      : subject.waits.operation == operation_kind::receive
          ? fmt::format("send on {}, or close it,", called(*waited_for(state, subject.id)))
          : fmt::format("receive from {}", called(*waited_for(state, subject.id))),
      called(state, joiner, found.core), called(state, found.core[1], found.core),
      place_of(state, joiner)
  );
}

/// One against the rest, or against what was done before: its order is the one to change.
std::string about_lock_order(const snapshot_data& state, const finding& found) {
  const std::vector<lock_link> circle = lock_circle(state, found.core);
  if (circle.empty()) return {};
  const lock_link* odd = nullptr;
  std::string others;
  if (circle.size() == 2) {
    for (std::size_t i = 0; i < 2; ++i)
      if (times_before(state, circle[i]) == 0 && times_before(state, circle[1 - i]) != 0)
        odd = &circle[i];
    if (odd == nullptr) return {};
  } else {
    if (circle.size() > most_named + 1) return {};
    odd = &circle.back();
    std::vector<std::string> names;
    for (const lock_link& l : circle) names.push_back(called(*l.holds));
    others = fmt::format(
        " The others lock in the order {}; so changed, it locks in that order too.",
        joined_by(names, ", ")
    );
  }
  const source_place at = locked_at(*odd->holds);
  return fmt::format(
      "lock {} before {} in {}{}, or both at once: co_await lock_all(…).{}", called(*odd->wants),
      called(*odd->holds), numbered(state, odd->who->id),
      at.line == 0 ? "" : " (" + place(at.file, at.line) + ")", others
  );
}

/// The channel would be closed but for send ends that the receiver itself keeps.
std::string about_own_ends(const tasklet_info& subject, const object_info& object) {
  if (subject.waits.operation != operation_kind::receive) return {};
  std::uint32_t frame = holder_info::kept_arguments;
  for (const holder_info& holder : object.holders) {
    if (!could_help(object, holder)) continue;
    if (holder.side != channel_side::send || holder.tasklet != subject.id) return {};
    frame = holder.frame;
  }
  if (frame == holder_info::kept_arguments) return {};
  return fmt::format(
      "move the send end in frame {} to who sends: while {} keeps one itself, {} is not closed "
      "when the senders have gone.",
      shown_number(subject.stack, frame), in_quotes(subject.name), called(object)
  );
}

/// The channel would be closed but for send ends that one keeps who joins the receiver.
std::string about_joiners_ends(
    const snapshot_data& state,
    const finding& found,
    const tasklet_info& subject,
    const object_info& object
) {
  if (subject.waits.operation != operation_kind::receive) return {};
  const tasklet_info* joiner = nullptr;
  std::uint32_t frame = holder_info::kept_arguments;
  for (const holder_info& holder : object.holders) {
    if (!could_help(object, holder)) continue;
    const tasklet_info* t = state.find_tasklet(holder.tasklet);
    if (holder.side != channel_side::send || t == nullptr || (joiner != nullptr && t != joiner) ||
        !joins_one_of(state, *t, found.core))
      return {};
    joiner = t;
    frame = holder.frame;
  }
  if (frame == holder_info::kept_arguments) return {};
  return fmt::format(
      "let go of the send end in frame {} of {} before it joins {}{}: while that is kept, {} is "
      "not closed when the senders have gone.",
      shown_number(joiner->stack, frame), called(state, joiner->id, found.core),
      called(state, subject.id, found.core), place_of(state, joiner->id), called(object)
  );
}

/// The other side's counted ends are gone, and its maker wanted that to be an error.
std::string about_lost_ends(
    const snapshot_data& state, const tasklet_info& subject, const object_info& object
) {
  const bool receives = subject.waits.operation == operation_kind::receive;
  const std::string instead =
      receives
          ? "(With orphan_policy::closed a receive raises channel_closed here, and next() gives "
            "nothing, instead of this error.)"
          : "(With orphan_policy::closed a send raises channel_closed here instead of this "
            "error.)";
  const auto ended = std::find_if(state.ended.begin(), state.ended.end(), [&](const auto& e) {
    return object.last_end && e.id == object.last_end->tasklet && was_cut_short(e);
  });
  if (ended == state.ended.end() || !receives) return instead;
  const std::string where = ended->thrown_at.line == 0
                                ? ""
                                : " (" + place(ended->thrown_at.file, ended->thrown_at.line) + ")";
  return fmt::format(
      "send an answer, or the error by send_exception(), on the early exit of {}{} too. {}",
      numbered(ended->id, ended->name), where, instead
  );
}

/// The send that was the last one: as far as it is known, since a buffered value's receive hides
/// it.
const last_operation* last_send(const object_info& object) {
  if (object.last->operation == operation_kind::send) return &*object.last;
  const auto found =
      std::find_if(object.history.rbegin(), object.history.rend(), [](const last_operation& o) {
        return o.operation == operation_kind::send;
      });
  return found == object.history.rend() ? nullptr : &*found;
}

std::string about_orphaned_channel(
    const snapshot_data& state,
    const finding& found,
    const tasklet_info& subject,
    const object_info& object
) {
  if (is_orphaned(state, subject)) return about_lost_ends(state, subject, object);
  if (std::string advice = about_own_ends(subject, object); !advice.empty()) return advice;
  if (std::string advice = about_joiners_ends(state, found, subject, object); !advice.empty())
    return advice;
  if (subject.waits.operation != operation_kind::receive) return {};
  if (!object.last || (object.last->operation != operation_kind::send &&
                       object.last->operation != operation_kind::receive))
    return {};
  const last_operation* const sent = last_send(object);
  if (sent == nullptr)
    return fmt::format(
        "if nobody is to send any more, close {} after the last send: a receive from a closed "
        "channel ends instead of waiting.",
        called(object)
    );
  // Right only if the sender came to its end: one that was killed, or failed, would not have
  // closed.
  const auto sender =
      std::find_if(state.ended.begin(), state.ended.end(), [&](const ended_info& e) {
        return e.id == sent->tasklet;
      });
  if (sender == state.ended.end() || sender->killed || was_cut_short(*sender)) return {};
  std::string where;
  if (sent->at.line != 0)
    where = fmt::format(
        " ({}, by {})", place(sent->at.file, sent->at.line), numbered(state, sent->tasklet)
    );
  // Of several senders none may close while another sends.
  if (state.ended.size() > 1 && !where.empty())
    return fmt::format(
        "close {} when the last of its senders is done; the latest send was{}. A receive from a "
        "closed channel ends instead of waiting.",
        called(object), where
    );
  return fmt::format(
      "close {} after the last send{}, on every path: a receive from a closed channel ends instead "
      "of waiting.",
      called(object), where
  );
}

std::string about_lost_notify(const tasklet_info& subject, const object_info& object) {
  if (!waits_bare(subject)) return {};
  return fmt::format(
      "make a condition true before the notify ({}), and wait by wait(guard, condition): that does "
      "not wait for what has happened already.",
      place(object.last->at.file, object.last->at.line)
  );
}

/// The sender dropped it on purpose, maybe: then the end of all values is what is missing.
std::string about_lost_value(const object_info& object) {
  const source_place& at = object.last->at;
  return fmt::format(
      "give {0} room for 1 if the value offered{1} is to wait for its receiver; if nothing more is "
      "to come, close {0} after the last value, which ends the wait.",
      called(object), at.line == 0 ? "" : " at " + place(at.file, at.line, at.column)
  );
}

/// How much will be sent is not known, so a buffer may do or not.
std::string about_no_receiver(
    const snapshot_data& state, const finding& found, const object_info& object
) {
  const bool one = found.core.size() == 1;
  const std::string sender = called(state, found.core.front(), found.core);
  const auto failed = std::find_if(state.ended.begin(), state.ended.end(), [](const ended_info& e) {
    return !e.error.empty();
  });
  if (failed != state.ended.end())
    return fmt::format(
        "if {} was to receive from {}: in a nursery its error cancels those who send.",
        numbered(failed->id, failed->name), called(object)
    );
  if (const tasklet_info* joiner = receiver_that_joins(state, found))
    return fmt::format(
        "let {0} receive what {1} on {2} before it joins {3}{4}, or give {2} room for all of it.",
        called(state, joiner->id, found.core), one ? sender + " sends" : "they send",
        called(object), whom_it_joins(state, found, *joiner), place_of(state, joiner->id)
    );
  return fmt::format(
      "{} needs a receiver while {}, or room for all that is sent before somebody receives.",
      called(object), one ? sender + " sends" : "they send"
  );
}

}  // namespace

std::string advise(const snapshot_data& state, const finding& found) {
  if (found.core.empty()) return {};
  const std::uint64_t id = found.subject != 0 ? found.subject : found.core.front();
  const tasklet_info& subject = *state.find_tasklet(id);
  const object_info* object = state.find_object(subject.waits.object);
  switch (found.why) {
  case verdict::mutual_receive:
    return about_mutual_receive(state, found);
  case verdict::circular_wait:
    return about_circular_wait(state, found);
  case verdict::join_cycle:
    return about_join_cycle(state, found, subject);
  case verdict::orphaned_channel:
    return about_orphaned_channel(state, found, subject, *object);
  case verdict::lock_cycle:
    if (std::string advice = about_lock_kept(state, found); !advice.empty()) return advice;
    if (!all_are_mutexes(state, found)) return {};
    if (const auto locks = objects_of_the_core(state, found); look_alike(locks))
      return fmt::format(
          "lock them all at once: co_await lock_all(…). All are {}: object_name tells them apart.",
          plainly_called(*locks.front())
      );
    if (std::string advice = about_lock_order(state, found); !advice.empty()) return advice;
    return fmt::format(
        "lock {} in the same order everywhere, or all at once by lock_all().",
        any_of(objects_of_the_core(state, found), " and ")
    );
  case verdict::self_wait:
    if (object->kind == object_kind::once)
      return fmt::format("leave out the run of {} from within itself.", called(*object));
    if (object->kind == object_kind::mutex)
      return "unlock it before, or call disown() on its guard if another tasklet is to unlock it: "
             "a mutex cannot be locked twice.";
    if (object->kind == object_kind::shared_mutex && object->tasklet == 0)
      return fmt::format(
          "unlock what {} has locked to read ({}) before it locks to write.",
          in_quotes(subject.name), place(object->last->at.file, object->last->at.line)
      );
    if (object->kind != object_kind::channel)
      return "unlock it before: a mutex cannot be locked twice.";
    if (std::string advice = about_own_ends(subject, *object); !advice.empty()) return advice;
    if (found.handles_only && subject.waits.operation == operation_kind::receive)
      return fmt::format(
          "leave a handle of {} with who is to send until it has sent, on every path. With the "
          "ends of make_channel() the wait ends when the last sender goes.",
          called(*object)
      );
    if (subject.waits.operation == operation_kind::receive)
      return "let another tasklet send: a tasklet that waits to receive cannot send to itself.";
    return fmt::format(
        "receive in another tasklet, or give {} room for all that is sent before it receives: a "
        "tasklet cannot meet itself.",
        called(*object)
    );
  case verdict::lost_notification:
    if (object->kind == object_kind::condition_variable) return about_lost_notify(subject, *object);
    return about_lost_value(*object);
  case verdict::buffer_full_without_receiver:
    return about_no_receiver(state, found, *object);
  case verdict::never_signalled:
    return about_never_signalled(state, found, subject, *object);
  case verdict::never_started:
    return fmt::format("insert() {} before others wait for it.", numbered(state, subject.id));
  default:
    return {};
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
