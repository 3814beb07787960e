"""The part of the built-in functions' code that takes arguments and calls, in the notation of
`builtin_text`.
"""

ARGUMENTS = """
define ptr @irflow_call(ptr %self, ptr %arguments, i64 %given) uwtable {
entry:
  %table = byte ptr %self, $array_data
  %count = word i64 %table, $table_count
  %fits = icmp eq i64 %count, %given
  br i1 %fits, label %begin, label %other
begin:
  %free = word ptr %table, $table_frames
  %is.none = icmp eq ptr %free, null
  br i1 %is.none, label %grow, label %pop
grow:
  %more = word ptr %table, $table_more
  %made = call ptr @frame(ptr %more)
  %failed.frame = icmp eq ptr %made, null
  br i1 %failed.frame, label %no.frame, label %start
no.frame:
  ret ptr null
pop:
  %next = word ptr %free, $frame_next
  word ptr %next, %table, $table_frames
  br label %start
start:
  %frame = phi ptr [ %made, %grow ], [ %free, %pop ]
  word i64 0, %frame, $frame_held
  word i64 0, %frame, $frame_given
  %parts = word ptr %table, $table_arguments
  br label %each
each:
  %i = phi i64 [ 0, %start ], [ %i.next, %one ]
  %is.more = icmp slt i64 %i, %count
  br i1 %is.more, label %one, label %make
one:
  %object = word ptr %arguments, %i
  %part = word ptr %parts, %i
  %agrees = call i1 @matches(ptr %table, ptr %frame, ptr %object, ptr %part)
  %i.next = add nuw nsw i64 %i, 1
  br i1 %agrees, label %each, label %mismatch
mismatch:
  call void @done(ptr %table, ptr %frame)
  br label %other
other:
  %answer = word ptr %table, $table_other
  call void @Py_IncRef(ptr %answer)
  ret ptr %answer

make:
  %result = call ptr @results(ptr %table, ptr %frame)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %end, label %run
run:
  call void @give.away(ptr %table, ptr %frame)
  %entry.point = word ptr %table, $table_entry
  %pointers = word ptr %frame, $frame_pointers
  %sizes = word ptr %frame, $frame_sizes
  %releases = word i64 %table, $table_releases
  %is.long = icmp ne i64 %releases, 0
  br i1 %is.long, label %long, label %short
long:
  %thread = call ptr @PyEval_SaveThread()
  call void %entry.point(ptr %pointers, ptr %sizes)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %end
short:
  call void %entry.point(ptr %pointers, ptr %sizes)
  br label %end
end:
  call void @done(ptr %table, ptr %frame)
  ret ptr %result
}

; For the test of all this: adds the three numbers of buffer 0 to themselves, into buffer 1.
define void @irflow_probe(ptr %buffers, ptr %sizes) {
  %from = load ptr, ptr %buffers
  %to = word ptr %buffers, 1
  %numbers = load <3 x i64>, ptr %from, align 8
  %twice = add <3 x i64> %numbers, %numbers
  store <3 x i64> %twice, ptr %to, align 8
  ret void
}

define internal ptr @frame(ptr %more) uwtable {
entry:
  %number = call ptr @PyObject_CallNoArgs(ptr %more)
  %failed = icmp eq ptr %number, null
  br i1 %failed, label %stop, label %convert
convert:
  %frame = call ptr @PyLong_AsVoidPtr(ptr %number)
  call void @Py_DecRef(ptr %number)
  br label %stop
stop:
  %found = phi ptr [ null, %entry ], [ %frame, %convert ]
  ret ptr %found
}

; From here on, nobody reads the memory that results may take.
define internal void @give.away(ptr %table, ptr %frame) uwtable {
entry:
  %given = word i64 %frame, $frame_given
  %changes = word ptr %frame, $frame_changes
  %data.at = word i64 %table, $table_data
  %slots = word ptr %table, $table_slots
  %slot.count = word i64 %table, $table_slot_count
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %i.next, %slot.end ]
  %is.more = icmp slt i64 %i, %given
  br i1 %is.more, label %one, label %end
one:
  %handle = word ptr %changes, %i
  %i.model = add nuw nsw i64 %i, 1
  %model = word ptr %changes, %i.model
  %i.next = add nuw nsw i64 %i, 2
  call void @change(ptr %handle, ptr %model, i64 %data.at)
  br label %slot
slot:
  %s = phi i64 [ 0, %one ], [ %s.next, %slot.change ]
  %is.slot = icmp slt i64 %s, %slot.count
  br i1 %is.slot, label %slot.change, label %slot.end
slot.change:
  %at = word i64 %slots, %s
  call void @change(ptr %handle, ptr %model, i64 %at)
  %s.next = add nuw nsw i64 %s, 1
  br label %slot
slot.end:
  br label %each
end:
  ret void
}

define internal void @change(ptr %handle, ptr %model, i64 %at) uwtable {
  %new = byte ptr %model, %at
  %old = byte ptr %handle, %at
  call void @Py_IncRef(ptr %new)
  byte ptr %new, %handle, %at
  call void @Py_DecRef(ptr %old)
  ret void
}

define internal void @done(ptr %table, ptr %frame) uwtable {
entry:
  %held = word i64 %frame, $frame_held
  %arrays = word ptr %frame, $frame_arrays
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %drop ]
  %is.more = icmp slt i64 %i, %held
  br i1 %is.more, label %drop, label %handles
drop:
  %array = word ptr %arrays, %i
  call void @Py_DecRef(ptr %array)
  %i.next = add nuw nsw i64 %i, 1
  br label %loop
handles:
  %given = word i64 %frame, $frame_given
  %changes = word ptr %frame, $frame_changes
  br label %look
look:
  %g = phi i64 [ 0, %handles ], [ %g.next, %drop.handle ]
  %is.handle = icmp slt i64 %g, %given
  br i1 %is.handle, label %drop.handle, label %give.back
drop.handle:
  %handle = word ptr %changes, %g
  call void @Py_DecRef(ptr %handle)
  %g.next = add nuw nsw i64 %g, 2
  br label %look
give.back:
  %next = word ptr %table, $table_frames
  word ptr %next, %frame, $frame_next
  word ptr %frame, %table, $table_frames
  ret void
}

define internal i1 @matches(ptr %table, ptr %frame, ptr %object, ptr %part) uwtable {
entry:
  %kind = word i64 %part, $part_kind
  %class = byte ptr %object, $array_class
  %wanted = word ptr %part, $part_class
  %count = word i64 %part, $part_count
  %parts = word ptr %part, $part_parts
  switch i64 %kind, label %container [
    i64 $kind_leaf, label %leaf
    i64 $kind_none, label %none
    i64 $kind_bool, label %scalar
    i64 $kind_i64, label %scalar
    i64 $kind_i32, label %scalar
    i64 $kind_f64, label %scalar
    i64 $kind_f32, label %scalar
  ]
none:
  %is.it = icmp eq ptr %object, %wanted
  ret i1 %is.it
no:
  ret i1 false

leaf:
  %array.class = word ptr %table, $table_array
  %is.array = icmp eq ptr %class, %array.class
  br i1 %is.array, label %bare, label %handle
bare:
  %strong = word ptr %table, $table_strong
  br label %array
handle:
  %handle.class = word ptr %table, $table_handle
  %is.handle = icmp eq ptr %class, %handle.class
  br i1 %is.handle, label %open, label %no
open:
  %data.at = word i64 %table, $table_data
  %weak.at = word i64 %table, $table_weak
  %inside = byte ptr %object, %data.at
  %weak.inside = byte ptr %object, %weak.at
  %is.set = icmp ne ptr %inside, null
  br i1 %is.set, label %look, label %no
look:
  %class.inside = byte ptr %inside, $array_class
  %holds.array = icmp eq ptr %class.inside, %array.class
  br i1 %holds.array, label %array, label %no
array:
  %data = phi ptr [ %object, %bare ], [ %inside, %look ]
  %weak = phi ptr [ %strong, %bare ], [ %weak.inside, %look ]
  %weak.wanted = word ptr %part, $part_weak
  %same.weak = icmp eq ptr %weak, %weak.wanted
  %dtype = byte ptr %data, $array_dtype
  %dtype.wanted = word ptr %part, $part_dtype
  %same.dtype = icmp eq ptr %dtype, %dtype.wanted
  %flags = byte i32 %data, $array_flags
  %order = and i32 %flags, 257
  %in.order = icmp eq i32 %order, 257
  %rank = byte i32 %data, $array_rank
  %rank.wanted = word i32 %part, $part_rank
  %same.rank = icmp eq i32 %rank, %rank.wanted
  %one = and i1 %same.weak, %same.dtype
  %two = and i1 %in.order, %same.rank
  %so.far = and i1 %one, %two
  br i1 %so.far, label %shape, label %no
shape:
  %sizes = byte ptr %data, $array_shape
  %sizes.wanted = word ptr %part, $part_shape
  %axes = zext i32 %rank to i64
  br label %axis
axis:
  %a = phi i64 [ 0, %shape ], [ %a.next, %size ]
  %is.axis = icmp slt i64 %a, %axes
  br i1 %is.axis, label %size, label %hold
size:
  %is = word i64 %sizes, %a
  %should = word i64 %sizes.wanted, %a
  %same.size = icmp eq i64 %is, %should
  %a.next = add nuw nsw i64 %a, 1
  br i1 %same.size, label %axis, label %no
hold:
  call void @Py_IncRef(ptr %data)
  %arrays = word ptr %frame, $frame_arrays
  %held = word i64 %frame, $frame_held
  word ptr %data, %arrays, %held
  %held.next = add nuw nsw i64 %held, 1
  word i64 %held.next, %frame, $frame_held
  %elements = byte ptr %data, $array_data
  %pointers = word ptr %frame, $frame_pointers
  %number = word i64 %part, $part_number
  word ptr %elements, %pointers, %number
  %gone = word ptr %part, $part_gone
  %stays = icmp eq ptr %gone, null
  %is.kept = or i1 %stays, %is.array
  %array.lent = select i1 %is.kept, ptr null, ptr %data
  %place = word i64 %part, $part_place
  %lent = word ptr %frame, $frame_lent
  word ptr %array.lent, %lent, %place
  br i1 %is.kept, label %taken, label %give
taken:
  ret i1 true
give:
  call void @Py_IncRef(ptr %object)
  %changes = word ptr %frame, $frame_changes
  %given = word i64 %frame, $frame_given
  word ptr %object, %changes, %given
  %given.model = add nuw nsw i64 %given, 1
  word ptr %gone, %changes, %given.model
  %given.next = add nuw nsw i64 %given, 2
  word i64 %given.next, %frame, $frame_given
  br label %taken

scalar:
  %same.number = icmp eq ptr %class, %wanted
  br i1 %same.number, label %convert, label %no
convert:
  %agrees.number = call i1 @number(ptr %frame, ptr %object, ptr %part)
  ret i1 %agrees.number

container:
  %same.class = icmp eq ptr %class, %wanted
  br i1 %same.class, label %measure, label %no
measure:
  switch i64 %kind, label %measure.tuple [
    i64 $kind_list, label %measure.list
    i64 $kind_dict, label %measure.dict
    i64 $kind_dataclass, label %each
  ]
measure.tuple:
  %length.tuple = call i64 @PyTuple_Size(ptr %object)
  br label %measured
measure.list:
  %length.list = call i64 @PyList_Size(ptr %object)
  br label %measured
measure.dict:
  %length.dict = call i64 @PyDict_Size(ptr %object)
  br label %measured
measured:
  %length = phi i64 [ %length.tuple, %measure.tuple ], [ %length.list, %measure.list ],
                    [ %length.dict, %measure.dict ]
  %same.length = icmp eq i64 %length, %count
  br i1 %same.length, label %each, label %no
each:
  %i = phi i64 [ 0, %measure ], [ 0, %measured ], [ %i.next, %next ]
  %is.more = icmp slt i64 %i, %count
  br i1 %is.more, label %get, label %yes
yes:
  ret i1 true
get:
  %keys = word ptr %part, $part_keys
  %key = word ptr %keys, %i
  switch i64 %kind, label %get.tuple [
    i64 $kind_list, label %get.list
    i64 $kind_dict, label %get.dict
    i64 $kind_dataclass, label %get.field
  ]
get.field:
  %field = call ptr @PyObject_GetAttr(ptr %object, ptr %key)
  %is.no.field = icmp eq ptr %field, null
  br i1 %is.no.field, label %missing, label %inner
get.tuple:
  %item.tuple = call ptr @PyTuple_GetItem(ptr %object, i64 %i)
  br label %got
get.list:
  %item.list = call ptr @PyList_GetItem(ptr %object, i64 %i)
  br label %got
get.dict:
  %item.dict = call ptr @PyDict_GetItemWithError(ptr %object, ptr %key)
  br label %got
got:
  %item = phi ptr [ %item.tuple, %get.tuple ], [ %item.list, %get.list ],
                  [ %item.dict, %get.dict ]
  %is.missing = icmp eq ptr %item, null
  br i1 %is.missing, label %missing, label %keep
missing:
  call void @PyErr_Clear()
  ret i1 false
keep:
  call void @Py_IncRef(ptr %item)
  br label %inner
inner:
  %owned = phi ptr [ %field, %get.field ], [ %item, %keep ]
  %inner.part = word ptr %parts, %i
  %agrees = call i1 @matches(ptr %table, ptr %frame, ptr %owned, ptr %inner.part)
  call void @Py_DecRef(ptr %owned)
  br label %next
next:
  %i.next = add nuw nsw i64 %i, 1
  br i1 %agrees, label %each, label %no
}

define internal i1 @number(ptr %frame, ptr %object, ptr %part) uwtable {
entry:
  %overflow = alloca i32
  %rooms = word ptr %frame, $frame_numbers
  %place = word i64 %part, $part_place
  %lent = word ptr %frame, $frame_lent
  word ptr null, %lent, %place
  %room = getelementptr i64, ptr %rooms, i64 %place
  %pointers = word ptr %frame, $frame_pointers
  %number = word i64 %part, $part_number
  word ptr %room, %pointers, %number
  %kind = word i64 %part, $part_kind
  switch i64 %kind, label %integer [
    i64 $kind_f64, label %float
    i64 $kind_f32, label %float
  ]
float:
  %exact = call double @PyFloat_AsDouble(ptr %object)
  %is.double = icmp eq i64 %kind, $kind_f64
  br i1 %is.double, label %double, label %single
double:
  store double %exact, ptr %room
  ret i1 true
single:
  %rounded = fptrunc double %exact to float
  store float %rounded, ptr %room
  ret i1 true
integer:
  %value = call i64 @PyLong_AsLongLongAndOverflow(ptr %object, ptr %overflow)
  store i64 %value, ptr %room
  %over = load i32, ptr %overflow
  %is.within = icmp eq i32 %over, 0
  %low = trunc i64 %value to i32
  %again = sext i32 %low to i64
  %is.short = icmp eq i64 %again, %value
  %is.any = icmp ne i64 %kind, $kind_i32
  %fits = or i1 %is.short, %is.any
  %agrees = and i1 %is.within, %fits
  ret i1 %agrees
}
"""
