# SPDX-License-Identifier: Apache-2.0
# A kernel whose BPF is refused, and its tracefs is not: each cause is made to happen under a trace, at the default depth
# and at the full one; a trace is killed, and the next one removes what it left.
modprobe loop
mount /mnt/xfs

# start NAME OPTION...
start() {
    trace=$1
    shift
    rm -f "/tmp/$trace.ready"
    nobpf futexscope trace -f json -o "$trace.json" --ready-file "/tmp/$trace.ready" "$@" 2> "$trace.err" &
    tracer=$!
    until [ -e "/tmp/$trace.ready" ]; do
        if ! kill -0 "$tracer" 2> /dev/null; then
            wait "$tracer"
            echo $? > "$trace.status"
            return 1
        fi
        usleep 100000
    done
}

# provoke_all PREFIX
provoke_all() {
    provoke "$1-zero-page" zero-page --calls 1000
    provoke "$1-special-mapping" special-mapping --calls 200
    provoke "$1-hole-punch-tmpfs" hole-punch -d 1.5 --path /mnt/tmpfs
    provoke "$1-hole-punch-ext4" hole-punch -d 1.5 --path /mnt/ext4
    provoke "$1-truncate-tmpfs" truncate -d 1.5 --path /mnt/tmpfs
    provoke "$1-truncate-ext4" truncate -d 1.5 --path /mnt/ext4
    provoke "$1-direct-io-invalidation" direct-io-invalidation -d 3 --path /mnt/ext4
    provoke "$1-neighbour-punch-xfs" neighbour-punch -d 5 --path /mnt/xfs
    provoke "$1-hugetlb-punch" hugetlb-punch -d 1.5 --path /mnt/huge
    provoke "$1-block-zero-out" block-zero-out -d 1.5 --path /mnt/ext4
    provoke "$1-memory-failure" memory-failure -d 2 --path /mnt/ext4
}

futexscope doctor --ftrace-recipe > btf.recipe 2> btf.err
echo $? > btf.status
mkdir /tmp/nothing
mount --bind /tmp/nothing /sys/kernel/btf
nobpf futexscope doctor --ftrace-recipe > measured.recipe 2> measured.err
echo $? > measured.status
left_behind > measured.left 2>&1
[ "$HIDES_BTF" ] || umount /sys/kernel/btf

nobpf futexscope doctor > doctor.txt 2> doctor.err
echo $? > doctor.status
left_behind > doctor.left 2>&1

start default --record default.ctf || exit
provoke_all default
end_trace
left_behind > default.left 2>&1
futexscope report -f json default.ctf > replay.json 2> replay.err

start full --full || exit
provoke_all full
end_trace
left_behind > full.left 2>&1

start killed || exit
kill -9 "$tracer"
wait "$tracer"
left_behind > killed.left 2>&1
start second || exit
ls /sys/kernel/tracing/instances > second.instances
provoke second-hole-punch-tmpfs hole-punch -d 1 --path /mnt/tmpfs
end_trace
left_behind > second.left 2>&1

start killed-again || exit
kill -9 "$tracer"
wait "$tracer"
futexscope doctor --clean 2> clean.err
echo $? > clean.status
left_behind > clean.left 2>&1
