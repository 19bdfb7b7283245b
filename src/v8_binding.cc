// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// internalBinding('vigil'): hands the texts of report.h to lib/vigil.js.
//
// Of Node's internals it needs the two macros that register a binding, and
// nothing that depends on how node_base was configured (no env.h).

#ifndef NODE_WANT_INTERNALS
#define NODE_WANT_INTERNALS 1
#endif

#include <cerrno>
#include <cstdint>

#include "clock.h"
#include "config.h"
#include "demand.h"
#include "json.h"
#include "node.h"
#include "node_binding.h"
#include "node_external_reference.h"
#include "report.h"
#include "v8.h"
#include "watch.h"

namespace vigil {
namespace {

// Some 200 loops with busy histograms; V8's strings end at 512 MB.
constexpr size_t kLimit = size_t{64} << 20;

// The result is a string of JSON, or undefined when there is no memory.
template <typename Write>
void Return(const v8::FunctionCallbackInfo<v8::Value>& args, Write write) {
  vigil__json json = {};
  json.limit = kLimit;
  write(&json);
  v8::Local<v8::String> text;
  if (vigil__json_finish(&json) == 0 &&
      v8::String::NewFromUtf8(args.GetIsolate(),
                              json.data,
                              v8::NewStringType::kNormal,
                              static_cast<int>(json.len))
          .ToLocal(&text)) {
    args.GetReturnValue().Set(text);
  }
  vigil__json_free(&json);
}

void Status(const v8::FunctionCallbackInfo<v8::Value>& args) {
  Return(args, vigil__report_status);
}

// The window in ms, an integer that lib/vigil.js has checked.
void Lag(const v8::FunctionCallbackInfo<v8::Value>& args) {
  const uint64_t window_ns =
      uint64_t{args[0].As<v8::Uint32>()->Value()} * VIGIL__MS;
  vigil__report_measure();
  Return(args, [=](vigil__json* j) { vigil__report_lag(j, window_ns); });
}

void Snapshot(const v8::FunctionCallbackInfo<v8::Value>& args) {
  vigil__report_measure();
  Return(args, vigil__report_snapshot);
}

void Histogram(const v8::FunctionCallbackInfo<v8::Value>& args) {
  Return(args, vigil__report_histogram);
}

// Of the thread args[0]; args[1] has VIGIL__CAPTURE_* bits, args[2] the length of
// the profile in ms, both 0 for what is configured; args[3] is the round of a leak
// hunt, or 0. A ticket, or 0.
void Capture(const v8::FunctionCallbackInfo<v8::Value>& args) {
  vigil__demand demand = {};
  demand.thread_id = static_cast<uint64_t>(args[0].As<v8::Number>()->Value());
  demand.want = args[1].As<v8::Uint32>()->Value();
  demand.profile_ns =
      uint64_t{args[2].As<v8::Uint32>()->Value()} * VIGIL__MS;
  demand.leak = args[3].As<v8::Uint32>()->Value();
  vigil__watch_start();
  const uint64_t ticket = vigil__demand_ask(&demand);
  vigil__watch_wake();
  args.GetReturnValue().Set(static_cast<double>(ticket));
}

// The directory of the incident; a negative error; or undefined: not yet.
void Captured(const v8::FunctionCallbackInfo<v8::Value>& args) {
  char path[VIGIL__DIR_MAX];
  const int err = vigil__demand_result(
      static_cast<uint64_t>(args[0].As<v8::Number>()->Value()), path,
      sizeof(path));
  if (err == -EINPROGRESS) return;
  v8::Local<v8::String> text;
  if (err != 0) {
    args.GetReturnValue().Set(err);
  } else if (v8::String::NewFromUtf8(args.GetIsolate(), path).ToLocal(&text)) {
    args.GetReturnValue().Set(text);
  }
}

void Initialize(v8::Local<v8::Object> target,
                v8::Local<v8::Value> unused,
                v8::Local<v8::Context> context,
                void* priv) {
  NODE_SET_METHOD(target, "status", Status);
  NODE_SET_METHOD(target, "lag", Lag);
  NODE_SET_METHOD(target, "snapshot", Snapshot);
  NODE_SET_METHOD(target, "histogram", Histogram);
  NODE_SET_METHOD(target, "capture", Capture);
  NODE_SET_METHOD(target, "captured", Captured);
}

// For the startup snapshot of a program that uses node:vigil.
void RegisterExternalReferences(node::ExternalReferenceRegistry* registry) {
  registry->Register(Status);
  registry->Register(Lag);
  registry->Register(Snapshot);
  registry->Register(Histogram);
  registry->Register(Capture);
  registry->Register(Captured);
}

}  // namespace
}  // namespace vigil

NODE_BINDING_CONTEXT_AWARE_INTERNAL(vigil, vigil::Initialize)
NODE_BINDING_EXTERNAL_REFERENCE(vigil, vigil::RegisterExternalReferences)
