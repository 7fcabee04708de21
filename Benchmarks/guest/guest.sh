# SPDX-License-Identifier: Apache-2.0
# Runs in the guest, where time follows instructions: every figure is a difference or a ratio within this
# one boot. Leaves lines "name value unit" in /out/figures; what cannot be had is said on standard error.
# The host prepends PARTS, some of: futex ftrace start pages storm.

wants() { case " $PARTS " in *" $1 "*) true ;; *) false ;; esac; }
skip() { echo "SKIPPED $*" >&2; }

# with NAME COMMAND…: starts a tracer, waits until it has made /tmp/ready because all its probes are
# attached, calls `measure NAME`, and interrupts the tracer.
with() {
    name=$1
    shift
    rm -f /tmp/ready
    "$@" > /tmp/tracer.out 2> /tmp/tracer.err &
    tracer=$!
    until [ -e /tmp/ready ]; do
        if ! kill -0 "$tracer" 2> /dev/null; then
            skip "$name: $(tail -n 1 /tmp/tracer.err)"
            return
        fi
        usleep 50000
    done
    sleep 1
    measure "$name"
    # Ends the program of a tracer whose shell ignores signals.
    rm -f /tmp/ready
    kill -INT "$tracer"
    wait "$tracer"
}

# bpftrace has no ready file, but it starts a program of its own once its probes are attached.
cat > /tmp/ready.sh <<'SH'
touch /tmp/ready
exec sleep 1000
SH
with_bpftrace() {
    name=$1
    shift
    with "$name" bpftrace -c "/bin/busybox sh /tmp/ready.sh" "$@"
}
with_futexscope() {
    name=$1
    shift
    with "$name" futexscope trace -f json --ready-file /tmp/ready "$@"
}
# Ways to attach that this binary has.
attach_modes() {
    for mode in callsite fentry kprobe; do
        if futexscope trace --attach $mode --dry-run > /dev/null 2>&1; then echo $mode; fi
    done
}

# Figures settle some seconds after boot.
sleep 5

if wants futex; then
    measure() { futex | sed "s/^/futex $1 /" >> /tmp/raw; }
    measure untraced
    with floor-fentry floor fentry get_futex_key /tmp/ready
    with floor-fentry-fexit floor fentry+fexit get_futex_key /tmp/ready
    with floor-fexit floor fexit get_futex_key /tmp/ready
    with floor-kprobe floor kprobe get_futex_key /tmp/ready
    with_futexscope futexscope-default
    for mode in $(attach_modes); do with_futexscope "futexscope-$mode" --attach "$mode"; done
    with_futexscope futexscope-full --full
    with_futexscope futexscope-all --all
    # While others are inside a lookup of their own: more of them than there are slots.
    measure() {
        for count in 1000 6000; do
            rm -f /tmp/crowded
            crowd $count /tmp/crowded &
            until [ -e /tmp/crowded ]; do usleep 50000; done
            futex | sed "s/^/futex $1-among-$count /" >> /tmp/raw
            kill -KILL $!
            wait $!
        done
    }
    with_futexscope futexscope-full --full
    measure() { futex | sed "s/^/futex $1 /" >> /tmp/raw; }
    with_bpftrace bpftrace-kprobe-count -e 'kprobe:get_futex_key { @ = count(); }'
    with_bpftrace bpftrace-equal-work-fentry /usr/bin/equal-work-fentry.bt
    with_bpftrace bpftrace-equal-work-kprobe /usr/bin/equal-work-kprobe.bt
    # What the boot itself changed meanwhile.
    measure untraced-again
fi

# Without BPF: the same depths, and trace-cmd with the printed recipe, which is a full one.
if wants ftrace; then
    cat > /tmp/until.sh <<'SH'
touch /tmp/ready
while [ -e /tmp/ready ]; do usleep 100000; done
SH
    futexscope doctor --ftrace-recipe > /tmp/recipe.sh
    mkdir -p /tmp/trace-cmd
    measure() {
        futex | sed "s/^/ftrace $1 /" >> /tmp/raw
        for fs in tmpfs ext4; do pages /mnt/$fs | sed "s/^/ftrace-pages-$fs $1 /" >> /tmp/raw; done
    }
    for fs in tmpfs ext4; do pages /mnt/$fs > /dev/null; done
    measure untraced
    with_futexscope futexscope-default
    with_futexscope futexscope-full --full
    with_futexscope ftrace-default --source ftrace
    with_futexscope ftrace-full --source ftrace --full
    with trace-cmd-recipe sh /tmp/recipe.sh trace-cmd -o /tmp/trace-cmd/trace.dat sh /tmp/until.sh
    rm -rf /tmp/trace-cmd
fi

# Before the caches are dropped, from which a start is read.
if wants start; then
    # Nobody starts while the last one is still letting go.
    gone() { while pidof futexscope bpftrace > /dev/null; do usleep 50000; done; }
    for round in 1 2 3; do
        start /tmp/ready futexscope trace -f json --ready-file /tmp/ready 2> /tmp/err | sed 's/^/futexscope-default /'
        gone
        for mode in $(attach_modes); do
            gone
            start /tmp/ready futexscope trace -f json --attach "$mode" --ready-file /tmp/ready 2> /tmp/err |
                sed "s/^/futexscope-$mode /"
        done
        gone
        start /tmp/ready bpftrace -c "/bin/busybox sh /tmp/ready.sh" \
            -e 'kprobe:get_futex_key { @a = count(); } kretprobe:get_futex_key { @b = count(); }' 2> /tmp/err |
            sed 's/^/bpftrace-two-probes /'
        gone
    done > /tmp/starts
    # The middle one of three.
    sort -k1,2 -k3n /tmp/starts | awk '++n % 3 == 2 { print $2 "." $1, $3, "ms" }' >> /out/figures
