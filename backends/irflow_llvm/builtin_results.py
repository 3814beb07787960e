"""The part of the built-in functions' code that makes results, in the notation of `builtin_text`.

Results of `LARGE` bytes and more lie in blocks, which are used again when the last array in one is
gone; their pages are then in the memory already. At most `KEPT` bytes are kept for that. Python's
global lock protects the list of blocks.
"""

import sys

LARGE = 1 << 16
KEPT = 1 << 28
BLOCKS = 64
"""How many blocks are kept at most."""

RECORD = 16
"""The bytes of what is known of a block, which lies elsewhere: its size and where it is."""

WRITABLE, OWN = 0x400, 0x404
"""NumPy's flags of an array that may be written to, and of one whose memory is also its own."""

PAGE = 4096
"""Blocks begin at pages, as NumPy's large arrays almost do. A processor that compares the low bits
of addresses only, to see whether a load has to wait for a store, then finds no cause to.
"""

HUGE, HUGE_PAGE = 1 << 22, 1 << 21
"""From so many bytes on, blocks begin at large pages, and the system is asked to use such: they
take fewer entries of the tables that find the memory of an address.
"""

ADVICE = 14 if sys.platform == "linux" else 0
"""Linux's MADV_HUGEPAGE; 0 says nothing in particular."""

