// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// An add-on against V8's and Node's C++ interface: an object that wraps a C++
// one, a buffer, a class to derive from, and work of the environment.

#include <node.h>
#include <node_buffer.h>
#include <node_object_wrap.h>
#include <v8-profiler.h>

namespace {

class Counter : public node::ObjectWrap {
 public:
  static void New(const v8::FunctionCallbackInfo<v8::Value>& args) {
    auto* counter = new Counter();
    counter->Wrap(args.This());
    args.GetReturnValue().Set(args.This());
  }
  static void Next(const v8::FunctionCallbackInfo<v8::Value>& args) {
    auto* counter = node::ObjectWrap::Unwrap<Counter>(args.This());
    args.GetReturnValue().Set(++counter->count_);
  }

 private:
  int count_ = 0;
};

class Events : public v8::CodeEventHandler {
 public:
  using v8::CodeEventHandler::CodeEventHandler;
  void Handle(v8::CodeEvent*) override { ++count; }
  int count = 0;
};

void Bytes(const v8::FunctionCallbackInfo<v8::Value>& args) {
  args.GetReturnValue().Set(
      node::Buffer::Copy(args.GetIsolate(), "bytes", 5).ToLocalChecked());
}

// Whether V8 told a listener of ours about code.
void SeesCode(const v8::FunctionCallbackInfo<v8::Value>& args) {
  Events events(args.GetIsolate());
  events.Enable();
  events.Disable();
  args.GetReturnValue().Set(events.count > 0);
}

}  // namespace

NODE_MODULE_INIT() {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  auto name = [isolate](const char* s) {
    return v8::String::NewFromUtf8(isolate, s).ToLocalChecked();
  };
  auto counter = v8::FunctionTemplate::New(isolate, Counter::New);
  counter->SetClassName(name("Counter"));
  counter->InstanceTemplate()->SetInternalFieldCount(1);
  NODE_SET_PROTOTYPE_METHOD(counter, "next", Counter::Next);
  exports->Set(context, name("Counter"),
               counter->GetFunction(context).ToLocalChecked()).Check();
  NODE_SET_METHOD(exports, "bytes", Bytes);
  NODE_SET_METHOD(exports, "seesCode", SeesCode);
}
