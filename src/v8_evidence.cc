// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// CPU profiles, heap snapshots and allocation profiles.

#include <errno.h>

#include <memory>
#include <new>
#include <string>

#include "v8_isolate.h"

namespace v8::internal {
void DetachCpuProfiler(v8::CpuProfiler* profiler);  // v8-profile-detach.patch
void HideContentsInHeapSnapshots(bool hide);        // v8-heap-redact.patch
int ForkWithHeap(v8::Isolate* isolate,              // v8-heap-fork.patch
                 bool wait,
                 int (*fork)(void* data),
                 void (*child)(void* data),
                 void* data);
}  // namespace v8::internal

struct vigil__cpu_profile {
  vigil__isolate* iso;
  v8::CpuProfiler* profiler;
  v8::ProfilerId id;
  v8::CpuProfile* stopped;
};

struct vigil__heap_snapshot {
  const v8::HeapSnapshot* snapshot;
};

namespace {

// As Chrome DevTools samples, but finer, since ten seconds are all there is.
constexpr uint64_t kAllocSampleBytes = 128 * 1024;
constexpr int kAllocDepth = 64;

class SinkStream final : public v8::OutputStream {
 public:
  SinkStream(vigil__sink sink, void* arg) : sink_(sink), arg_(arg) {}
  void EndOfStream() override {}
  int GetChunkSize() override { return 256 * 1024; }
  WriteResult WriteAsciiChunk(char* data, int size) override {
    if (error_ == 0) error_ = sink_(arg_, data, static_cast<size_t>(size));
    return error_ == 0 ? kContinue : kAbort;
  }
  int error() const { return error_; }

 private:
  vigil__sink sink_;
  void* arg_;
  int error_ = 0;
};

// One function of an allocation profile and what it called.
void WriteNode(vigil__json* j,
               v8::Isolate* isolate,
               const char* key,
               const v8::AllocationProfile::Node* node) {
  uint64_t self_bytes = 0;
  for (const auto& a : node->allocations) self_bytes += a.size * a.count;
  vigil__json_object(j, key);
  vigil__json_object(j, "callFrame");
  vigil__json_string(j, "functionName",
                     *v8::String::Utf8Value(isolate, node->name));
  vigil__json_string(j, "scriptId", std::to_string(node->script_id).c_str());
  vigil__json_string(j, "url",
                     *v8::String::Utf8Value(isolate, node->script_name));
  vigil__json_int(j, "lineNumber", node->line_number - 1);
  vigil__json_int(j, "columnNumber", node->column_number - 1);
  vigil__json_end(j);
  vigil__json_uint(j, "selfSize", self_bytes);
  vigil__json_uint(j, "id", node->node_id);
  vigil__json_array(j, "children");
  for (const auto* child : node->children) WriteNode(j, isolate, nullptr, child);
  vigil__json_end(j);
  vigil__json_end(j);
}

}  // namespace

int vigil__cpu_profile_start(vigil__isolate* iso,
                             unsigned interval_us,
                             vigil__cpu_profile** profile) {
  auto* p = new (std::nothrow) vigil__cpu_profile{};
  if (p == nullptr) return -ENOMEM;
  v8::HandleScope scope(iso->isolate);
  p->iso = iso;
  // A start tells every listener of all the code that there is.
  if (iso->listener != nullptr) iso->listener->deaf = true;
  // Eager: what is known of the code is not freed by the stop.
  p->profiler = v8::CpuProfiler::New(iso->isolate, v8::kDebugNaming,
                                     v8::kEagerLogging);
  p->profiler->SetSamplingInterval(static_cast<int>(interval_us));
  const v8::CpuProfilingResult result = p->profiler->Start(
      v8::CpuProfilingOptions(v8::kLeafNodeLineNumbers,
                              v8::CpuProfilingOptions::kNoSampleLimit));
  if (iso->listener != nullptr) iso->listener->deaf = false;
  if (result.status != v8::CpuProfilingStatus::kStarted) {
    p->profiler->Dispose();
    delete p;
    return -EBUSY;
  }
  p->id = result.id;
  *profile = p;
  return 0;
}

void vigil__cpu_profile_stop(vigil__cpu_profile* profile) {
  if (profile->stopped != nullptr) return;
  v8::HandleScope scope(profile->iso->isolate);
  profile->stopped = profile->profiler->Stop(profile->id);
  v8::internal::DetachCpuProfiler(profile->profiler);
}

