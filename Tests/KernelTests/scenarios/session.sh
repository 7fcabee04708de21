# SPDX-License-Identifier: Apache-2.0
# What every scenario is made of: start a trace and wait until its probes are attached, provoke, end
# the trace. Each leaves NAME.json, NAME.err and NAME.status; provocations leave NAME.provoke.json.
# The host prepends MODE (auto, kprobe or sentinel), perhaps SOURCE, and this file to the scenario.
case $MODE in
    sentinel) depth= ;;
    *) depth="--full --attach $MODE" ;;
esac
depth="$depth${SOURCE:+ --source $SOURCE}"

# Debian has no such programs.
command -v usleep > /dev/null || usleep() { /job/busybox usleep "$1"; }
command -v modprobe > /dev/null || modprobe() { /job/busybox modprobe "$@"; }

# start_trace NAME OPTION...
start_trace() {
    trace=$1
    shift
    futexscope trace -f json -o "$trace.json" --ready-file "/tmp/$trace.ready" $depth "$@" 2> "$trace.err" &
    tracer=$!
    until [ -e "/tmp/$trace.ready" ]; do
        if ! kill -0 "$tracer" 2> /dev/null; then
            wait "$tracer"
            echo $? > "$trace.status"
            echo "trace $trace did not start: $(tail -n 1 "$trace.err")" >&2
            return 1
        fi
        usleep 100000
    done
}

# end_trace: Ctrl-C, and how long it takes to go
end_trace() {
    kill -INT "$tracer"
    begin=$(cut -d' ' -f1 /proc/uptime)
    wait "$tracer"
    echo $? > "$trace.status"
    echo "$begin $(cut -d' ' -f1 /proc/uptime)" > "$trace.end"
}

# provoke NAME CAUSE OPTION...
provoke() {
    name=$1
    shift
    futexscope provoke "$@" -f json > "$name.provoke.json" 2> "$name.provoke.err"
    echo $? > "$name.provoke.status"
}

# find_victim: waits for a provocation's victim, sets $victim to its process and writes victim.pid
find_victim() {
    victim=
    until [ "$victim" ]; do
        usleep 50000
        victim=$(grep -l -x provoke-victim /proc/[0-9]*/comm 2> /dev/null | head -n 1 | cut -d/ -f3)
    done
    echo "$victim" > victim.pid
}

# left_behind: what is in tracefs of any run or recipe
left_behind() {
    ls -d /sys/kernel/tracing/events/futexscope* /sys/kernel/tracing/instances/* 2> /dev/null
    cat /sys/kernel/tracing/dynamic_events
    grep -l 1 /sys/kernel/tracing/events/*/*/enable || true
}
