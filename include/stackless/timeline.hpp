#pragma once

#include <stackless/observer.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace stackless::inline STACKLESS_ABI {

/// Records when each tasklet ran, waited and for what, and when it sent and received, as a timeline
/// for Perfetto or `chrome://tracing`: `timeline t; set_observer(&t); … t.save("trace.json");`.
/// Every tasklet is a row; `ready` is the time between its turns.
///
/// Up to `most_events` are kept; what comes later is counted and left out.
///
/// **Errors**: when it cannot get memory for an event, that event is left out.
/// **Lifetime**: as of every observer; of one scheduler.
/// Complexity: as of an observer, and about 32 bytes an event.
class timeline final : public observer {
 public:
  static constexpr std::size_t default_most_events = 1'000'000;

  /// `also` is told everything too: a scheduler has one observer.
  explicit timeline(std::size_t most_events = default_most_events, observer* also = nullptr);
  ~timeline() override;

  void on_switch(const any_tasklet& previous, const any_tasklet& next) override;
  void on_channel(const channel_action& action) override;
  void on_stall(const deadlock_report& report) override;
  void on_sleep(const any_tasklet& previous) noexcept override;
  void on_wake(const any_tasklet& next) noexcept override;

  /// Chrome's trace event format. What has not ended yet is shown up to the latest event.
  /// **Errors**: `std::bad_alloc`.
  [[nodiscard]] std::string to_json() const;
  /// Writes it to a file. **Errors**: `std::system_error`, `std::bad_alloc`.
  void save(const std::string& path) const;

  [[nodiscard]] std::size_t events() const noexcept;
  [[nodiscard]] std::size_t left_out() const noexcept;

 private:
  class recorder;
  std::unique_ptr<recorder> recorder_;
  observer* also_;
};

}  // namespace stackless::inline STACKLESS_ABI
