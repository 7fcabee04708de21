# SPDX-License-Identifier: Apache-2.0
# Recordings under everything that can go wrong with them: a ring that is too small, a recorder that is held
# up, a disk that is too small, a limit, a kill, and a command that has its own way of ending.

# flood NAME SECONDS: shared lookups as fast as they come, each an event under --all
flood() { provoke "$1" ordinary -d "$2" --path /mnt/tmpfs; }

start_trace discarded --record discarded.ctf --all --ring-size 4096 || exit
flood discarded 1
end_trace

futexscope record -o command.ctf -- sh -c 'futexscope provoke zero-page --calls 23 > /dev/null; exit 7' 2> command.err
echo $? > command.status
futexscope record -o command.ctf -- true 2> taken.err
echo $? > taken.status
futexscope record -o nonesuch.ctf -- /no/such/command 2> nonesuch.err
echo $? > nonesuch.status
ls -d nonesuch.ctf > nonesuch.left 2> /dev/null

# The trace goes on when its recording has no room any more.
mkdir /tmp/small
mount -t tmpfs -o size=1M tmpfs /tmp/small
start_trace full --record /tmp/small/full.ctf --all -n provoke-victim || exit
# More than has room on the disk, and less than the ring could lose.
provoke full ordinary --calls 12000 --path /mnt/tmpfs
provoke after-full zero-page --calls 17
end_trace
cp -r /tmp/small/full.ctf .
umount /tmp/small

# A recording alone has nothing left to do then.
mount -t tmpfs -o size=1M tmpfs /tmp/small
futexscope record -o /tmp/small/alone.ctf --all --ready-file /tmp/alone.ready 2> alone.err &
tracer=$!
until [ -e /tmp/alone.ready ]; do usleep 100000; done
flood alone 1
wait "$tracer"
echo $? > alone.status
cp -r /tmp/small/alone.ctf .

# recorded NAME OPTION...: starts a recording of everything
recorded() {
    name=$1
    shift
    futexscope record -o "$name.ctf" --all --ready-file "/tmp/$name.ready" "$@" 2> "$name.err" &
    tracer=$!
    until [ -e "/tmp/$name.ready" ]; do usleep 50000; done
}

# A recorder that does not run: more lookups than a small ring holds, and fewer than the usual one.
for ring in 65536 8388608; do
    recorded "stalled-$ring" --ring-size "$ring"
    kill -STOP "$tracer"
    provoke "stalled-$ring" ordinary --calls 20000 --path /mnt/tmpfs
    kill -CONT "$tracer"
    kill -INT "$tracer"
    wait "$tracer"
    echo $? > "stalled-$ring.status"
done

recorded limited --max-size 1M
flood limited 2
wait "$tracer"
echo $? > limited.status

recorded rotated --max-size 1M --rotate
flood rotated 4
kill -INT "$tracer"
wait "$tracer"
echo $? > rotated.status

for delay in 13 170 290 411 730; do
    recorded "killed-$delay"
    flood "killed-$delay" 2 &
    usleep $((500000 + delay * 1000))
    kill -9 "$tracer"
    wait
done
