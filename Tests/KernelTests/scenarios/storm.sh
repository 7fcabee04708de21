# SPDX-License-Identifier: Apache-2.0
# All provocations at once, on all CPUs of the guest, under one trace: what each victim counted stands in
# NAME.provoke.json, what was reported of it in storm.json. STORM_SECONDS and SEED come from the host; the seed
# decides who starts when, and on which CPU.
modprobe loop
mount /mnt/xfs
mkswap "$SWAP_DISK" > /dev/null && swapon "$SWAP_DISK"
dmesg -n 1

# random N: from 0 to N - 1
state=$SEED
random() {
    state=$(((state * 1103515245 + 12345) % 2147483648))
    value=$((state / 65536 % $1))
}

# storm NAME CAUSE OPTION...: in the background, after a random part of two seconds, on a random CPU
storm() {
    random 2000
    delay=$value
    random "$CPUS"
    mask=$((1 << value))
    name=$1
    shift
    {
        usleep $((delay * 1000))
        taskset "$(printf %x $mask)" futexscope provoke "$@" -f json > "$name.provoke.json" 2> "$name.provoke.err"
        echo $? > "$name.provoke.status"
    } &
    workers="$workers $!"
}

start_trace storm --record storm.ctf || exit
workers=
storm zero-page zero-page --calls 2000
storm special-mapping special-mapping --calls 2000
storm hole-punch-tmpfs hole-punch --path /mnt/tmpfs -d "$STORM_SECONDS"
storm hole-punch-ext4 hole-punch --path /mnt/ext4 -d "$STORM_SECONDS"
storm truncate-tmpfs truncate --path /mnt/tmpfs -d "$STORM_SECONDS"
storm truncate-ext4 truncate --path /mnt/ext4 -d "$STORM_SECONDS"
storm direct-io-invalidation direct-io-invalidation --path /mnt/ext4 -d "$STORM_SECONDS"
storm neighbour-punch-xfs neighbour-punch --path /mnt/xfs -d "$STORM_SECONDS"
storm hugetlb-punch hugetlb-punch --path /mnt/huge -d "$STORM_SECONDS"
storm block-zero-out block-zero-out --path /mnt/ext4 -d "$STORM_SECONDS"
storm drop-caches drop-caches --path /mnt/ext4 -d "$STORM_SECONDS"
storm fadvise fadvise --path /mnt/ext4 -d "$STORM_SECONDS"
storm reclaim reclaim --path /mnt/ext4 -d "$STORM_SECONDS"
storm swap-out swap-out --path /mnt/tmpfs -d "$STORM_SECONDS"
storm collapse collapse --path /mnt/tmpfs -d "$STORM_SECONDS"
# shellcheck disable=SC2086 # a list of processes
wait $workers
end_trace
swapoff "$SWAP_DISK"
