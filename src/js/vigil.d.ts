// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Declarations of the built-in module node:vigil of Node Vigil. Every member is
// described in share/doc/node-vigil/api.md. Needs no @types/node.

declare module 'node:vigil' {
  /** An event loop of this process, and whose it is. */
  export interface Loop {
    /** As `worker_threads.threadId`; 0 is the main thread. `null` for a loop that runs no JavaScript. */
    threadId: number | null;
    /** For people: `main thread`, `worker 3 (name)`. */
    name: string;
    kind: 'main' | 'worker' | 'other';
    /** The loop is gone; its last window can still be read for a while. */
    ended: boolean;
  }

  /** What an event felt that arrived at a random instant of a window. */
  export interface Lag {
    /** Length of the window that was measured; 0 before there is one. */
    windowMs: number;
    /** The window is at least 95 % as long as it was asked for. */
    filled: boolean;
    /** How long ago the window ended. */
    ageMs: number;
    p50Ms: number;
    p90Ms: number;
    p99Ms: number;
    p999Ms: number;
    meanMs: number;
    /** The longest busy period in the window, the worst wait. */
    maxMs: number;
    /** Sum of the busy periods. */
    busyMs: number;
    /** `busyMs / windowMs`, 0 to 1. */
    utilization: number;
    /** GC pauses of this thread. */
    gcMs: number;
    /** Number of busy periods. */
    periods: number;
    /** Number of polls of the operating system. */
    polls: number;
    /** Number of events those polls returned. */
    events: number;
  }

  export interface LagReport {
    off: boolean;
    /** Length of the window that was asked for. */
    windowMs: number;
    /** The main thread, then Workers by id, then loops that run no JavaScript. Empty when `off`. */
    loops: Array<Loop & Lag>;
  }

  /** Lengths of time of one kind, since the start. */
  export interface Durations {
    count: number;
    totalMs: number;
    maxMs: number;
    p50Ms: number;
    p90Ms: number;
    p99Ms: number;
  }

  export interface LoopTotals {
    /** From the creation of the loop to its first poll; `null` before that. */
    startupMs: number | null;
    /** Since the first poll: `activeMs + idleMs`. */
    observedMs: number;
    activeMs: number;
    idleMs: number;
    /** `activeMs / observedMs`, 0 to 1. */
    utilization: number;
    /** How long the loop has been busy without a break until now. */
    openMs: number;
    /** The longest busy period that has ended. */
    longestMs: number;
    /** Time Vigil's own work took on this thread. */
    selfMs: number;
    iterations: number;
    polls: number;
    events: number;
  }

  export interface GarbageCollection {
    /** All pauses; one inside of another counts once. */
    totalMs: number;
    /** Heap in use after the last full collection. */
    heapUsedAfterBytes: number;
    /** External memory at that time. */
    externalAfterBytes: number;
    kinds: Array<{
      kind: 'scavenge' | 'minor-mark-sweep' | 'mark-sweep-compact' |
        'incremental-marking' | 'weak-callbacks';
      count: number;
      totalMs: number;
      maxMs: number;
      p50Ms: number;
      p99Ms: number;
    }>;
  }

  export interface LoopSnapshot extends Loop {
    lag: { last1s: Lag; last10s: Lag; last60s: Lag };
    /** These four are `null` once the loop has ended. */
    sinceStart: LoopTotals | null;
    /** Busy time of each iteration. */
    turns: Durations | null;
    /** How late timers ran. */
    timers: Durations | null;
    /** `null` for a loop that runs no JavaScript, too. */
    gc: GarbageCollection | null;
  }

  /** libuv's thread pool, which all threads share. */
  export interface ThreadPool {
    /** Work that waits now. */
    queued: number;
    /** Work that waited at once, at most. */
    queuedMax: number;
    /** How long the first of the queue has waited. */
    oldestWaitMs: number;
    running: number;
    cancelled: number;
    /** Work that was not measured, as the queue was too long. */
    unmeasured: number;
    kinds: Array<{
      kind: 'cpu' | 'fast-io' | 'slow-io';
      wait: Durations;
      run: Durations;
    }>;
  }

