# SPDX-License-Identifier: Apache-2.0
# A live view on terminals, ended in each way: by a key, by Ctrl-C, by a signal, by its duration. `terminal` is
# terminal.c. Where there is the old rule, it is patched back in, and a loop spins under it until its task is killed.
if [ "$MODULE" ]; then
    insmod "$MODULE" || exit
    until [ "$(cat /sys/kernel/livepatch/*/transition)" = 0 ]; do usleep 100000; done
fi

futexscope provoke hole-punch -d 300 --path /mnt/tmpfs > /dev/null 2>&1 &
echo $! > /tmp/puncher.pid
# The loop begins under the eyes of the view, when the holes are over: those who punch them go before it on the only
# processor. Its victim is the one whose parent it is.
cat > /tmp/begin << 'EOF'
kill -TERM "$(cat /tmp/puncher.pid)"
while grep -q -x provoke-victim /proc/[0-9]*/comm 2> /dev/null; do usleep 100000; done
futexscope provoke zero-page --calls 1 > /dev/null 2>&1 &
echo $! > /tmp/looper.pid
EOF
cat > /tmp/end << 'EOF'
looper=$(cat /tmp/looper.pid)
for process in $(grep -l -x provoke-victim /proc/[0-9]*/comm 2> /dev/null | cut -d/ -f3); do
    [ "$(cut -d' ' -f4 "/proc/$process/stat")" = "$looper" ] && victim=$process
done
echo "$victim" > victim.pid
# It may go with its parent, before its own turn comes.
kill -9 "$looper" && { kill -9 "$victim"; true; }
EOF

export TERM=xterm
# Under the old rule every lookup is followed; elsewhere the view says that it cannot see loops.
quiet="loops are not seen"
if [ "$MODULE" ]; then quiet="no loop in progress"; fi
# wide WAIT ACTION...: a view of all that is asked for, and afterwards of another size, paused, and gone on
wide() {
    terminal wide 80x24 0 wait hole-punch "$@" 0 wait "$quiet" \
        1000 size 60x15 3000 key p 2000 key x 3000 key p 2000 key q -- \
        futexscope trace --live $depth --loop-duration 1s --loop-passes 100000 --record wide.ctf
}
if [ "$MODULE" ]; then
    wide 0 run "sh /tmp/begin" 0 wait "LOOPING NOW: 1" 1000 run "sh /tmp/end"
else
    wide
    kill -TERM "$(cat /tmp/puncher.pid)"
fi
terminal interrupted 80x24 0 wait "q quits" 500 key "$(printf '\003')" -- futexscope trace --live
terminal terminated 80x24 0 wait "q quits" 500 signal 15 -- futexscope trace --live
NO_COLOR=1 terminal plain 132x40 -- futexscope trace --live -d 3
TERM=dumb terminal dumb 80x24 -- futexscope trace --live -d 3
futexscope trace --live > file.out 2> file.err
echo $? > file.status
