# SPDX-License-Identifier: Apache-2.0
# Made the samples data-*.dat, in guests with two processors:
#   Tests/KernelTests/vm/boot -k 6.12 -c 2 --tools -b BINARY -s Tests/FtraceTests/Samples/data.sh -o OUT
# The names of a kernel's functions are most of a recording. So it gets only those that are reported, each with the one
# behind it, where it ends.
futexscope doctor --ftrace-recipe > recipe.sh || exit
{
    sed -n 's/^ *define fs_in_\([a-z0-9_]*\).*/\1/p' recipe.sh
    printf '%s\n' get_futex_key entry_SYSCALL_64_after_hwframe arch_rethook_trampoline ret_from_fork_asm
} > wanted
awk 'NR == FNR { wanted[$1] = 1; next }
    $3 in wanted || (found && $1 != found) { print; found = $3 in wanted ? $1 : "" }' wanted /proc/kallsyms > symbols
mount -o bind symbols /proc/kallsyms || exit

cat > causes.sh <<'SH'
echo "futexscope wall_ns=1700000000000000000 release=$(uname -r) missing=fs_example" > /sys/kernel/tracing/trace_marker
taskset 2 futexscope provoke zero-page --calls 3
taskset 1 futexscope provoke zero-page --calls 3
futexscope provoke hole-punch -d 0.02 --path /mnt/tmpfs
futexscope provoke truncate -d 0.04 --path /mnt/ext4
futexscope provoke direct-io-invalidation -d 0.05 --path /mnt/ext4
SH
sh recipe.sh trace-cmd -o trace.dat sh causes.sh > trace-cmd.out 2>&1

# More than there is room for, in a buffer of the smallest size.
echo 'futexscope provoke zero-page --calls 400' > flood.sh
BUFFER_KB=1 sh recipe.sh trace-cmd -o lost.dat sh flood.sh > lost.out 2>&1

# As trace-cmd 2 wrote it, and 3 does for whoever asks.
echo 'taskset 2 futexscope provoke zero-page --calls 3; taskset 1 futexscope provoke zero-page --calls 3' > zeros.sh
sh recipe.sh trace-cmd --file-version 6 -o v6.dat sh zeros.sh > v6.out 2>&1

# With the kernel's own tracepoint, as where nothing better can be defined.
sed 's/\([pt]:futexscope.fs_detach\) [a-z_]*/\1 nothing/' recipe.sh > plain.sh
BUFFER_KB=1024 sh plain.sh trace-cmd -o removal.dat sh causes.sh > removal.out 2>&1
ls -l ./*.dat
