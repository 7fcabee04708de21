# SPDX-License-Identifier: Apache-2.0
# Without any BPF, with perf: the recipe as `doctor --ftrace-recipe=perf` prints it records while causes are made to
# happen. The host reads what perf prints of it; futexscope itself, here, what it has perf print.
futexscope doctor --ftrace-recipe=perf > recipe.sh || exit
cat > provocations.sh <<'P'
run() { futexscope provoke "$@" -f json > "perf-$1.provoke.json" 2> "perf-$1.provoke.err"; }
run zero-page --calls 100
run hole-punch -d 0.8 --path /mnt/tmpfs
run truncate -d 0.8 --path /mnt/ext4
run direct-io-invalidation -d 0.8 --path /mnt/ext4
cat /sys/kernel/tracing/kprobe_profile > perf.profile
P
sh recipe.sh record -o perf.data sh provocations.sh > record.out 2>&1
echo $? > record.status
sh recipe.sh text > perf.txt 2> text.err
futexscope report perf.data -f json > report.json 2> report.err
echo $? > report.status
{
    ls -d /sys/kernel/tracing/events/futexscope
    cat /sys/kernel/tracing/dynamic_events
} > perf.left 2> /dev/null
true
