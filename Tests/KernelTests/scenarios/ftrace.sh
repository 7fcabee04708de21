# SPDX-License-Identifier: Apache-2.0
# Without any BPF: the recipe as `doctor --ftrace-recipe` prints it records through tracefs, then through
# trace-cmd, then into the buffer that SysRq-z prints on the console, while causes are made to happen. The
# host reads what each left behind.
futexscope doctor --ftrace-recipe > recipe.sh || exit
export BUFFER_KB=131072
sh recipe.sh start 2> start.err || exit
provoke text-zero-page zero-page --calls 100
provoke text-hole-punch hole-punch -d 0.8 --path /mnt/tmpfs
provoke text-truncate truncate -d 0.8 --path /mnt/ext4
provoke text-direct-io-invalidation direct-io-invalidation -d 0.8 --path /mnt/ext4
provoke text-hugetlb-punch hugetlb-punch -d 0.8 --path /mnt/huge
sh recipe.sh save text.txt
cat /sys/kernel/tracing/kprobe_profile > text.profile
sh recipe.sh stop
left_behind > text.left 2>&1

cat > provocations.sh <<'P'
run() { futexscope provoke "$@" -f json > "trace-cmd-$1.provoke.json" 2> "trace-cmd-$1.provoke.err"; }
run zero-page --calls 100
run hole-punch -d 0.8 --path /mnt/tmpfs
run truncate -d 0.8 --path /mnt/ext4
run direct-io-invalidation -d 0.8 --path /mnt/ext4
cat /sys/kernel/tracing/kprobe_profile > trace-cmd.profile
P
sh recipe.sh trace-cmd -o trace.dat sh provocations.sh > trace-cmd.out 2>&1
trace-cmd report -t -N -i trace.dat > trace-cmd.txt 2> trace-cmd.err
left_behind > trace-cmd.left 2>&1

# Some consoles take no more than a hundred KiB at once.
export INSTANCE=/sys/kernel/tracing BUFFER_KB=1000
sh recipe.sh start
provoke console-zero-page zero-page --calls 20
echo 0 > /sys/kernel/tracing/tracing_on
echo 8 > /proc/sys/kernel/printk
echo z > /proc/sysrq-trigger
sh recipe.sh stop
left_behind > console.left 2>&1
