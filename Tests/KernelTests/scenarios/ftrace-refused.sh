# SPDX-License-Identifier: Apache-2.0
# Hosts on which neither BPF nor tracefs can be used, or not as asked for: each says why in one line, and nothing is left.

# refusal NAME COMMAND...: runs a trace through COMMAND
refusal() {
    name=$1
    shift
    "$@" > "$name.out" 2> "$name.err"
    echo $? > "$name.status"
    { ls /sys/kernel/tracing/instances; grep futexscope /sys/kernel/tracing/dynamic_events; } > "$name.left" 2> /dev/null
}

trace="futexscope trace --source ftrace -d 1"
echo 'nobody:x:65534:65534::/:/bin/sh' > /etc/passwd
refusal nobody su -s /bin/sh nobody -c "$trace"
refusal user $trace -u 1000
refusal attach $trace --attach kprobe
refusal both nobpf futexscope trace -d 1 -u 1000
refusal large $trace --ring-size 2G
# The name is that of the process, which the shell has before it becomes the trace.
cat > taken.sh <<'S'
start=$(cut -d')' -f2 /proc/$$/stat | cut -d' ' -f21)
mkdir "/sys/kernel/tracing/instances/futexscope_$$_$start"
exec futexscope trace --source ftrace -d 1
S
refusal taken sh taken.sh
rmdir /sys/kernel/tracing/instances/*
# Without BTF, and without what shows the flags of pages.
mkdir /tmp/nothing
mount --bind /tmp/nothing /sys/kernel/btf
mount --bind /dev/null /proc/kpageflags
refusal flagless $trace
refusal recipe futexscope doctor --ftrace-recipe
umount /proc/kpageflags
umount /sys/kernel/btf
# Numbers of processes that are not those of the host, as in a container.
refusal numbers unshare -p -f $trace -p 1
refusal clean unshare -p -f futexscope doctor --clean
echo 0 > /sys/kernel/debug/kprobes/enabled
refusal kprobes $trace
echo 1 > /sys/kernel/debug/kprobes/enabled
futexscope doctor --ftrace-recipe > recipe.sh
refusal unmade env INSTANCE=/nothing/there sh recipe.sh start
sysctl -w kernel.kptr_restrict=2 > /dev/null
refusal hidden $trace
sysctl -w kernel.kptr_restrict=0 > /dev/null
mount -o remount,ro /sys/kernel/tracing
umount /sys/kernel/debug
refusal read-only $trace
mount -o remount,rw /sys/kernel/tracing
umount /sys/kernel/tracing
refusal unmounted $trace
mount -t tracefs nodev /sys/kernel/tracing
refusal again $trace
refusal contained unshare -p -f $trace
