# SPDX-License-Identifier: Apache-2.0
# From the symptom: processes share an object of glibc, or an LMDB database, in a file, and an ordinary tool works on the same
# file until one of them is hurt. One trace for all; LONG is 1 for those that take minutes. The tool has real-time priority on one CPU, so that it interrupts the two
# at any point; the file system is on a disk in memory, where it does not sleep between its steps.
# shellcheck disable=SC2016,SC2094 # the shell of the tool expands its commands; a pipe joins the two in both directions
export LIBC_FATAL_STDERR_=1
records=1000
modprobe brd rd_nr=1 rd_size=327680
case $KERNEL in
    # Its ext4 has large folios.
    newest) disk=/dev/vdb type=ext4; umount /mnt/ext4 ;;
    *) disk=/dev/vdc type=xfs; modprobe xfs ;;
esac
dd if=$disk of=/dev/ram0 bs=1M conv=sparse 2> /dev/null
mkdir -p /mnt/memory
mount -t $type /dev/ram0 /mnt/memory

# hurt NAME OBJECT FILE COMMAND: COMMAND has $file, and $place, where the object is: in the first page of one record of 64 KiB
# after the other, from the last to the first. The object is at a place before COMMAND begins there.
hurt() {
    cat > /tmp/tool <<TOOL
file=$3 place=$((records << 16))
while [ \$place -gt 0 ]; do
    place=\$((place - 65536))
    echo \$place
    read -r _ <&3 || break
    sleep 0.004
    $4
done
TOOL
    dd if=/dev/zero of="$3" bs=64K count=$records 2> /dev/null
    sync "$3"
    mkfifo /tmp/at
    chrt -f 50 sh /tmp/tool 3< /tmp/at 2> "$1.tool" | symptoms "$2" "$3" > "$1.out" 2> "$1.message" 3> /tmp/at
    rm -f /tmp/at "/mnt/memory/$1"
}

# load NAME: one program after the other that writes to the database, until one fails
load() {
    while mdb_load -T -s "$1" -f /tmp/data $database 2> "lmdb.$1.message"; do
        [ ! -e /tmp/enough ] || return
    done
    echo $? > "lmdb.$1.status"
}

# Two processes that load a database, and a sector of its lock file that no reader uses.
load_database() {
    database=/mnt/memory/database
    mkdir $database
    i=0
    while [ $((i += 1)) -le 1000 ]; do printf 'key%d\nvalue\n' $i; done > /tmp/data
    load one &
    one=$!
    load two &
    two=$!
    until [ -e $database/lock.mdb ]; do usleep 50000; done
    cat > /tmp/tool <<TOOL
i=0
until grep -q '"comm":"mdb_load"' symptoms.json || [ \$((i += 1)) = 200 ]; do
    dd if=/dev/zero of=$database/lock.mdb bs=512 seek=7 count=1 oflag=direct conv=notrunc 2> /dev/null
    sleep 0.003
done
TOOL
    chrt -f 50 sh /tmp/tool
    touch /tmp/enough
    # Who is not hurt ends.
    sleep 5
    for task in /proc/[0-9]*; do
        [ "$(cat "$task/comm" 2> /dev/null)" = mdb_load ] || continue
        echo "asleep ${task#/proc/} $(cat "$task/wchan")" >> lmdb.asleep
        kill -KILL "${task#/proc/}"
    done
    wait $one $two
}

start_trace symptoms || exit

# The pages behind that of the object. What is dirty stays in the page cache, so it is written first; XFS does that itself.
hurt punch semaphore /mnt/memory/punch \
    'sync --data $file; fallocate --punch-hole --offset $((place + 4096)) --length 4096 $file'
case $KERNEL in
    newest)
        # The page itself: most waiters are lost with their object.
        records=300
        hurt discard semaphore "$FREE_DISK" \
            'blkdiscard --force --zeroout --offset $place --length 4096 $file 2> /dev/null'
        ;;
    *)
        # A sector of the page, and not that of the object.
        hurt dd condition /mnt/memory/dd \
            'dd if=/dev/zero of=$file bs=512 seek=$((place / 512 + 7)) count=1 oflag=direct conv=notrunc 2> /dev/null'
        ;;
esac
case $KERNEL-$LONG in
    newest-* | *-0) ;;
    *)
        hurt truncate mutex /mnt/memory/truncate \
            'sync --data $file; truncate --size $((place + 4096)) $file; sync $file'
        load_database
        ;;
esac
end_trace
