#pragma once

#include <stackless/detail/intrusive_list.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

struct tasklet_block;

/// Something that has one owner at a time.
class lock_core : public list_hook {
 public:
  tasklet_block* owner = nullptr;  ///< null: nobody, or somebody outside the tasklets

  /// The owner is about to end and has not unlocked it.
  virtual void owner_ended() noexcept = 0;

 protected:
  ~lock_core() = default;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
