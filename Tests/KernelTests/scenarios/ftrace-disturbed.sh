# SPDX-License-Identifier: Apache-2.0
# Runs with ftrace that others disturb: signals while probes are defined, a victim that dies of its failure, somebody who
# reads the run's buffer when it ends or switches its probe off, and a parent that does not wait for a killed run.

signals() {
    for delay in 0 20000 100000 300000 600000; do
        futexscope trace --source ftrace -d 30 > /dev/null 2>&1 &
        tracer=$!
        until [ "$(ls /sys/kernel/tracing/instances)" ]; do
            kill -0 "$tracer" || break
            usleep 5000
        done
        usleep "$delay"
        kill -TERM "$tracer"
        wait "$tracer"
        echo "$delay $?" >> signals.status
        left_behind >> signals.left 2>&1
    done
}

# dying NAME OPTION...: a victim that is gone when its event is read
dying() {
    name=$1
    shift
    mkfifo "$name.go"
    dies < "$name.go" > "$name.pid" &
    victim=$!
    exec 3> "$name.go"
    until [ -s "$name.pid" ]; do usleep 20000; done
    start_trace "$name" "$@" -p "$victim" || exit
    echo >&3
    exec 3>&-
    wait "$victim"
    end_trace
    rm "$name.go"
}

# reads_pipe PID: whether it has opened a buffer
reads_pipe() {
    for file in /proc/"$1"/fd/*; do
        case $(readlink "$file") in *trace_pipe) return 0 ;; esac
    done
    return 1
}

signals
dying dying
dying dying-full --full

start_trace absent || exit
cat /sys/devices/system/cpu/online /sys/devices/system/cpu/possible > absent.processors
cat /sys/kernel/tracing/instances/*/buffer_size_kb > absent.size
provoke absent-zero-page zero-page --calls 20
usleep 2000000
grep ctxt /proc/"$tracer"/status > absent.switches
cat /sys/kernel/tracing/instances/*/trace_pipe > /dev/null &
reader=$!
until reads_pipe "$reader"; do usleep 20000; done
end_trace
cat /sys/kernel/debug/kprobes/list > read.kprobes
ls /sys/kernel/tracing/instances > read.instances
kill "$reader"
wait "$reader"
futexscope doctor --clean 2> read.err
left_behind > read.left 2>&1

start_trace off || exit
for file in /sys/kernel/tracing/instances/*/events/futexscope_*/fs_unlock/enable; do echo 0 > "$file"; done
end_trace

# What this shell becomes does not ask for its child's status.
sh -c 'futexscope trace --source ftrace --ready-file /tmp/zombie.ready > /dev/null 2>&1 &
    echo $! > zombie.pid
    exec sleep 1000' &
parent=$!
until [ -e /tmp/zombie.ready ]; do usleep 100000; done
kill -KILL "$(cat zombie.pid)"
until grep -q '^State:.Z' "/proc/$(cat zombie.pid)/status"; do usleep 20000; done
ls /sys/kernel/tracing/instances > zombie.instances
futexscope doctor --clean 2> zombie.err
left_behind > zombie.left 2>&1
kill "$parent"
wait "$parent" || true