RESULTS = """
declare ptr @irflow_new_array(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare i32 @irflow_set_base(ptr, ptr)

@block.name = private constant [13 x i8] c"irflow.block\\00"
@blocks = internal global [$blocks x ptr] zeroinitializer, align 16
@kept = internal global i64 0
@oldest = internal global i64 0

define internal ptr @results(ptr %table, ptr %frame) uwtable {
entry:
  %count = word i64 %table, $table_results
  %outputs = word ptr %table, $table_outputs
  %is.bare = icmp slt i64 %count, 0
  br i1 %is.bare, label %bare, label %several
bare:
  %only = call ptr @result(ptr %table, ptr %frame, ptr %outputs)
  ret ptr %only
several:
  %tuple = call ptr @PyTuple_New(i64 %count)
  %failed.tuple = icmp eq ptr %tuple, null
  br i1 %failed.tuple, label %fail, label %each
each:
  %i = phi i64 [ 0, %several ], [ %i.next, %put ]
  %is.more = icmp slt i64 %i, %count
  br i1 %is.more, label %one, label %ready
one:
  %skipped = mul nuw nsw i64 %i, $output_words
  %output = getelementptr i64, ptr %outputs, i64 %skipped
  %handle = call ptr @result(ptr %table, ptr %frame, ptr %output)
  %failed = icmp eq ptr %handle, null
  br i1 %failed, label %drop, label %put
put:
  %status = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %handle)
  %i.next = add nuw nsw i64 %i, 1
  br label %each
ready:
  ret ptr %tuple
drop:
  call void @Py_DecRef(ptr %tuple)
  ret ptr null
fail:
  ret ptr null
}

define internal ptr @result(ptr %table, ptr %frame, ptr %output) uwtable {
entry:
  %start = word i64 %output, $output_start
  %is.fresh = icmp slt i64 %start, 0
  br i1 %is.fresh, label %fresh, label %started
fresh:
  %new = call ptr @array(ptr %table, ptr %output)
  br label %made
started:
  %lent = call ptr @lent(ptr %table, ptr %frame, ptr %output, i64 %start)
  br label %made
made:
  %array = phi ptr [ %new, %fresh ], [ %lent, %started ]
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %stop, label %wrap
wrap:
  %class = word ptr %table, $table_handle
  %handle = call ptr @PyType_GenericAlloc(ptr %class, i64 0)
  %failed.handle = icmp eq ptr %handle, null
  br i1 %failed.handle, label %drop, label %fill
drop:
  call void @Py_DecRef(ptr %array)
  br label %stop
stop:
  ret ptr null
fill:
  %elements = byte ptr %array, $array_data
  %pointers = word ptr %frame, $frame_pointers
  %number = word i64 %output, $output_number
  word ptr %elements, %pointers, %number
  %data.at = word i64 %table, $table_data
  byte ptr %array, %handle, %data.at
  %prototype = word ptr %output, $output_prototype
  %slots = word ptr %table, $table_slots
  %slot.count = word i64 %table, $table_slot_count
  br label %loop
loop:
  %i = phi i64 [ 0, %fill ], [ %i.next, %copy ]
  %is.more = icmp slt i64 %i, %slot.count
  br i1 %is.more, label %copy, label %ready
copy:
  %slot = word i64 %slots, %i
  %content = byte ptr %prototype, %slot
  call void @Py_IncRef(ptr %content)
  byte ptr %content, %handle, %slot
  %i.next = add nuw nsw i64 %i, 1
  br label %loop
ready:
  ret ptr %handle
}

; An array with the elements of an input: the input itself, or a copy.
define internal ptr @lent(ptr %table, ptr %frame, ptr %output, i64 %start) uwtable {
entry:
  %place = word i64 %output, $output_place
  %arrays = word ptr %frame, $frame_lent
  %source = word ptr %arrays, %place
  %is.kept = icmp eq ptr %source, null
  br i1 %is.kept, label %copy, label %count
count:
  %is.free = call i1 @is.exclusive(ptr %source)
  br i1 %is.free, label %take, label %copy
take:
  call void @Py_IncRef(ptr %source)
  ret ptr %source
copy:
  %array = call ptr @array(ptr %table, ptr %output)
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %stop, label %fill
stop:
  ret ptr null
fill:
  %to = byte ptr %array, $array_data
  %pointers = word ptr %frame, $frame_pointers
  %from = word ptr %pointers, %start
  %bytes = word i64 %output, $output_bytes
  %same = call ptr @memcpy(ptr %to, ptr %from, i64 %bytes)
  ret ptr %array
}

; Whether nobody but a handle and this call can reach the memory of an array. Other names, views and
; exports are references to it.
define internal i1 @is.exclusive(ptr %array) uwtable {
entry:
  %references = load i32, ptr %array
  %has.two = icmp eq i32 %references, 2
  %flags = byte i32 %array, $array_flags
  %writable = and i32 %flags, $writable
  %is.writable = icmp eq i32 %writable, $writable
  %may.be = and i1 %has.two, %is.writable
  br i1 %may.be, label %look, label %no
look:
  %own = and i32 %flags, $own
  %is.own = icmp eq i32 %own, $own
  %base = byte ptr %array, $array_base
  %is.view = icmp ne ptr %base, null
  br i1 %is.view, label %inside, label %by.itself
by.itself:
  ret i1 %is.own
inside:
  %valid = call i32 @PyCapsule_IsValid(ptr %base, ptr @block.name)
  %is.block = icmp ne i32 %valid, 0
  %others = load i32, ptr %base
  %is.only = icmp eq i32 %others, 1
  %is.ours = and i1 %is.block, %is.only
  ret i1 %is.ours
no:
  ret i1 false
}

define internal ptr @array(ptr %table, ptr %output) uwtable {
entry:
  %class = word ptr %table, $table_array
  %dtype = word ptr %output, $output_dtype
  %rank = word i32 %output, $output_rank
  %shape = word ptr %output, $output_shape
  %bytes = word i64 %output, $output_bytes
  call void @Py_IncRef(ptr %dtype)
  %is.large = icmp sge i64 %bytes, $large
  br i1 %is.large, label %large, label %small
small:
  %array = call ptr @irflow_new_array(
    ptr %class, ptr %dtype, i32 %rank, ptr %shape, ptr null, ptr null, i32 0, ptr null)
  ret ptr %array
large:
  %block = call ptr @take(i64 %bytes)
  %failed = icmp eq ptr %block, null
  br i1 %failed, label %no.memory, label %view
no.memory:
  call void @Py_DecRef(ptr %dtype)
  %nothing = call ptr @PyErr_NoMemory()
  ret ptr null
view:
  %elements = word ptr %block, 1
  %viewed = call ptr @irflow_new_array(
    ptr %class, ptr %dtype, i32 %rank, ptr %shape, ptr null, ptr %elements, i32 1281, ptr null)
  %failed.view = icmp eq ptr %viewed, null
  br i1 %failed.view, label %no.view, label %own
no.view:
  call void @give(ptr %block)
  ret ptr null
own:
  %owner = call ptr @PyCapsule_New(ptr %block, ptr @block.name, ptr @release)
  %failed.owner = icmp eq ptr %owner, null
  br i1 %failed.owner, label %no.owner, label %bind
no.owner:
  call void @give(ptr %block)
  br label %unusable
bind:
  %status = call i32 @irflow_set_base(ptr %viewed, ptr %owner)
  %failed.base = icmp ne i32 %status, 0
  br i1 %failed.base, label %unusable, label %ready
unusable:
  call void @Py_DecRef(ptr %viewed)
  ret ptr null
ready:
  ret ptr %viewed
}

define internal void @release(ptr %owner) uwtable {
  %block = call ptr @PyCapsule_GetPointer(ptr %owner, ptr @block.name)
  call void @give(ptr %block)
  ret void
}

define internal ptr @take(i64 %bytes) uwtable {
entry:
  %up = add i64 %bytes, 63
  %size = and i64 %up, -64
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i.next, %on ]
  %is.more = icmp slt i64 %i, $blocks
  br i1 %is.more, label %see, label %allocate
see:
  %block = word ptr @blocks, %i
  %is.empty = icmp eq ptr %block, null
  br i1 %is.empty, label %on, label %compare
compare:
  %has = load i64, ptr %block
  %fits = icmp eq i64 %has, %size
  br i1 %fits, label %found, label %on
on:
  %i.next = add nuw nsw i64 %i, 1
  br label %look
found:
  word ptr null, @blocks, %i
  %kept = load i64, ptr @kept
  %left = sub i64 %kept, %size
  store i64 %left, ptr @kept
  ret ptr %block
allocate:
  %new = call ptr @malloc(i64 $record)
  %failed.new = icmp eq ptr %new, null
  br i1 %failed.new, label %stop, label %fill
fill:
  %is.huge = icmp sge i64 %size, $huge
  %alignment = select i1 %is.huge, i64 $huge_page, i64 $page
  %memory = call ptr @aligned_alloc(i64 %alignment, i64 %size)
  store i64 %size, ptr %new
  word ptr %memory, %new, 1
  %failed = icmp eq ptr %memory, null
  br i1 %failed, label %drop, label %note
note:
  br i1 %is.huge, label %advise, label %ready
advise:
  %advised = call i32 @madvise(ptr %memory, i64 %size, i32 $advice)
  br label %ready
ready:
  ret ptr %new
drop:
  call void @free(ptr %new)
  br label %stop
stop:
  ret ptr null
}

define internal void @away(ptr %block) uwtable {
  %memory = word ptr %block, 1
  call void @free(ptr %memory)
  call void @free(ptr %block)
  ret void
}

define internal void @give(ptr %block) uwtable {
entry:
  %size = load i64, ptr %block
  %is.huge = icmp sgt i64 %size, $kept
  br i1 %is.huge, label %away, label %make.room
away:
  call void @away(ptr %block)
  ret void
make.room:
  %kept = load i64, ptr @kept
  %more = add i64 %kept, %size
  %is.too.much = icmp sgt i64 %more, $kept
  br i1 %is.too.much, label %evict, label %look
look:
  %i = phi i64 [ 0, %make.room ], [ %i.next, %on ]
  %is.place = icmp slt i64 %i, $blocks
  br i1 %is.place, label %see, label %evict
see:
  %there = word ptr @blocks, %i
  %is.free = icmp eq ptr %there, null
  %i.next = add nuw nsw i64 %i, 1
  br i1 %is.free, label %keep, label %on
on:
  br label %look
keep:
  store i64 %more, ptr @kept
  word ptr %block, @blocks, %i
  ret void
evict:
  %place = load i64, ptr @oldest
  %above = add i64 %place, 1
  %next = urem i64 %above, $blocks
  store i64 %next, ptr @oldest
  %old = word ptr @blocks, %place
  %is.empty = icmp eq ptr %old, null
  br i1 %is.empty, label %again, label %drop
drop:
  %old.size = load i64, ptr %old
  %less = sub i64 %kept, %old.size
  store i64 %less, ptr @kept
  word ptr null, @blocks, %place
  call void @away(ptr %old)
  br label %again
again:
  br label %make.room
}

define i64 @irflow_kept() {
  %kept = load i64, ptr @kept
  ret i64 %kept
}
"""