fi

if wants pages; then
    mkdir -p /mnt/tmpfs-huge
    mount -t tmpfs -o huge=always tmpfs /mnt/tmpfs-huge
    mount /mnt/xfs
    # A file system's first files cost it more than later ones.
    for fs in tmpfs tmpfs-huge ext4 xfs; do pages /mnt/$fs > /dev/null; done
    measure() {
        for fs in tmpfs tmpfs-huge ext4 xfs; do pages /mnt/$fs | sed "s/^/pages-$fs $1 /" >> /tmp/raw; done
    }
    measure untraced
    with floor-detach floor raw_tp mm_filemap_delete_from_page_cache /tmp/ready
    with_futexscope futexscope-default
fi

if wants storm; then
    # Many times what the ring and the queue behind it hold. The clock stops when the tracer has nothing to do
    # any more, so that nothing that still waits counts as delivered. With two CPUs each side has its own.
    calls=400000
    on() { if [ "$CPUS" -gt 1 ]; then echo "taskset $1"; fi; }
    measure() {
        begin=$(cut -d' ' -f1 /proc/uptime)
        $(on 1) futex storm $calls > /dev/null
        last=
        while busy=$(awk '{ print $14 + $15 }' "/proc/$tracer/stat") && [ "$busy" != "$last" ]; do
            last=$busy
            end=$(cut -d' ' -f1 /proc/uptime)
            usleep 50000
        done
    }
    subject=storm
    [ "$CPUS" = 1 ] || subject=storm-on-$CPUS
    rate() { # NAME LOST
        awk "BEGIN { n = $calls - $2; print \"$subject.$1.delivered\", sprintf(\"%.1f\", n / ($end - $begin) / 1000), \"lookups-per-ms\" }"
        echo "$subject.$1.lost $2 of-$calls"
    }
    if [ -e /usr/bin/futexscope.bpf.o ]; then
        with copy-only $(on 2) storm /usr/bin/futexscope.bpf.o 0x10 /tmp/ready
        if [ -s /tmp/tracer.out ]; then rate copy-only "$(awk '{ print $4 }' /tmp/tracer.out)"; fi
        with futexscope-record $(on 2) futexscope record --all -o /tmp/storm.ctf --ready-file /tmp/ready
        rate futexscope-record "$(awk '{ for (i = 2; i <= NF; i++) if ($i ~ /^lost/) n = $(i - 1) } END { print n + 0 }' /tmp/tracer.err)"
        rm -rf /tmp/storm.ctf
        with futexscope-json $(on 2) futexscope trace -f json --all --ready-file /tmp/ready
        rate futexscope-json "$(sed -n '$s/.*"lost":{\([^}]*\)}.*/\1/p' /tmp/tracer.out | tr ',' '\n' | awk -F: '/ring-lookup/ { n = $2 } END { print n + 0 }')"
        rm -f /tmp/tracer.out
    else
        skip "storm: the programs' object was not given"
    fi >> /out/figures
fi

if wants rest; then
    # What a tracer takes that has nothing to do. Memory goes by the CPUs that a kernel makes room for.
    subject=rest.$CPUS
    possible=$(($(sed 's/.*-//' /sys/devices/system/cpu/possible) + 1))
    [ "$possible" = "$CPUS" ] || subject=rest-possible.$possible
    measure() {
        awk '/^VmRSS/ { print "'"$subject"'.resident", $2 * 1024, "bytes" }' "/proc/$tracer/status" >> /out/figures
        grep -h memlock "/proc/$tracer"/fdinfo/* |
            awk '{ n += $2 } END { print "'"$subject"'.maps", n, "bytes" }' >> /out/figures
    }
    with_futexscope futexscope-default
fi

# Raw lines are "SUBJECT ROW WHAT NS", the untraced row of a subject first. What was added to it is the
# figure; for the page cache also the speed that is left, and a detach by what an empty program costs.
[ ! -e /tmp/raw ] || awk '
    function out(name, value, unit) { printf "%s %s %s\n", name, value, unit }
    {
        split($1, part, "-"); subject = $1; sub(/-/, ".", subject); isPage = $1 ~ /pages/
        name = subject "." $3 "." $2; key = $1 " " $3
        if ($2 == "untraced") { base[key] = $4; out(name, $4, isPage ? "ns-per-page" : "ns"); next }
        added = $4 - base[key]
        out(name, sprintf("%.1f", added), isPage ? "ns-added-per-page" : "ns-added")
        if (part[1] != "pages") next
        if ($2 ~ /^floor/) floor[key] = added
        else {
            out(name ".speed", sprintf("%.3f", base[key] / $4), "of-untraced")
            if (floor[key] > 10) out(name ".by-floor", sprintf("%.2f", added / floor[key]), "times")
        }
    }' /tmp/raw >> /out/figures
