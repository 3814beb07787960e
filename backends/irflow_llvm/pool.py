"""The worker pool as LLVM IR: threads that help with the chunks of a parallel loop.

    void irflow_parallel(ptr function, ptr argument, i64 count)

calls `function(argument, i)` for each `i` below `count`, on the calling thread and on the workers
that come in time. Whoever is free takes one more from a counter, so that a late or slow worker
holds up nothing: at its end the caller closes the door and waits only for those inside. The caller
takes the first ones, upwards, and workers the last ones, downwards, so that in one loop after the
other a thread meets the data that its processor's cache holds.

`state` holds the door, bit 32, and the number of workers inside. A worker enters by a compare and
swap, which fails once the door is closed. `epoch` counts the loops; a worker waits for it to
change, at first by spinning, then by giving way to others, then asleep in a futex. A call that
finds the pool busy, as from another thread or within a loop, runs all chunks itself.

Each worker stays on a processor of its own, and one is left for the caller. The system may have put
the caller elsewhere, though, and would leave two threads to share a processor for a long time; so
the worker it meets there moves to the one that is empty. `guests` holds the workers' system-wide
numbers by processor.
"""

from __future__ import annotations

from string import Template

SPINS, YIELDS = 2000, 50
"""How long a worker looks for work before it sleeps; about 50 microseconds."""

FUTEX = {"x86_64": 202, "aarch64": 98}
"""The number of Linux's system call, by machine."""

GETTID = {"x86_64": 186, "aarch64": 178}
"""The number of the call that gives a thread's number."""

MOST_PROCESSORS = 1024
"""Processors among which threads are told apart: what fits in the C library's sets."""

PAUSE = {"x86_64": "llvm.x86.sse2.pause()", "aarch64": "llvm.aarch64.hint(i32 1)"}
"""What tells a processor that a loop only waits."""

PARALLEL = "irflow_parallel"
"""The function that runs the chunks of a loop; all compiled modules know it by this name."""

OPEN = 1 << 32
WAIT, WAKE = 128, 129  # FUTEX_WAIT and FUTEX_WAKE, private to the process


def pool_text(machine: str) -> str:
    """The module of the pool for a kind of processor, one of `FUTEX`."""
    return _TEXT.substitute(
        futex=FUTEX[machine],
        gettid=GETTID[machine],
        processors=MOST_PROCESSORS,
        guests=MOST_PROCESSORS * 4,
        set=MOST_PROCESSORS // 8,
        pause=PAUSE[machine],
        declared=PAUSE[machine].replace("i32 1", "i32"),
        open=OPEN,
        inside=OPEN - 1,
        wait=WAIT,
        wake=WAKE,
        spins=SPINS,
        patience=SPINS + YIELDS,
    )


