# SPDX-License-Identifier: Apache-2.0
# One trace under load for GROWTH_MINUTES, which comes from the host: once a minute its resident KiB, its descriptors
# and its threads.
count() { echo $#; }

start_trace growth || exit
seconds=$((GROWTH_MINUTES * 60))
futexscope provoke hole-punch -d "${seconds}s" --path /mnt/tmpfs > growth.punch 2>&1 &
futexscope provoke direct-io-invalidation -d "${seconds}s" --path /mnt/ext4 > growth.direct 2>&1 &
provokers="$!"
minute=0
while [ $((minute += 1)) -le "$GROWTH_MINUTES" ]; do
    sleep 60
    resident=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$tracer/status")
    echo "$resident $(count "/proc/$tracer/fd/"*) $(count "/proc/$tracer/task/"*)"
done > growth.samples
wait "$provokers"
end_trace
