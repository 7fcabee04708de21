#!/bin/sh
# Records the events that futexscope needs to explain futex lookups later.
# Made for the kernel 6.12.0-test and valid for that kernel alone. Its offsets are from its BTF.
# As root:
#   sh FILE boot               prints what the kernel's command line needs
#   sh FILE save TEXT          after a reset: writes what the last boot recorded; before the next start
#   sh FILE start              defines the events and begins to record; discards older events
#   sh FILE stop               ends the recording and removes the events
# BUFFER_KB is the room on each CPU for `boot`. STATE is a file that survives the reset.
tracing=/sys/kernel/tracing
instance=$tracing/instances/futexscope
size=${BUFFER_KB:-8192}
state=${STATE:-/var/lib/futexscope.last-boot}
release='6.12.0-test'
missing=

define_all() {
    define fs_lookup \
        'p:futexscope/fs_lookup get_futex_key uaddr=$arg1:x64 flags=$arg2:x32 write=$arg4:u32 comm=$comm:string'
    define fs_lookup_return \
        'r512:futexscope/fs_lookup_return get_futex_key ret=$retval:s32 flags=$arg2:x32' \
        'r512:futexscope/fs_lookup_return get_futex_key ret=$retval:s32'
    define fs_pin \
        'p:futexscope/fs_pin get_user_pages_fast address=$arg1:x64 count=$arg2:s32 flags=$arg3:x32'
    define fs_pin_return \
        'r512:futexscope/fs_pin_return get_user_pages_fast ret=$retval:s32 page=+0($arg4):x64 mapping=+24(+0($arg4)):x64' \
        'r512:futexscope/fs_pin_return get_user_pages_fast ret=$retval:s32'
    define fs_lock_wait \
        'p:futexscope/fs_lock_wait __folio_lock page=$arg1:x64'
    define fs_unlock \
        'p:futexscope/fs_unlock folio_unlock page=$arg1:x64 mapping=+24($arg1):x64 reserved=+0($arg1):b1@13/64 swapcache=+0($arg1):b1@10/64 swapbacked=+0($arg1):b1@17/64 large=+0($arg1):b1@6/64 order=+64($arg1):u8 caller=+0($stack):symbol base=@vmemmap_base:x64 zero=@zero_pfn:x64 hugezero=@huge_zero_pfn:x64 comm=$comm:string' \
        'p:futexscope/fs_unlock folio_unlock page=$arg1:x64 mapping=+24($arg1):x64 reserved=+0($arg1):b1@13/64 swapcache=+0($arg1):b1@10/64 swapbacked=+0($arg1):b1@17/64 large=+0($arg1):b1@6/64 order=+64($arg1):u8 caller=+0($stack):symbol comm=$comm:string'
    define fs_detach \
        't:futexscope/fs_detach mm_filemap_delete_from_page_cache page=$arg1:x64 index=+32($arg1):u64 references=+52($arg1):s32 dev=+16(+40(+0(+24($arg1)))):u32 inode=+64(+0(+24($arg1))):u64 size=+80(+0(+24($arg1))):s64 magic=+96(+40(+0(+24($arg1)))):x32 large=+0($arg1):b1@6/64 order=+64($arg1):u8 comm=$comm:string' \
        'p:futexscope/fs_detach filemap_unaccount_folio page=$arg2:x64 index=+32($arg2):u64 references=+52($arg2):s32 dev=+16(+40(+0(+24($arg2)))):u32 inode=+64(+0(+24($arg2))):u64 size=+80(+0(+24($arg2))):s64 magic=+96(+40(+0(+24($arg2)))):x32 large=+0($arg2):b1@6/64 order=+64($arg2):u8 comm=$comm:string'
    define fs_in_vfs_fallocate \
        'p:futexscope/fs_in_vfs_fallocate vfs_fallocate mode=$arg2:x32 offset=$arg3:s64 length=$arg4:s64 comm=$comm:string'
    define fs_out_vfs_fallocate \
        'r512:futexscope/fs_out_vfs_fallocate vfs_fallocate'
    define fs_in_do_truncate \
        'p:futexscope/fs_in_do_truncate do_truncate.isra.0 comm=$comm:string'
    define fs_out_do_truncate \
        'r512:futexscope/fs_out_do_truncate do_truncate.isra.0'
}