_TEXT = Template("""
@state = internal global i64 0, align 64
@epoch = internal global i32 0, align 64
@taken = internal global i64 0, align 64
@top = internal global i64 0, align 64
@sleepers = internal global i32 0, align 64
@busy = internal global i32 0, align 64
@workers = internal global i32 0, align 4
@stopped = internal global i32 0, align 4
@function = internal global ptr null, align 8
@argument = internal global ptr null, align 8
@count = internal global i64 0, align 8
@guests = internal global [$processors x i32] zeroinitializer, align 64
@empty = internal global i32 -1, align 4

declare i64 @syscall(i64, ...)
declare i32 @sched_yield()
declare i32 @sched_getcpu()
declare i32 @sched_setaffinity(i32, i64, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @$declared

define void @irflow_parallel(ptr %function, ptr %argument, i64 %count) {
entry:
  %workers = load atomic i32, ptr @workers monotonic, align 4
  %helped = icmp sgt i32 %workers, 0
  %many = icmp sgt i64 %count, 1
  %shared = and i1 %helped, %many
  br i1 %shared, label %lock, label %alone
lock:
  %before = atomicrmw xchg ptr @busy, i32 1 acquire
  %free = icmp eq i32 %before, 0
  br i1 %free, label %publish, label %alone

alone:
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %each, label %done
each:
  %i = phi i64 [ 0, %alone ], [ %i.next, %each ]
  call void %function(ptr %argument, i64 %i)
  %i.next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %i.next, %count
  br i1 %more, label %each, label %done
done:
  ret void

publish:
  call void @part()
  store ptr %function, ptr @function, align 8
  store ptr %argument, ptr @argument, align 8
  store i64 %count, ptr @count, align 8
  store atomic i64 0, ptr @taken monotonic, align 8
  store atomic i64 %count, ptr @top monotonic, align 8
  store atomic i64 $open, ptr @state release, align 8
  %old = atomicrmw add ptr @epoch, i32 1 seq_cst
  %asleep = load atomic i32, ptr @sleepers seq_cst, align 4
  %wakes = icmp sgt i32 %asleep, 0
  br i1 %wakes, label %wake, label %work
wake:
  call void @futex(i64 $wake, i32 2147483647)
  br label %work
work:
  call void @drain(ptr %function, ptr %argument, i64 %count)
  %closed = atomicrmw and ptr @state, i64 $inside acq_rel
  br label %leaving
leaving:
  %patience = phi i64 [ 0, %work ], [ %patience.next, %again ]
  %inside = load atomic i64, ptr @state acquire, align 8
  %empty = icmp eq i64 %inside, 0
  br i1 %empty, label %finished, label %wait
wait:
  %patience.next = add i64 %patience, 1
  %spins = icmp slt i64 %patience, $spins
  br i1 %spins, label %pause, label %give.way
pause:
  call void @$pause
  br label %again
give.way:
  %yielded = call i32 @sched_yield()
  br label %again
again:
  br label %leaving
finished:
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

define internal void @futex(i64 %operation, i32 %value) {
  %result = call i64 (i64, ...) @syscall(
    i64 $futex, ptr @epoch, i64 %operation, i32 %value, ptr null, ptr null, i64 0)
  ret void
}

define internal void @part() {
entry:
  %processor = call i32 @sched_getcpu()
  %known = icmp ult i32 %processor, $processors
  br i1 %known, label %look, label %done
look:
  %here = getelementptr i32, ptr @guests, i32 %processor
  %guest = load atomic i32, ptr %here monotonic, align 4
  %met = icmp ne i32 %guest, 0
  br i1 %met, label %move, label %done
move:
  %empty = load atomic i32, ptr @empty monotonic, align 4
  %there = getelementptr i32, ptr @guests, i32 %empty
  call void @settle(i32 %guest, i32 %empty)
  store atomic i32 %guest, ptr %there monotonic, align 4
  store atomic i32 0, ptr %here monotonic, align 4
  store atomic i32 %processor, ptr @empty monotonic, align 4
  br label %done
done:
  ret void
}

define internal void @settle(i32 %thread, i32 %processor) {
  %set = alloca [$set x i8], align 8
  %word = lshr i32 %processor, 6
  %place = getelementptr i64, ptr %set, i32 %word
  %low = and i32 %processor, 63
  %shift = zext i32 %low to i64
  %bit = shl i64 1, %shift
  call void @llvm.memset.p0.i64(ptr %set, i8 0, i64 $set, i1 false)
  store i64 %bit, ptr %place, align 8
  %result = call i32 @sched_setaffinity(i32 %thread, i64 $set, ptr %set)
  ret void
}

define internal void @move.in(i32 %processor) {
entry:
  call void @settle(i32 0, i32 %processor)
  %empty = load atomic i32, ptr @empty monotonic, align 4
  %is.left = icmp sge i32 %empty, 0
  br i1 %is.left, label %register, label %done
register:
  %number = call i64 (i64, ...) @syscall(i64 $gettid)
  %guest = trunc i64 %number to i32
  %place = getelementptr i32, ptr @guests, i32 %processor
  store atomic i32 %guest, ptr %place monotonic, align 4
  br label %done
done:
  ret void
}

define internal void @drain(ptr %function, ptr %argument, i64 %count) {
entry:
  br label %take
take:
  %i = phi i64 [ 0, %entry ], [ %i.next, %run ]
  %before = atomicrmw add ptr @taken, i64 1 monotonic
  %left = icmp slt i64 %before, %count
  br i1 %left, label %run, label %done
run:
  call void %function(ptr %argument, i64 %i)
  %i.next = add nuw nsw i64 %i, 1
  br label %take
done:
  ret void
}

define internal void @assist(ptr %function, ptr %argument, i64 %count) {
entry:
  br label %take
take:
  %before = atomicrmw add ptr @taken, i64 1 monotonic
  %left = icmp slt i64 %before, %count
  br i1 %left, label %run, label %done
run:
  %above = atomicrmw sub ptr @top, i64 1 monotonic
  %i = sub i64 %above, 1
  call void %function(ptr %argument, i64 %i)
  br label %take
done:
  ret void
}

define ptr @irflow_worker(ptr %place) {
entry:
  %number = ptrtoint ptr %place to i64
  %processor = trunc i64 %number to i32
  call void @move.in(i32 %processor)
  %start = load atomic i32, ptr @epoch acquire, align 4
  br label %idle
idle:
  %seen = phi i32 [ %start, %entry ], [ %now, %looked ], [ %now, %help ], [ %seen, %woke ]
  %stop = load atomic i32, ptr @stopped acquire, align 4
  %stops = icmp ne i32 %stop, 0
  br i1 %stops, label %end, label %look
look:
  %tries = phi i64 [ 0, %idle ], [ %tries.next, %pause ], [ %tries.next, %give.way ]
  %now = load atomic i32, ptr @epoch seq_cst, align 4
  %new = icmp ne i32 %now, %seen
  br i1 %new, label %looked, label %waiting
waiting:
  %tries.next = add i64 %tries, 1
  %spins = icmp slt i64 %tries, $spins
  br i1 %spins, label %pause, label %bored
bored:
  %yields = icmp slt i64 %tries, $patience
  br i1 %yields, label %give.way, label %sleep
pause:
  call void @$pause
  br label %look
give.way:
  %yielded = call i32 @sched_yield()
  br label %look
sleep:
  %s0 = atomicrmw add ptr @sleepers, i32 1 seq_cst
  call void @futex(i64 $wait, i32 %seen)
  %s1 = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  br label %woke
woke:
  br label %idle

looked:
  %state = load atomic i64, ptr @state acquire, align 8
  %door = and i64 %state, $open
  %open = icmp ne i64 %door, 0
  br i1 %open, label %enter, label %idle
enter:
  %entered = add i64 %state, 1
  %swap = cmpxchg ptr @state, i64 %state, i64 %entered acq_rel acquire
  %is.in = extractvalue { i64, i1 } %swap, 1
  br i1 %is.in, label %help, label %looked
help:
  %f = load ptr, ptr @function, align 8
  %a = load ptr, ptr @argument, align 8
  %n = load i64, ptr @count, align 8
  call void @assist(ptr %f, ptr %a, i64 %n)
  %left = atomicrmw sub ptr @state, i64 1 acq_rel
  br label %idle
end:
  ret ptr null
}

define void @irflow_set_workers(i32 %number) {
  store atomic i32 %number, ptr @workers seq_cst, align 4
  ret void
}

define void @irflow_stop_workers() {
  store atomic i32 0, ptr @workers seq_cst, align 4
  store atomic i32 1, ptr @stopped seq_cst, align 4
  %old = atomicrmw add ptr @epoch, i32 1 seq_cst
  call void @futex(i64 $wake, i32 2147483647)
  ret void
}

define void @irflow_leave_empty(i32 %processor) {
  store atomic i32 %processor, ptr @empty seq_cst, align 4
  ret void
}

define void @irflow_reset_pool() {
  call void @llvm.memset.p0.i64(ptr @guests, i8 0, i64 $guests, i1 false)
  store atomic i32 -1, ptr @empty seq_cst, align 4
  store atomic i64 0, ptr @state seq_cst, align 8
  store atomic i32 0, ptr @sleepers seq_cst, align 4
  store atomic i32 0, ptr @busy seq_cst, align 4
  store atomic i32 0, ptr @workers seq_cst, align 4
  store atomic i32 0, ptr @stopped seq_cst, align 4
  ret void
}
""")
