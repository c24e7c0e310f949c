// What the shims of one node are told, and what they count: a page of a file that both sides map.
// `control.py` has the same fields in the same order.
#ifndef CHAOS_CONTROL_H
#define CHAOS_CONTROL_H
#include <stdatomic.h>
#include <stdint.h>

struct control {
  _Atomic int64_t clock_offset_ns;  // added to the time of day
  _Atomic int64_t sync_delay_us;    // how long every sync takes longer
  _Atomic int64_t sync_error;       // errno of every sync, 0 for none
  _Atomic int64_t write_error;      // errno of whatever changes a file or a directory, 0 for none
  _Atomic int64_t sync_lies;        // 1: a sync says that it has succeeded, and does nothing
  _Atomic int64_t clock_reads;      // counts, so that one can see that the shim is in the way
  _Atomic int64_t syncs;
  _Atomic int64_t writes;
  _Atomic int64_t strangers;        // calls that change files in a way that the undo journal does not know
};

// The page; one of zeroes when CHAOS_CONTROL names none.
extern struct control *control;
#endif
