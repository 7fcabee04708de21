# SPDX-License-Identifier: Apache-2.0
# Counters and filters: a known number of calls gives that number, and a filter lets through what it
# names and nothing else. A filter on the victim must not hide the culprit.

# filtered NAME OPTION...: a thousand zero-page waits under a filter
filtered() {
    start_trace "$@" || return
    provoke "$1" zero-page --calls 1000
    end_trace
}

start_trace ordinary -n provoke-victim || exit
provoke ordinary ordinary --calls 23 --path /mnt/tmpfs
end_trace

filtered comm -n provoke-victim
filtered other-comm -n provoke-victi
filtered uid -u 0
filtered other-uid -u 4711
filtered result --result EFAULT
filtered other-result --result ok
filtered passes --min-passes 2
filtered count -N 7

mkdir /sys/fs/cgroup/wanted /sys/fs/cgroup/wanted/below /sys/fs/cgroup/other
echo $$ > /sys/fs/cgroup/wanted/below/cgroup.procs
filtered cgroup -c /wanted
filtered other-cgroup -c /other
echo $$ > /sys/fs/cgroup/cgroup.procs

# A victim that lives until both traces have ended: how long a trace takes to start depends on the machine.
futexscope provoke hole-punch -d 10m --path /mnt/tmpfs > /dev/null 2>&1 &
provocation=$!
find_victim

start_trace pid -p "$victim" -N 5
wait "$tracer"
echo $? > pid.status
start_trace other-pid -p $$
usleep 500000
end_trace
kill "$provocation"
wait

# A trace of one task ends with it.
for option in -p -t; do
    sleep 5 &
    sleeper=$!
    start_trace "ended$option" $option $sleeper || continue
    wait "$tracer"
    echo $? > "ended$option.status"
    echo "$sleeper" > "ended$option.pid"
done
wait

# The tracer dies as hard as it can: nothing of it may stay in the kernel.
programs() { grep -c -E 'bpf_prog_[0-9a-f]+_(lookup|pin|unlock|detach)' /proc/kallsyms; }
hooked() { cat /sys/kernel/tracing/enabled_functions /sys/kernel/debug/kprobes/list 2> /dev/null | grep -c get_futex_key; }
start_trace killed || exit
echo "$(programs) $(hooked)" > killed.while
kill -9 "$tracer"
wait "$tracer"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$(programs) $(hooked)" = "0 0" ] && break
    usleep 250000
done
echo "$(programs) $(hooked)" > killed.after
ls /sys/fs/bpf > killed.pinned

# Bad input, one line each and the right exit code.
bad() {
    name=$1
    shift
    futexscope trace "$@" > "bad-$name.out" 2> "bad-$name.err"
    echo $? > "bad-$name.status"
}
bad pid -p 4194304
bad ring --ring-size 12345
bad option --no-such-option
bad cgroup -c /no/such/group
: > in-the-way
bad output -o in-the-way
bad ready --ready-file in-the-way
{ futexscope trace -f json --all 2> closed.err; echo $? > closed.status; } | true &
closing=$!
until grep -q tracing closed.err; do usleep 100000; done
provoke closed zero-page --calls 100
wait "$closing"

futexscope doctor -f json > doctor.json 2> doctor.err
echo $? > doctor.status
