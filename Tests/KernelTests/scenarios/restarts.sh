# SPDX-License-Identifier: Apache-2.0
# Starts, stops and kills at random moments, under load and with little memory left, for RESTART_SECONDS. Nothing of
# a tracer may stay: no program, no hook, no pinned object, no process, and no warning of the kernel. With HOTPLUG=1
# a CPU goes and comes meanwhile. SEED, RESTART_SECONDS and HOTPLUG come from the host.
dmesg -n 1
random_state=$SEED
random() {
    random_state=$(((random_state * 1103515245 + 12345) % 2147483648))
    value=$((random_state / 65536 % $1))
}
programs() { grep -c -E 'bpf_prog_[0-9a-f]+_(lookup|pin|unlock|detach)' /proc/kallsyms; }
hooked() { cat /sys/kernel/tracing/enabled_functions /sys/kernel/debug/kprobes/list 2> /dev/null | grep -c -v '^$'; }

echo "$(programs) $(hooked)" > restarts.before
futexscope provoke hole-punch -d "$RESTART_SECONDS" --path /mnt/tmpfs > /dev/null 2>&1 &
futexscope provoke direct-io-invalidation -d "$RESTART_SECONDS" --path /mnt/ext4 > /dev/null 2>&1 &
futexscope provoke truncate -d "$RESTART_SECONDS" --path /mnt/ext4 > /dev/null 2>&1 &
# Less memory than the files that are read again and again: reclaim goes on all the time.
dd if=/dev/zero of=/mnt/ext4/ballast bs=1M count=200 2> /dev/null
{
    end=$(($(date +%s) + RESTART_SECONDS))
    while [ "$(date +%s)" -lt $end ]; do cat /mnt/ext4/ballast > /dev/null; done
} &
if [ "$HOTPLUG" = 1 ]; then
    end=$(($(date +%s) + RESTART_SECONDS))
    while [ "$(date +%s)" -lt $end ]; do
        echo 0 > /sys/devices/system/cpu/cpu1/online && echo gone >> restarts.cpu
        usleep 700000
        echo 1 > /sys/devices/system/cpu/cpu1/online
        usleep 1300000
    done &
fi
end=$(($(date +%s) + RESTART_SECONDS))
: > restarts.cycles
while [ "$(date +%s)" -lt $end ]; do
    random 4
    case $value in
    0) options= ;;
    1) options=--full ;;
    2) options='--full --attach kprobe' ;;
    3) options='--all --ring-size 65536' ;;
    esac
    # shellcheck disable=SC2086 # a list of options
    futexscope trace -f json $options > /dev/null 2> restarts.err &
    tracer=$!
    random 2500
    usleep $((value * 1000))
    random 3
    case $value in
    0) signal=INT ;;
    1) signal=TERM ;;
    2) signal=KILL ;;
    esac
    kill -$signal $tracer
    # A shell starts what is in the background with SIGINT ignored: one that comes before the tracer asks for it is lost.
    while [ $signal = INT ] && usleep 500000 && kill -INT $tracer 2> /dev/null; do :; done
    wait $tracer
    echo "$signal $?" >> restarts.cycles
done
wait
# The kernel lets go of a killed tracer's functions one after the other.
tries=0
until [ "$(programs) $(hooked)" = "$(cat restarts.before)" ] || [ $tries = 240 ]; do
    usleep 250000
    tries=$((tries + 1))
done
echo "$(programs) $(hooked)" > restarts.after
ls /sys/fs/bpf > restarts.pinned
pidof futexscope > restarts.processes
dmesg | grep -E 'WARNING|BUG|Oops|Call Trace|blocked for more' > restarts.warnings
true