int vigil__cpu_profile_write(vigil__cpu_profile* profile,
                             vigil__sink sink,
                             void* arg) {
  if (profile->stopped == nullptr) return -EINVAL;
  SinkStream stream(sink, arg);
  profile->stopped->Serialize(&stream);
  return stream.error();
}

void vigil__cpu_profile_free(vigil__cpu_profile* profile) {
  if (profile->stopped != nullptr) profile->stopped->Delete();
  profile->profiler->Dispose();
  delete profile;
}

uint64_t vigil__heap_used(vigil__isolate* iso) {
  v8::HeapStatistics stats;
  iso->isolate->GetHeapStatistics(&stats);
  return stats.used_heap_size();
}

int vigil__heap_snapshot_take(vigil__isolate* iso,
                              int redact,
                              vigil__heap_snapshot** snapshot) {
  auto* s = new (std::nothrow) vigil__heap_snapshot{};
  if (s == nullptr) return -ENOMEM;
  v8::HandleScope scope(iso->isolate);
  v8::internal::HideContentsInHeapSnapshots(redact != 0);
  s->snapshot = iso->isolate->GetHeapProfiler()->TakeHeapSnapshot();
  v8::internal::HideContentsInHeapSnapshots(false);
  if (s->snapshot == nullptr) {
    delete s;
    return -ECANCELED;
  }
  *snapshot = s;
  return 0;
}

namespace {

// Of the child: all it has to know when V8 ends it.
const vigil__forking* forked;
void* forked_arg;

[[noreturn]] void OutOfMemory() {
  forked->failed(forked_arg, -ENOMEM);
  __builtin_unreachable();
}

void InChild(void* isolate) {
  auto* i = static_cast<v8::Isolate*>(isolate);
  // It may be at its limit: the child needs a little, for itself only.
  i->AddNearHeapLimitCallback(
      [](void*, size_t limit, size_t) { return limit + limit / 4; }, nullptr);
  std::set_terminate(OutOfMemory);
  std::set_new_handler(OutOfMemory);
  i->SetOOMErrorHandler([](const char*, const v8::OOMDetails&) { OutOfMemory(); });
  i->SetFatalErrorHandler([](const char*, const char*) {
    forked->failed(forked_arg, -EFAULT);
  });
  forked->child(forked_arg);
}

int DoFork(void*) { return forked->fork(forked_arg); }

}  // namespace

int vigil__heap_fork(vigil__isolate* iso,
                     int wait,
                     const vigil__forking* what,
                     void* arg) {
  forked = what;  // One at a time: see capture.c.
  forked_arg = arg;
  return v8::internal::ForkWithHeap(iso->isolate, wait != 0, DoFork, InChild,
                                    iso->isolate);
}

int vigil__heap_snapshot_write(vigil__heap_snapshot* snapshot,
                               vigil__sink sink,
                               void* arg) {
  SinkStream stream(sink, arg);
  snapshot->snapshot->Serialize(&stream);
  return stream.error();
}

void vigil__heap_snapshot_free(vigil__heap_snapshot* snapshot) {
  const_cast<v8::HeapSnapshot*>(snapshot->snapshot)->Delete();
  delete snapshot;
}

int vigil__alloc_profile_start(vigil__isolate* iso) {
  v8::HandleScope scope(iso->isolate);
  return iso->isolate->GetHeapProfiler()->StartSamplingHeapProfiler(
             kAllocSampleBytes, kAllocDepth)
             ? 0
             : -EBUSY;
}

int vigil__alloc_profile_stop(vigil__isolate* iso, vigil__json* j) {
  v8::HandleScope scope(iso->isolate);
  v8::HeapProfiler* profiler = iso->isolate->GetHeapProfiler();
  if (j == nullptr) {
    profiler->StopSamplingHeapProfiler();
    return 0;
  }
  std::unique_ptr<v8::AllocationProfile> profile(
      profiler->GetAllocationProfile());
  if (profile == nullptr) return -ECANCELED;  // The app has stopped it.
  vigil__json_object(j, nullptr);
  WriteNode(j, iso->isolate, "head", profile->GetRootNode());
  vigil__json_array(j, "samples");
  for (const auto& sample : profile->GetSamples()) {
    vigil__json_object(j, nullptr);
    vigil__json_uint(j, "size", sample.size * sample.count);
    vigil__json_uint(j, "nodeId", sample.node_id);
    vigil__json_uint(j, "ordinal", sample.sample_id);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_end(j);
  profiler->StopSamplingHeapProfiler();
  return vigil__json_finish(j);
}
