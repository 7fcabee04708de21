# SPDX-License-Identifier: Apache-2.0
# One trace for each kind of loss that can be forced from outside, each with work that brings it about.
# `flood` is flood.c.

# A ring in which few records have room, none of them a path.
start_trace tiny --ring-size 4096 || exit
provoke tiny zero-page --calls 3000
end_trace

# A consumer that is stopped.
start_trace stopped --ring-size 16384 || exit
kill -STOP "$tracer"
provoke stopped hole-punch --path /mnt/tmpfs -d 3
kill -CONT "$tracer"
end_trace

# More detaches of held pages than the table has slots, right behind the one that a victim meets.
start_trace overwritten || exit
taskset 1 flood /mnt/tmpfs 90 > flood.failed 2> flood.err
echo $? > flood.status
# Pages that no page cache holds, when all slots have detaches of other pages.
provoke crowded-zero-page zero-page --calls 100
provoke crowded-special-mapping special-mapping --calls 100
end_trace

# The same with a huge page, which has lost a flag that other removed pages keep.
start_trace overwritten-huge || exit
taskset 1 flood /mnt/tmpfs 90 /mnt/huge > flood-huge.failed 2> flood-huge.err
echo $? > flood-huge.status
end_trace

# Programs on trampolines, which the kernel skips for others while a task is preempted inside one.
depth="--full --attach fentry"
start_trace skipped || exit
provokers=
for place in tmpfs ext4; do
    for number in 1 2 3; do
        mkdir -p "/mnt/$place/$number"
        provoke "skipped-$place-$number" hole-punch --path "/mnt/$place/$number" -d 6 &
        provokers="$provokers $!"
    done
done
# shellcheck disable=SC2086 # a list of processes
wait $provokers
end_trace
