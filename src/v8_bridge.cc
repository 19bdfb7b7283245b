// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

#include <errno.h>

#include <new>

#include "v8_isolate.h"

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

void NoteSpaces(v8::Isolate* isolate, vigil__gc* gc) {
  for (unsigned i = 0; i < isolate->NumberOfHeapSpaces(); i++) {
    v8::HeapSpaceStatistics stats;
    if (!isolate->GetHeapSpaceStatistics(&stats, i)) continue;
    const vigil__gc_space space = {
        stats.space_name(), stats.space_size(), stats.space_used_size(),
        stats.space_available_size(), stats.physical_space_size()};
    vigil__gc_note_space(gc, i, &space);
  }
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
  vigil__gc_heap(gc, stats.used_heap_size(), stats.external_memory(),
                 stats.heap_size_limit());
  NoteSpaces(isolate, gc);
}

// The limit stays what it is: the program ends as it would without us. Where
// somebody has raised it, he has taken his own snapshot.
size_t OnHeapLimit(void* data, size_t limit, size_t initial) {
  auto* iso = static_cast<vigil__isolate*>(data);
  if (limit <= initial) iso->limit_reached(iso, limit);
  return limit;
}

// Node runs it on the isolate's thread, at the end of FreeEnvironment() and in
// process.reallyExit(); once only.
void OnExit(void* data) {
  auto* iso = static_cast<vigil__isolate*>(data);
  iso->listener.reset();  // Before the code map goes.
  iso->leaving(iso);
  if (iso->limit_reached != nullptr)
    iso->isolate->RemoveNearHeapLimitCallback(OnHeapLimit, 0);
  iso->isolate->RemoveGCPrologueCallback(OnGCBegin, iso);
  iso->isolate->RemoveGCEpilogueCallback(OnGCEnd, iso);
  vigil__isolate_unref(iso);
}

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
  // So that a later profile can name what is inlined in code of now. With the
  // flag that node.cc sets there is nothing to collect at this point.
  v8::CpuProfiler::UseDetailedSourcePositionsForProfiling(iso->isolate);
  NoteSpaces(iso->isolate, iso->gc);  // Until the first full collection.
  iso->isolate->AddGCPrologueCallback(OnGCBegin, iso);
  iso->isolate->AddGCEpilogueCallback(OnGCEnd, iso);
  node::AtExit(iso->env, OnExit, iso);
  return iso;
}

void vigil__isolate_watch_limit(vigil__isolate* iso,
                                void (*reached)(vigil__isolate*, uint64_t)) {
  iso->limit_reached = reached;
  iso->isolate->AddNearHeapLimitCallback(OnHeapLimit, iso);
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

vigil__gc* vigil__isolate_pauses(vigil__isolate* iso) {
  return iso->gc;
}

int vigil__isolate_run(vigil__isolate* iso, void (*fn)(void*), void* arg) {
  uv_mutex_lock(&iso->lock);
  const bool gone = iso->gone;
  if (!gone) node::RequestInterrupt(iso->env, fn, arg);
  uv_mutex_unlock(&iso->lock);
  return gone ? -ESRCH : 0;
}
