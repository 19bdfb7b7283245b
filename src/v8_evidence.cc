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
}

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

int vigil__heap_snapshot_take(vigil__isolate* iso,
                              uint64_t most,
                              vigil__heap_snapshot** snapshot,
                              uint64_t* need,
                              uint64_t* have) {
  v8::HeapStatistics stats;
  iso->isolate->GetHeapStatistics(&stats);
  if (stats.used_heap_size() > most) {
    *need = stats.used_heap_size();
    return -EFBIG;
  }
  // A snapshot takes about as much again as the heap; in the same cgroup the
  // kernel would take the process for it.
  *need = 2 * stats.used_heap_size() + (UINT64_C(32) << 20);
  *have = uv_get_available_memory();
  if (*have < *need) return -ENOMEM;
  auto* s = new (std::nothrow) vigil__heap_snapshot{};
  if (s == nullptr) return -ENOMEM;
  v8::HandleScope scope(iso->isolate);
  s->snapshot = iso->isolate->GetHeapProfiler()->TakeHeapSnapshot();
  if (s->snapshot == nullptr) {
    delete s;
    return -ECANCELED;
  }
  *snapshot = s;
  return 0;
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
  std::unique_ptr<v8::AllocationProfile> profile(
      profiler->GetAllocationProfile());
  if (profile == nullptr) return -ECANCELED;  // The app has stopped it.
  if (j != nullptr) {
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
  }
  profiler->StopSamplingHeapProfiler();
  return j == nullptr ? 0 : vigil__json_finish(j);
}