# Calls $1 with system, event, filter and trigger of each event.
all_events() {
    "$1" futexscope fs_lookup "flags & 0x10"
    "$1" futexscope fs_lookup_return "${has_return_flags:+flags & 0x10}"
    "$1" futexscope fs_pin "count == 1"
    "$1" futexscope fs_pin_return "${return_range}"
    "$1" futexscope fs_lock_wait
    "$1" futexscope fs_unlock "${caller_range}"
    "$1" futexscope fs_detach "references > 2" 'stacktrace if references > 2'
    "$1" futexscope fs_in_vfs_fallocate
    "$1" futexscope fs_out_vfs_fallocate
    "$1" futexscope fs_in_do_truncate
    "$1" futexscope fs_out_do_truncate
    "$1" vmscan mm_vmscan_direct_reclaim_begin
    "$1" vmscan mm_vmscan_direct_reclaim_end
    "$1" vmscan mm_vmscan_memcg_reclaim_begin
    "$1" vmscan mm_vmscan_memcg_reclaim_end
    "$1" vmscan mm_vmscan_node_reclaim_begin
    "$1" vmscan mm_vmscan_node_reclaim_end
    "$1" vmscan mm_vmscan_kswapd_wake
    "$1" vmscan mm_vmscan_kswapd_sleep
    ! has mm_filemap_delete_from_page_cache || "$1" filemap mm_filemap_delete_from_page_cache
}

fail() {
    echo "$0: $2" >&2
    exit "$1"
}

# On another kernel the offsets would be wrong, and so would all recorded values.
prepare() {
    [ "$(uname -r)" = "$release" ] || fail 77 "made for the kernel $release, and this is $(uname -r)"
    [ -w "$tracing/dynamic_events" ] || fail 77 "cannot define events: be root, with tracefs on $tracing"
    [ ! -d "$tracing/events/futexscope" ] || fail 1 "the events are defined already: stop first"
    define_all
    for name in fs_lookup fs_lookup_return fs_pin fs_pin_return fs_unlock; do
        [ -d "$tracing/events/futexscope/$name" ] || {
            undefine
            fail 1 "this kernel refuses the event $name, without which nothing can be concluded; see $tracing/error_log"
        }
    done
}

# define NAME DEFINITION…: the first one that this kernel accepts.
define() {
    name=$1
    shift
    for definition; do
        ! printf '%s\n' "$definition" >> "$tracing/dynamic_events" 2> /dev/null || return 0
    done
    missing="$missing,$name"
}

# has NAME: whether the detach has to come from this tracepoint, because there is no better event.
has() {
    [ ! -d "$tracing/events/futexscope/fs_detach" ] && [ -d "$tracing/events/filemap/$1" ]
}

