// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Tells code.h which function lies where.

#include <errno.h>
#include <string.h>

#include <new>

#include "code.h"
#include "v8_isolate.h"

namespace {

vigil__frame_kind KindOf(v8::CodeEventType type, const char* comment) {
  switch (type) {
    case v8::CodeEventType::kBuiltinType:
      return strcmp(comment, "InterpreterEntryTrampoline") == 0
                 ? VIGIL__FRAME_TRAMPOLINE
                 : VIGIL__FRAME_BUILTIN;
    case v8::CodeEventType::kCallbackType: return VIGIL__FRAME_CALLBACK;
    case v8::CodeEventType::kBytecodeHandlerType: return VIGIL__FRAME_HANDLER;
    case v8::CodeEventType::kHandlerType:
    case v8::CodeEventType::kStubType: return VIGIL__FRAME_STUB;
    case v8::CodeEventType::kRegExpType: return VIGIL__FRAME_REGEXP;
    default: return VIGIL__FRAME_JS;
  }
}

class CodeListener final : public vigil::Listener {
 public:
  CodeListener(v8::Isolate* isolate, vigil__code* code)
      : Listener(isolate), isolate_(isolate), code_(code) {}

  // Own thread, also within a GC for moves: no handle is made for those.
  void Handle(v8::CodeEvent* event) override {
    const uint64_t start = event->GetCodeStartAddress();
    if (event->GetCodeType() == v8::CodeEventType::kRelocationType) {
      vigil__code_move(code_, event->GetPreviousCodeStartAddress(), start,
                       event->GetCodeSize());
      return;
    }
    if (deaf) return;
    v8::HandleScope scope(isolate_);
    v8::String::Utf8Value script(isolate_, event->GetScriptName());
    v8::String::Utf8Value function(isolate_, event->GetFunctionName());
    // Builtins and stubs have no name but a comment.
    const char* comment = event->GetComment();
    const bool named = function.length() > 0 || comment[0] == '\0';
    vigil__code_add(code_, start, event->GetCodeSize(),
                    KindOf(event->GetCodeType(), comment),
                    named ? *function : comment,
                    named ? function.length() : strlen(comment), *script,
                    script.length(), event->GetScriptLine(),
                    event->GetScriptColumn());
  }

 private:
  v8::Isolate* isolate_;
  vigil__code* code_;
};

}  // namespace

int vigil__isolate_listen(vigil__isolate* iso, vigil__code* code) {
  if (iso->listener != nullptr) return 0;
  iso->listener.reset(new (std::nothrow) CodeListener(iso->isolate, code));
  if (iso->listener == nullptr) return -ENOMEM;
  iso->listener->Enable();
  return 0;
}

void vigil__isolate_code_range(vigil__isolate* iso,
                               uint64_t* lo,
                               uint64_t* hi) {
  void* start = nullptr;
  size_t length = 0;
  iso->isolate->GetCodeRange(&start, &length);
  *lo = reinterpret_cast<uintptr_t>(start);
  *hi = *lo + length;
}
