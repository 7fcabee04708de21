# SPDX-License-Identifier: Apache-2.0
# What futexscope shows, in a minute: three provocations under one trace. Runs on a host that permits BPF
# tracing, or in a guest.
dir=$(mktemp -d /var/tmp/futexscope-demo.XXXXXX 2> /dev/null || echo /mnt/ext4)
ready=$(mktemp -u /tmp/futexscope-demo.XXXXXX)
futexscope trace --full --ready-file "$ready" &
tracer=$!
until [ -e "$ready" ]; do
    kill -0 "$tracer" 2> /dev/null || exit 1
    sleep 1
done
futexscope provoke zero-page --calls 3 > /dev/null
futexscope provoke hole-punch -d 0.05 --path /dev/shm > /dev/null
futexscope provoke direct-io-invalidation -d 0.2 --path "$dir" > /dev/null
kill -INT "$tracer"
wait "$tracer"
rmdir "$dir" 2> /dev/null
true
