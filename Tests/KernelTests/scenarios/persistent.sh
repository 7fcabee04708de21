# SPDX-License-Identifier: Apache-2.0
# The machine is reset in the middle of a provocation. What its kernel had recorded into memory that a reset leaves as it
# is, the next boot writes as text. Then it records anew, as after any boot, and shows what that looks like.
export STATE=/out/state
if [ ! -e recipe.sh ]; then
    futexscope doctor --ftrace-recipe=persistent > recipe.sh || exit
    sh recipe.sh boot > boot.txt
    sh recipe.sh start 2> start.err || exit
    provoke persistent-zero-page zero-page --calls 20
    provoke persistent-truncate truncate -d 0.8 --path /mnt/ext4
    futexscope provoke hole-punch -d 60 --path /mnt/tmpfs &
    find_victim
    sync
    sleep 2
    echo b > /proc/sysrq-trigger
    sleep 60
    exit 1
fi
sh recipe.sh save persistent.txt 2> save.err
echo $? > save.status
cat /sys/kernel/tracing/instances/futexscope/last_boot_info > last-boot.txt 2>&1
# The same instance serves the boot that reads it.
sh recipe.sh start 2> again.err
echo $? > again.status
provoke again-zero-page zero-page --calls 20
sh recipe.sh stop
cat /sys/kernel/tracing/dynamic_events > persistent.left
