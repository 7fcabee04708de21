# SPDX-License-Identifier: Apache-2.0
# Every cause that a kernel of today can be made to show, one after the other under one trace. Lookups that fail
# without an observation are findings too, so that each provocation's own count of EFAULT can be accounted for to the last
# one.
modprobe loop
mount /mnt/xfs
if [ "$MODE" = sentinel ]; then
    start_trace causes --record causes.ctf || exit
else
    start_trace causes --record causes.ctf --all --result EFAULT || exit
fi
provoke zero-page zero-page --calls 1000
provoke special-mapping special-mapping --calls 1000
provoke hole-punch-tmpfs hole-punch -d 1.5 --path /mnt/tmpfs
provoke hole-punch-ext4 hole-punch -d 1.5 --path /mnt/ext4
provoke truncate-tmpfs truncate -d 1.5 --path /mnt/tmpfs
provoke truncate-ext4 truncate -d 1.5 --path /mnt/ext4
provoke direct-io-invalidation direct-io-invalidation -d 3 --path /mnt/ext4
provoke neighbour-punch-xfs neighbour-punch -d 5 --path /mnt/xfs
provoke hugetlb-punch hugetlb-punch -d 1.5 --path /mnt/huge
provoke block-zero-out block-zero-out -d 1.5 --path /mnt/ext4
provoke memory-failure memory-failure -d 2 --path /mnt/ext4
end_trace
