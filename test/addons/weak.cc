// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Objects whose native part is freed in the second callback after a garbage
// collection, which V8 runs in a pause of its own kind. It takes as long as it
// was told to.

#include <node.h>

#include "addon.h"

namespace {

uint64_t freed_ns;

struct Part {
  v8::Global<v8::Object> object;
  uint64_t ns;
};

void Free(const v8::WeakCallbackInfo<Part>& info) {
  Part* part = info.GetParameter();
  freed_ns += block_sleep(part->ns);
  delete part;
}

void Collected(const v8::WeakCallbackInfo<Part>& info) {
  info.GetParameter()->object.Reset();
  info.SetSecondPassCallback(Free);
}

// Argument: how long it takes to free it, in ms.
void Make(const v8::FunctionCallbackInfo<v8::Value>& args) {
  auto* part = new Part;
  part->ns = static_cast<uint64_t>(args[0].As<v8::Number>()->Value() * 1e6);
  v8::Local<v8::Object> object = v8::Object::New(args.GetIsolate());
  part->object.Reset(args.GetIsolate(), object);
  part->object.SetWeak(part, Collected, v8::WeakCallbackType::kParameter);
  args.GetReturnValue().Set(object);
}

// How long it has taken to free all that was, in ms.
void FreedMs(const v8::FunctionCallbackInfo<v8::Value>& args) {
  args.GetReturnValue().Set(static_cast<double>(freed_ns) / 1e6);
}

}  // namespace

NODE_MODULE_INIT() {
  NODE_SET_METHOD(exports, "make", Make);
  NODE_SET_METHOD(exports, "freedMs", FreedMs);
}
