// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

#ifndef VIGIL_V8_ISOLATE_H_
#define VIGIL_V8_ISOLATE_H_

// What the C++ files behind v8_bridge.h share.

#include <atomic>
#include <memory>

#include "node.h"
#include "uv.h"
#include "v8-profiler.h"
#include "v8.h"
#include "v8_bridge.h"

namespace vigil {

// A listener to code events that can be told to ignore what it knows.
class Listener : public v8::CodeEventHandler {
 public:
  using CodeEventHandler::CodeEventHandler;
  bool deaf = false;
};

}  // namespace vigil

struct vigil__isolate {
  v8::Isolate* isolate;
  node::Environment* env;
  void (*leaving)(vigil__isolate* iso);
  vigil__gc* gc;
  void (*limit_reached)(vigil__isolate* iso, uint64_t limit) = nullptr;
  // Own thread.
  std::unique_ptr<vigil::Listener> listener;
  // Guards `gone`: while it is held the environment cannot go away.
  uv_mutex_t lock;
  bool gone = false;
  // Released by each unref, acquired by the last one, so that whoever frees
  // sees what the others wrote.
  std::atomic<int> refs{1};
};

#endif  // VIGIL_V8_ISOLATE_H_
