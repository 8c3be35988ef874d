#pragma once

// Everything but io/ and testing.hpp.

#include <stackless/async_generator.hpp>
#include <stackless/async_stack.hpp>
#include <stackless/await_callback.hpp>
#include <stackless/cancel.hpp>
#include <stackless/channel.hpp>
#include <stackless/channel_ends.hpp>
#include <stackless/combine.hpp>
#include <stackless/deadline.hpp>
#include <stackless/deadlock.hpp>
#include <stackless/error.hpp>
#include <stackless/external_source.hpp>
#include <stackless/generator.hpp>
#include <stackless/interval.hpp>
#include <stackless/nursery.hpp>
#include <stackless/observer.hpp>
#include <stackless/offload.hpp>
#include <stackless/remote.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/scheduler_statistics.hpp>
#include <stackless/select.hpp>
#include <stackless/shared_result.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/stop.hpp>
#include <stackless/switch_trap.hpp>
#include <stackless/sync/sync.hpp>
#include <stackless/task.hpp>
#include <stackless/tasklet.hpp>
#include <stackless/tasklet_local.hpp>
#include <stackless/time.hpp>
#include <stackless/timeline.hpp>
#include <stackless/traceback.hpp>
