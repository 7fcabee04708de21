#!/bin/sh
# Records the events that futexscope needs to explain futex lookups later.
# Made for the kernel 6.12.0-test and valid for that kernel alone. Its offsets are from its BTF.
# As root:
#   sh FILE start              defines the events and begins to record
#   sh FILE save TEXT          ends the recording and writes it to a file
#   sh FILE stop               removes everything that was defined
#   sh FILE trace-cmd OPTION…  or with trace-cmd, which records until Ctrl-C (or for COMMAND…)
# INSTANCE=/sys/kernel/tracing records into the main buffer, the one that ftrace_dump_on_oops and
# SysRq-z print on the console. BUFFER_KB is the room on each CPU.
tracing=/sys/kernel/tracing
instance=${INSTANCE:-$tracing/instances/futexscope}
size=${BUFFER_KB:-8192}
release='6.12.0-test'
missing=

define_all() {
    define fs_lookup \
        'p:futexscope/fs_lookup get_futex_key uaddr=$arg1:x64 flags=$arg2:x32 write=$arg4:u32'
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
        'p:futexscope/fs_unlock folio_unlock page=$arg1:x64 mapping=+24($arg1):x64 reserved=+0($arg1):b1@13/64 swapcache=+0($arg1):b1@10/64 swapbacked=+0($arg1):b1@17/64 large=+0($arg1):b1@6/64 order=+64($arg1):u8 caller=+0($stack):symbol base=@vmemmap_base:x64 zero=@zero_pfn:x64 hugezero=@huge_zero_pfn:x64' \
        'p:futexscope/fs_unlock folio_unlock page=$arg1:x64 mapping=+24($arg1):x64 reserved=+0($arg1):b1@13/64 swapcache=+0($arg1):b1@10/64 swapbacked=+0($arg1):b1@17/64 large=+0($arg1):b1@6/64 order=+64($arg1):u8 caller=+0($stack):symbol'
    define fs_detach \
        't:futexscope/fs_detach mm_filemap_delete_from_page_cache page=$arg1:x64 index=+32($arg1):u64 references=+52($arg1):s32 dev=+16(+40(+0(+24($arg1)))):u32 inode=+64(+0(+24($arg1))):u64 size=+80(+0(+24($arg1))):s64 magic=+96(+40(+0(+24($arg1)))):x32 large=+0($arg1):b1@6/64 order=+64($arg1):u8' \
        'p:futexscope/fs_detach filemap_unaccount_folio page=$arg2:x64 index=+32($arg2):u64 references=+52($arg2):s32 dev=+16(+40(+0(+24($arg2)))):u32 inode=+64(+0(+24($arg2))):u64 size=+80(+0(+24($arg2))):s64 magic=+96(+40(+0(+24($arg2)))):x32 large=+0($arg2):b1@6/64 order=+64($arg2):u8'
    define fs_in_vfs_fallocate \
        'p:futexscope/fs_in_vfs_fallocate vfs_fallocate mode=$arg2:x32 offset=$arg3:s64 length=$arg4:s64'
    define fs_out_vfs_fallocate \
        'r512:futexscope/fs_out_vfs_fallocate vfs_fallocate'
    define fs_in_do_truncate \
        'p:futexscope/fs_in_do_truncate do_truncate.isra.0'
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

argue() {
    [ -d "$tracing/events/$1/$2" ] || return 0
    arguments="$arguments -e $1:$2"
    [ -z "$3" ] || arguments="$arguments -f '$3'"
    [ -z "$4" ] || arguments="$arguments -R '$4'"
}

start() {
    prepare
    [ -d "$instance" ] || mkdir "$instance" || { undefine; exit 1; }
    echo 0 > "$instance/tracing_on"
    echo mono > "$instance/trace_clock"
    echo "$size" > "$instance/buffer_size_kb"
    echo > "$instance/trace"
    echo 1 > "$instance/options/record-tgid"
    find_ranges
    all_events enable
    echo 1 > "$instance/tracing_on"
    [ -z "$missing" ] || echo "this kernel refuses these events: ${missing#,}" >&2
}

case $1 in
start) start ;;
save)
    [ -n "$2" ] || { echo "save needs the name of the text to write" >&2; exit 64; }
    [ -d "$instance" ] || { echo "nothing is recorded in $instance: run start first" >&2; exit 1; }
    { mark && cat "$instance/trace"; } > "$2"
    ;;
stop)
    if [ -d "$instance" ]; then
        find_ranges
        all_events disable
        [ "$instance" = "$tracing" ] || rmdir "$instance"
    fi
    undefine
    ;;
trace-cmd)
    shift
    prepare
    find_ranges
    arguments=
    all_events argue
    # Ctrl-C is for trace-cmd.
    trap : INT TERM
    eval "trace-cmd record -C mono -b $size $arguments \"\$@\""
    status=$?
    instance=$tracing
    all_events disable
    undefine
    exit $status
    ;;
*) sed -n '2,/^tracing=/s/^# *//p' "$0" >&2; exit 64 ;;
esac