  export interface Snapshot {
    off: boolean;
    version: string;
    /** The environment variable `VIGIL`. */
    mode: 'auto' | 'on' | 'off';
    /** Incidents are captured in this process. */
    armed: boolean;
    /** Windows are kept in this process. */
    watching: boolean;
    /** Heap snapshots since the start. */
    heapSnapshots: {
      /** They are complete. */
      taken: number;
      /** Their child was ended at its deadline. */
      late: number;
      /** Not taken for another reason. */
      failed: number;
      /** Not begun, for want of memory or disk. */
      refused: number;
    };
    threadPool: ThreadPool;
    loops: LoopSnapshot[];
  }

  export interface Bucket {
    /** The least length of time of this bucket; it names the bucket. */
    lowerNs: number;
    count: number;
    sumNs: number;
  }

  export interface LoopHistogram extends Loop {
    /** The window that the counts are of: since the first poll. */
    observedMs: number;
    /** All busy periods that have ended, shortest first. */
    busy: Bucket[];
    /** Those of them that hold Vigil's own work. */
    self: Bucket[];
  }

  export interface HistogramReport {
    off: boolean;
    scheme: {
      linearWidthNs: number;
      linearBelowNs: number;
      bucketsPerOctave: number;
      lastLowerNs: number;
    };
    loops: LoopHistogram[];
  }

  /** What to capture; with none `true`, what `VIGIL_CAPTURE` says, without what is `false`. */
  export interface CaptureOptions {
    /** A CPU profile. */
    cpu?: boolean;
    /** A heap snapshot. */
    heap?: boolean;
    /** A sampling allocation profile, as long as the CPU profile. */
    alloc?: boolean;
    /** What the recorder has of the last minute. */
    before?: boolean;
    /** An integer from 100 to 60,000. Default: `VIGIL_CPU_PROFILE`. */
    cpuProfileMs?: number;
  }

  /** `incident.json`, as docs/incidents.md describes it, and where it is. These are some of its members. */
  export interface Incident {
    /** The folder that holds the files. */
    directory: string;
    schema: number;
    headline: string;
    files: Array<{ name: string; bytes: number; sha256: string }>;
  }

  /** What is between two looks: one of these. */
  export interface LeakHuntOptions {
    /** The same work each time; it is awaited. */
    work?: () => unknown;
    /** Time, an integer from 1 to 86,400,000. Default: 60,000. */
    everyMs?: number;
    /** Requests that HTTP servers of this thread answer. */
    requests?: number;
  }

  /** `leak.json`, as docs/leak.md describes it, and where it is. These are some of its members. */
  export interface LeakReport {
    /** The folder that holds it, and `leak.txt`. */
    directory: string;
    schema: number;
    suspects: Array<{
      name: string;
      class: string;
      kind: 'cache' | 'listeners' | 'closures' | 'buffers' | 'unknown';
      advice: string;
      bytesPerRound: number;
      objectsPerRound: number;
    }>;
  }

  /** The process runs with `VIGIL=off`: nothing is measured. */
  export const off: boolean;
  /** Version of Node Vigil, as `process.versions.vigil`. */
  export const version: string;

  /**
   * Lag of every event loop of this process.
   * @param windowMs Length of the window: an integer from 1,000 to 600,000.
   * @default 10000
   */
  export function lag(windowMs?: number): LagReport;
  /** All that is known about this process now. */
  export function snapshot(): Snapshot;
  /** Raw histograms since the first poll of each loop; they merge by adding. */
  export function histogram(): HistogramReport;
  /** Captures the calling thread now, whatever the rules say. */
  export function capture(options?: CaptureOptions): Promise<Incident>;
  /** Looks at the heap of the calling thread three times, for what grows with the work. */
  export function leakHunt(options?: LeakHuntOptions): Promise<LeakReport>;
}
