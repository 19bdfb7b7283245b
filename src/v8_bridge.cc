// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

#include "v8_bridge.h"

#include <errno.h>

#include <atomic>
#include <new>

#include "node.h"
#include "uv.h"
#include "v8-profiler.h"
#include "v8.h"

struct vigil__isolate {
  v8::Isolate* isolate;
  node::Environment* env;
  void (*leaving)(vigil__isolate* iso);
  vigil__gc* gc;
  // Guards `gone`: while it is held the environment cannot go away.
  uv_mutex_t lock;
  bool gone = false;
  // Released by each unref, acquired by the last one, so that whoever frees
  // sees what the others wrote.
  std::atomic<int> refs{1};
};

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

vigil__gc_kind KindOf(v8::GCType type) {
  switch (type) {
    case v8::kGCTypeScavenge: return VIGIL__GC_SCAVENGE;
    case v8::kGCTypeMinorMarkSweep: return VIGIL__GC_MINOR_MARK_SWEEP;
    case v8::kGCTypeIncrementalMarking: return VIGIL__GC_INCREMENTAL_MARKING;
    case v8::kGCTypeProcessWeakCallbacks: return VIGIL__GC_WEAK_CALLBACKS;
    default: return VIGIL__GC_MARK_SWEEP_COMPACT;
  }
}

void OnGCBegin(v8::Isolate*, v8::GCType type, v8::GCCallbackFlags, void* data) {
  vigil__gc_begin(static_cast<vigil__isolate*>(data)->gc, KindOf(type),
                  vigil__mono_now());
}

void OnGCEnd(v8::Isolate* isolate,
             v8::GCType type,
             v8::GCCallbackFlags,
             void* data) {
  auto* gc = static_cast<vigil__isolate*>(data)->gc;
  vigil__gc_end(gc, KindOf(type), vigil__mono_now());
  if (type != v8::kGCTypeMarkSweepCompact) return;
  v8::HeapStatistics stats;
  isolate->GetHeapStatistics(&stats);
  vigil__gc_heap(gc, stats.used_heap_size(), stats.external_memory());
}

// Node runs it on the isolate's thread, at the end of FreeEnvironment() and in
// process.reallyExit(); once only.
void OnExit(void* data) {
  auto* iso = static_cast<vigil__isolate*>(data);
  iso->leaving(iso);
  iso->isolate->RemoveGCPrologueCallback(OnGCBegin, iso);
  iso->isolate->RemoveGCEpilogueCallback(OnGCEnd, iso);
  vigil__isolate_unref(iso);
}

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

}  // namespace

vigil__isolate* vigil__isolate_attach(void* isolate,
                                      void* env,
                                      void (*leaving)(vigil__isolate*)) {
  auto* iso = new (std::nothrow) vigil__isolate;
  if (iso == nullptr) return nullptr;
  iso->isolate = static_cast<v8::Isolate*>(isolate);
  iso->env = static_cast<node::Environment*>(env);
  iso->leaving = leaving;
  iso->gc = vigil__gc_new();
  if (iso->gc == nullptr || uv_mutex_init(&iso->lock) != 0) {
    vigil__gc_free(iso->gc);
    delete iso;
    return nullptr;
  }
  vigil__isolate_ref(iso);  // OnExit()'s.
  iso->isolate->AddGCPrologueCallback(OnGCBegin, iso);
  iso->isolate->AddGCEpilogueCallback(OnGCEnd, iso);
  node::AtExit(iso->env, OnExit, iso);
  return iso;
}

void vigil__isolate_ref(vigil__isolate* iso) {
  iso->refs.fetch_add(1, std::memory_order_relaxed);
}

void vigil__isolate_unref(vigil__isolate* iso) {
  if (iso->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  uv_mutex_destroy(&iso->lock);
  vigil__gc_free(iso->gc);
  delete iso;
}

void vigil__isolate_close(vigil__isolate* iso) {
  uv_mutex_lock(&iso->lock);
  iso->gone = true;
  uv_mutex_unlock(&iso->lock);
}

int vigil__isolate_gone(vigil__isolate* iso) {
  uv_mutex_lock(&iso->lock);
  const bool gone = iso->gone;
  uv_mutex_unlock(&iso->lock);
  return gone;
}

void vigil__isolate_gc(vigil__isolate* iso, vigil__gc_copy* copy) {
  vigil__gc_read(iso->gc, copy);
}

int vigil__isolate_run(vigil__isolate* iso, void (*fn)(void*), void* arg) {
  uv_mutex_lock(&iso->lock);
  const bool gone = iso->gone;
  if (!gone) node::RequestInterrupt(iso->env, fn, arg);
  uv_mutex_unlock(&iso->lock);
  return gone ? -ESRCH : 0;
}

int vigil__cpu_profile_start(vigil__isolate* iso,
                             unsigned interval_us,
                             vigil__cpu_profile** profile) {
  auto* p = new (std::nothrow) vigil__cpu_profile{};
  if (p == nullptr) return -ENOMEM;
  v8::HandleScope scope(iso->isolate);
  p->iso = iso;
  p->profiler = v8::CpuProfiler::New(iso->isolate, v8::kDebugNaming);
  p->profiler->SetSamplingInterval(static_cast<int>(interval_us));
  const v8::CpuProfilingResult result = p->profiler->Start(
      v8::CpuProfilingOptions(v8::kLeafNodeLineNumbers,
                              v8::CpuProfilingOptions::kNoSampleLimit));
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
  vigil__cpu_profile_stop(profile);
  if (profile->stopped != nullptr) profile->stopped->Delete();
  profile->profiler->Dispose();
  delete profile;
}

int vigil__heap_snapshot_take(vigil__isolate* iso,
                              vigil__heap_snapshot** snapshot,
                              uint64_t* need,
                              uint64_t* have) {
  v8::HeapStatistics stats;
  iso->isolate->GetHeapStatistics(&stats);
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
