# SPDX-License-Identifier: Apache-2.0
# Two services on one host: one that follows every lookup, one at the depth that users get. The host scrapes them while
# provocations run, and says when to go on: the old rule comes back, the sentinel goes blind, and a task spins. That
# lasts until the host ends the guest.
# The host prepends PORT_FULL, PORT_SENTINEL, PORT_NEXT and SECRET.
(umask 077 && echo "$SECRET" > /tmp/secret)
serve() {
    name=$1
    port=$2
    shift 2
    futexscope serve --listen "$ADDRESS:$port" --ready-file "/tmp/$name.ready" "$@" > "$name.out" 2>&1 &
    service=$!
    until [ -e "/tmp/$name.ready" ]; do
        kill -0 "$service" 2> /dev/null || { cat "$name.out"; exit 1; }
        usleep 100000
    done
}

# next: until the host knocks
next() { nc -l -p "$PORT_NEXT" < /dev/null > /dev/null; }

serve full "$PORT_FULL" --secret-file /tmp/secret --full --attach kprobe --bpf-stats
full=$service
serve sentinel "$PORT_SENTINEL" --insecure
echo "serving"
until [ -e /tmp/enough ]; do
    futexscope provoke zero-page --calls 50
    futexscope provoke hole-punch -d 1 --path /mnt/tmpfs
    futexscope provoke direct-io-invalidation -d 1 --path /mnt/ext4
    futexscope provoke drop-caches -d 1 --path /mnt/ext4
done > /dev/null 2>&1 &
provocations=$!
next
# Under the old rule any of them could spin for ever, and the kernel would not let go of a single probe.
touch /tmp/enough
wait "$provocations"
insmod "$MODULE" || exit
until [ "$(cat /sys/kernel/livepatch/*/transition)" = 0 ]; do usleep 100000; done
# One of them is started again, as an operator who learns that a tracer is blind would do.
kill -TERM "$full"
wait "$full"
while netstat -ltn | grep -q ":$PORT_FULL "; do usleep 100000; done
serve full "$PORT_FULL" --secret-file /tmp/secret --full --bpf-stats
echo "the old rule is back"
futexscope provoke zero-page --calls 1 > /dev/null 2>&1 &
next
