# SPDX-License-Identifier: Apache-2.0
# Snapshots of a run: what came before, what came after, not too often, on request, and with too little room.

# watch NAME OPTION...: starts a recorder with hindsight
watch() {
    name=$1
    shift
    futexscope record -o "$name" --ready-file "/tmp/$name.ready" $depth "$@" 2> "$name.err" &
    recorder=$!
    until [ -e "/tmp/$name.ready" ]; do
        kill -0 "$recorder" || exit
        usleep 50000
    done
}

# reported NAME TEXT COUNT: waits until standard error has that text so often
reported() {
    tries=0
    until [ "$(grep -c "$2" "$1.err")" -ge "$3" ] || [ $((tries += 1)) = 600 ]; do usleep 100000; done
}

# The zero page is not waited for, but it comes before what is.
watch moments --hindsight 60s --on cause=truncate,spurious --on cause=hole-punch,spurious --after 2s --every 10m
provoke before zero-page --calls 23
provoke cause hole-punch -d 3 --path /mnt/tmpfs
reported moments '^futexscope: recorded' 1
provoke again hole-punch -d 2 --path /mnt/tmpfs
kill -USR1 "$recorder"
reported moments 'requested by SIGUSR1' 1
provoke after zero-page --calls 17
kill -INT "$recorder"
wait "$recorder"
echo $? > moments.status

# More than there is room for.
watch crowded --hindsight 10m --max-memory 1M --all
provoke crowd ordinary --calls 30000 --path /mnt/tmpfs
kill -USR1 "$recorder"
reported crowded 'requested by SIGUSR1' 1
kill -INT "$recorder"
wait "$recorder"
echo $? > crowded.status

# Only so many.
watch few --hindsight 1s --on cause=zero-page --after 100ms --every 1ms --keep 2
for round in 1 2 3; do
    provoke "few-$round" zero-page --calls 5
    reported few '^futexscope: recorded' $round
done
kill -INT "$recorder"
wait "$recorder"
ls few > few.left
