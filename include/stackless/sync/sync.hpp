#pragma once

// Everything of sync/.

#include <stackless/sync/broadcast.hpp>
#include <stackless/sync/condition_variable.hpp>
#include <stackless/sync/event.hpp>
#include <stackless/sync/latch.hpp>
#include <stackless/sync/mutex.hpp>
#include <stackless/sync/once.hpp>
#include <stackless/sync/oneshot.hpp>
#include <stackless/sync/semaphore.hpp>
#include <stackless/sync/shared_mutex.hpp>
#include <stackless/sync/watch.hpp>
