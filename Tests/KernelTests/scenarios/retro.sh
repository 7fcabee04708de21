# SPDX-License-Identifier: Apache-2.0
# 2011 again: with the old rule patched back in, a wait on the zero page spins for ever. The trace has
# to tell of it while it spins.
# A call site in the kernel's own function sees nothing of that: the trace has to notice the livepatch.
insmod "$MODULE" || exit
until [ "$(cat /sys/kernel/livepatch/*/transition)" = 0 ]; do usleep 100000; done
futexscope trace --attach callsite -d 1 > callsite.out 2> callsite.err
echo $? > callsite.status
start_trace retro --record retro.ctf || exit
futexscope provoke zero-page --calls 1 > retro.provoke.out 2>&1 &
provocation=$!
find_victim
cut -d' ' -f1 /proc/uptime > retro.spin-begin
i=0
until grep -q '"type":"progress"' retro.json; do
    i=$((i + 1))
    [ $i -lt 200 ] || break
    usleep 50000
done
cut -d' ' -f1 /proc/uptime > retro.reported
usleep 2000000
# Still spinning, and on the processor.

cut -d' ' -f14,15 "/proc/$victim/stat" > retro.ticks
usleep 500000
cut -d' ' -f14,15 "/proc/$victim/stat" >> retro.ticks
# The kernel cannot let go of a program while a task spins in it; the trace has to end all the same.
end_trace
kill -9 "$victim" "$provocation"
wait "$provocation"
hooked() { cat /sys/kernel/tracing/enabled_functions /sys/kernel/debug/kprobes/list 2> /dev/null | grep -c -E 'folio_unlock|get_user_pages_fast'; }
hooked > retro.hooked
i=0
until [ "$(hooked)" = 0 ] || [ $i -ge 40 ]; do
    usleep 250000
    i=$((i + 1))
done
hooked >> retro.hooked

# A trace that was there before a livepatch has to say what it could not see.
patch=$(echo /sys/kernel/livepatch/*)
echo 0 > "$patch/enabled"
until [ ! -e "$patch" ]; do usleep 100000; done
rmmod "$(basename "$MODULE" .ko)"
start_trace before || exit
insmod "$MODULE" || exit
until [ "$(cat "$patch/transition")" = 0 ]; do usleep 100000; done
end_trace