# The calls that get_futex_key() makes itself, as filters; empty where addresses are hidden. And whether its return
# has the flags of the call (6.9 on).
find_ranges() {
    caller_range= return_range= has_return_flags=
    ! grep -qs ' flags;' "$tracing/events/futexscope/fs_lookup_return/format" || has_return_flags=1
    set -- $(awk 'found && $1 != found { print "0x" found, "0x" $1; exit }
        $3 == "get_futex_key" { found = $1 }' /proc/kallsyms)
    [ $# = 2 ] && [ "$1" != 0x0000000000000000 ] || return 0
    caller_range="caller >= $1 && caller < $2"
    return_range="__probe_ret_ip >= $1 && __probe_ret_ip < $2"
}

undefine() {
    [ ! -d "$tracing/events/futexscope" ] || for event in "$tracing"/events/futexscope/fs_*; do
        echo "-:futexscope/${event##*/}" >> "$tracing/dynamic_events"
    done
}

enable() {
    event=$instance/events/$1/$2
    [ -d "$event" ] || return 0
    [ -z "$3" ] || printf '%s\n' "$3" > "$event/filter"
    [ -z "$4" ] || printf '%s\n' "$4" > "$event/trigger"
    echo 1 > "$event/enable"
}

disable() {
    event=$instance/events/$1/$2
    [ -d "$event" ] || return 0
    echo 0 > "$event/enable"
    [ -z "$4" ] || printf '!%s\n' "$4" > "$event/trigger"
    [ -z "$3" ] || echo 0 > "$event/filter"
}

note() {
    [ "$1" != futexscope ] || [ -d "$tracing/events/$1/$2" ] || missing="$missing,$2"
}

# Writes the kernel and the time into an event: nothing else relates the times of the trace to a clock.
mark() {
    now=$(date +%s%N)
    case $now in *[!0-9]* | ??????????) now=$(date +%s)000000000 ;; esac
    all_events note
    echo "futexscope wall_ns=$now release=$(uname -r) host=$(uname -n) missing=${missing#,}" > "$instance/trace_marker"
    echo 0 > "$instance/tracing_on"
    grep -a 'tracing_mark_write: futexscope wall_ns=' "$instance/trace" | tail -n 1 | sed 's/^/# /'
}

boot() {
    cpus=$(sed 's/.*[-,]//' /sys/devices/system/cpu/possible)
    # Without nokaslr, functions and this memory are at other addresses in each boot.
    echo "reserve_mem=$(((cpus + 1) * size / 1024))M:2M:futexscope trace_instance=futexscope^traceoff@futexscope nokaslr"
}

find_instance() {
    [ -d "$instance" ] && grep -q 'trace_instance=futexscope[^ ]*@' /proc/cmdline ||
        fail 77 "the kernel has no such instance: boot it with $(boot)"
}

# Facts that must be the same in the next boot, or its kernel would misread the buffer.
layout() {
    for event in "$tracing"/events/futexscope/fs_*; do
        [ ! -r "$event/id" ] || echo "event ${event##*/} $(cat "$event/id")"
    done
    awk '$3 == "get_futex_key" { print "code", $1 }' /proc/kallsyms
    awk '{ print "module", $1, $6 }' /proc/modules
}

entries() {
    cat "$instance"/per_cpu/cpu*/stats | awk '/^entries:/ { sum += $2 } END { print sum + 0 }'
}

# On 7.3 the next boot does not find events that are recorded after the buffer was emptied by hand, or after a
# change of its clock, which empties it too. That kernel empties the buffer by itself at the first event; 6.12
# does not. So the clock is not changed, and only old events are removed.
start() {
    find_instance
    prepare
    before=$(entries)
    echo 1 > "$instance/tracing_on"
    first=$(mark)
    if [ "$(entries)" -gt $((before / 2)) ] && [ "$before" -gt 0 ]; then
        echo > "$instance/trace"
        echo 1 > "$instance/tracing_on"
        first=$(mark)
    fi
    { echo "$first" && layout; } > "$state" || {
        undefine
        fail 1 "cannot write $state: set STATE"
    }
    sync
    find_ranges
    all_events enable
    echo 1 > "$instance/tracing_on"
    [ -z "$missing" ] || echo "this kernel refuses these events: ${missing#,}" >&2
}

# Copies the names of tasks, which some events have, to the column of names, on all later lines of each task.
name_tasks() {
    LC_ALL=C awk '{
        head = match($0, /^ *<\.\.\.>-/) ? RLENGTH - 1 : 0
        at = index($0, " comm=\"")
        task = substr($0, head + 2) + 0
        if (at && substr($0, length($0)) == "\"") {
            if (head) names[task] = substr($0, at + 7, length($0) - at - 7)
            $0 = substr($0, 1, at - 1)
        }
        if (head && task in names) $0 = sprintf("%16s", names[task]) substr($0, head + 1)
        print
    }'
}

save() {
    find_instance
    [ -r "$state" ] || fail 1 "there is no $state, which start writes"
    prepare
    changed=$(layout | grep -vxFf "$state" | head -n 3 | tr '\n' ';')
    if [ -n "$changed" ]; then
        undefine
        fail 1 "what the last boot recorded cannot be read in this boot, because these addresses or numbers changed: $changed"
    fi
    { head -n 1 "$state" && name_tasks < "$instance/trace"; } > "$1" || {
        undefine
        fail 1 "cannot write ${1:-the text, whose name is missing}: what was recorded is still there"
    }
    undefine
}

case $1 in
boot) boot ;;
save) save "$2" ;;
start) start ;;
stop)
    find_instance
    find_ranges
    echo 0 > "$instance/tracing_on"
    all_events disable
    undefine
    ;;
*) sed -n '2,/^tracing=/s/^# *//p' "$0" >&2; exit 64 ;;
esac
