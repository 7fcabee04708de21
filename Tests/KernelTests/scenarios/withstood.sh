# SPDX-License-Identifier: Apache-2.0
# What kernels of today withstand: the activity has to be seen and counted, and nothing blamed on it.
# Then a trace in which nothing is provoked.
swapon "$SWAP_DISK"
start_trace withstood --record withstood.ctf || exit
provoke drop-caches drop-caches -d 2 --path /mnt/ext4
provoke fadvise fadvise -d 2 --path /mnt/ext4
provoke reclaim reclaim -d 2 --path /mnt/ext4
provoke swap-out swap-out -d 2 --path /mnt/tmpfs
provoke migration migration -d 2 --path /mnt/tmpfs
provoke collapse collapse -d 2 --path /mnt/tmpfs
end_trace
start_trace quiet --record quiet.ctf || exit
usleep 1500000
end_trace
