# SPDX-License-Identifier: Apache-2.0
# The package on a Debian that boots systemd: its services with their own rights, what is left of those
# once everything is attached, the watchdog, the end; and then the program under each set of capabilities
# that could be too small. Needs no MODE.

# reported NAME PROCESS: the rights of all threads
reported() { cat /proc/"$2"/task/*/status > "$1.threads"; }

# until COMMAND...: waits for what has to come, up to 30 s
await() {
    tries=0
    until "$@" > /dev/null 2>&1; do
        [ $((tries += 1)) -lt 150 ] || { echo "waited in vain for: $*"; return 1; }
        sleep 0.2
    done
}

# probes NAME: what is on the kernel's functions
probes() {
    cat /sys/kernel/debug/kprobes/list /sys/kernel/tracing/enabled_functions > "$1.probes"
    test ! -s "$1.probes"
}

property() { systemctl show --value -p "$1" "$unit"; }

dpkg -i /usr/local/bin/futexscope_*.deb > install.out 2>&1
echo $? > install.status
cmp /usr/bin/futexscope /usr/local/bin/futexscope
echo $? > same.status
systemctl is-active futexscope-trace > installed.state
systemd-analyze --no-pager security futexscope-trace futexscope-record > security.txt

unit=futexscope-trace
systemctl start $unit
echo $? > trace.status
reported trace "$(property MainPID)"
systemctl show $unit > trace.properties
provoke journal hole-punch -d 1 --path /mnt/tmpfs
sleep 1
begin=$(cut -d' ' -f1 /proc/uptime)
systemctl stop $unit
echo "$begin $(cut -d' ' -f1 /proc/uptime)" > trace.end
systemctl show $unit > stopped.properties
journalctl -q --no-pager -o cat -u $unit > trace.journal
await probes stopped

# Hung, and then without the rights that it needs.
mkdir -p /run/systemd/system/$unit.service.d
cat > /run/systemd/system/$unit.service.d/test.conf <<'UNIT'
[Service]
WatchdogSec=8s
RestartSec=0
UNIT
systemctl daemon-reload
systemctl start $unit
first=$(property MainPID)
# Longer than the watchdog's patience: it learns that the run is alive.
sleep 10
property NRestarts > alive.restarts
[ "$first" = 0 ] || kill -STOP "$first"
restarted() { [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]; }
await restarted
systemctl show $unit > watchdog.properties
journalctl -q --no-pager -u $unit | grep -i watchdog > watchdog.journal
systemctl stop $unit
await probes hung
cat > /run/systemd/system/$unit.service.d/test.conf <<'UNIT'
[Service]
AmbientCapabilities=
RestartSec=0
UNIT
systemctl daemon-reload
systemctl start $unit
sleep 2
systemctl show $unit > refused.properties
rm /run/systemd/system/$unit.service.d/test.conf
systemctl daemon-reload

unit=futexscope-record
systemctl start $unit
provoke first hole-punch -d 1 --path /mnt/tmpfs
systemctl restart $unit
reported record "$(property MainPID)"
provoke second zero-page --calls 23
systemctl stop $unit
systemctl show $unit > record.properties
journalctl -q --no-pager -o cat -u $unit > record.journal
cp -r /var/lib/futexscope/previous.ctf /var/lib/futexscope/current.ctf .
await probes recorded

unit=futexscope-serve
systemctl start $unit
echo $? > serve.status
reported serve "$(property MainPID)"
provoke served hole-punch -d 1 --path /mnt/tmpfs
/job/busybox wget -q -O metrics.txt http://127.0.0.1:9435/metrics
reported served "$(property MainPID)"
systemctl stop $unit
systemctl show $unit > serve.properties
journalctl -q --no-pager -o cat -u $unit > serve.journal
await probes served

# with NAME CAPABILITY...: a trace of a user who has these and nothing else
with() {
    name=$1 set=-all
    shift
    for capability; do set=$set,+$capability; done
    setpriv --reuid 4711 --regid 4711 --clear-groups --no-new-privs --inh-caps "$set" --ambient-caps "$set" \
        --bounding-set "$set" futexscope trace -f json --attach callsite -v > "/tmp/$name.json" 2> "$name.err" &
    tracer=$!
    until grep -q 'tracing with' "$name.err" 2> /dev/null; do
        kill -0 $tracer 2> /dev/null || break
        sleep 0.1
    done
    if kill -0 $tracer 2> /dev/null; then
        reported "$name" $tracer
        provoke "$name" hole-punch -d 1 --path /mnt/tmpfs
        kill -INT $tracer
    fi
    wait $tracer
    echo $? > "$name.status"
    mv "/tmp/$name.json" .
    await probes "$name"
}

# Debian's kernels begin with 3; others know no more than 2.
cat /proc/sys/kernel/perf_event_paranoid > paranoid.txt
with no-sys-admin bpf perfmon syslog
echo 2 > /proc/sys/kernel/perf_event_paranoid
with three bpf perfmon syslog
with no-bpf perfmon syslog
with no-perfmon bpf syslog
with no-syslog bpf perfmon

# A command keeps what its caller has, and ends the recording as ever.
futexscope record -o /tmp/command.ctf -- sh -c 'cat /proc/self/status; exit 7' > command.threads 2> command.err
echo $? > command.status
cat /proc/self/status > caller.threads
