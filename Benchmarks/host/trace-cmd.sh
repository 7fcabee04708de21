# SPDX-License-Identifier: Apache-2.0
# Runs in a guest: a storm of shared lookups as trace-cmd records it by futexscope's own recipe, and a few
# that meet a hole, so that there is something to find. Leaves trace.dat.
futexscope doctor --ftrace-recipe > recipe.sh || exit
cat > load.sh <<'SH'
futex storm 200000
futexscope provoke hole-punch -d 0.3 --path /mnt/tmpfs
SH
BUFFER_KB=131072 sh recipe.sh trace-cmd -o trace.dat sh load.sh > trace-cmd.out 2>&1
ls -l trace.dat
