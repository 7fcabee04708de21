# SPDX-License-Identifier: Apache-2.0
# The rule `fallback` on a kernel of today: what EFAULT becomes, whether wakes still reach their waiters, and
# whether anything outlives its file. Everything is done twice: as the kernel is, and with the livepatch.
# With slub_debug=FZP a number read from an inode that was freed is one of 0x6b bytes; the livepatch counts those.
modprobe loop
mount /mnt/xfs
# Appends a parameter of the livepatch to the file of its name.
keep_parameter() { cat "/sys/module/futexscope_fallback/parameters/$1" >> "$1"; }

# provoke_all PREFIX
provoke_all() {
    provoke "$1-zero-page" zero-page --calls 1000
    provoke "$1-special-mapping" special-mapping --calls 1000
    provoke "$1-hole-punch-tmpfs" hole-punch -d 1.5 --path /mnt/tmpfs
    provoke "$1-hole-punch-ext4" hole-punch -d 1.5 --path /mnt/ext4
    provoke "$1-truncate-tmpfs" truncate -d 1.5 --path /mnt/tmpfs
    provoke "$1-truncate-ext4" truncate -d 1.5 --path /mnt/ext4
    provoke "$1-direct-io-invalidation" direct-io-invalidation -d 3 --path /mnt/ext4
    provoke "$1-neighbour-punch-xfs" neighbour-punch -d 5 --path /mnt/xfs
    provoke "$1-hugetlb-punch" hugetlb-punch -d 1.5 --path /mnt/huge
    provoke "$1-block-zero-out" block-zero-out -d 1.5 --path /mnt/ext4
}

# wake_all PREFIX
wake_all() {
    wakes keys /mnt/tmpfs/words punch 10000 > "$1.wakes-punch-tmpfs"
    wakes keys /mnt/ext4/words punch 2000 > "$1.wakes-punch-ext4"
    wakes keys /mnt/ext4/words direct 1000 > "$1.wakes-direct-ext4"
    wakes keys /mnt/tmpfs/words truncate 2000 > "$1.wakes-truncate-tmpfs"
}

futexscope doctor > today.doctor 2>&1
provoke_all today
wake_all today

insmod "$MODULE" || exit
until [ "$(cat /sys/kernel/livepatch/*/transition)" = 0 ]; do usleep 100000; done
futexscope doctor > fallback.doctor 2>&1
provoke_all fallback
wake_all fallback
keep_parameter area_keys

# A trace names the rule, and shows observations that ended well.
MODE=auto depth='--full'
start_trace fallback -n provoke-victim || exit
provoke traced-hole-punch hole-punch -d 1.5 --path /mnt/tmpfs
end_trace

# Names removed, sizes cut, areas replaced, file systems unmounted, and again.
mkdir -p /mnt/short
for round in 1 2 3; do
    mount -t tmpfs short /mnt/short || exit
    wakes lifetime /mnt/short 15 >> lifetime.tmpfs
    umount /mnt/short || echo "tmpfs is busy" >> lifetime.busy
    wakes lifetime /mnt/xfs 15 >> lifetime.xfs
    umount /mnt/xfs || echo "xfs is busy" >> lifetime.busy
    mount /mnt/xfs || exit
done
keep_parameter area_keys
keep_parameter freed_inodes
dmesg | grep -E 'BUG|WARNING|Oops|corrupt|overwritten|Busy inodes|general protection' > complaints
true
