# Runs in the guest, time following instructions: every figure is a difference within this one boot.
# Leaves /out/figures with lines "name value unit". What cannot be had is said on standard error.
# WHAT chooses: futex pages start. The host prepends it.

figures=/out/figures
wants() { case " $WHAT " in *" $1 "*) true ;; *) false ;; esac; }
skip() { echo "SKIPPED $*" >&2; }

# wait_for FILE PID
wait_for() {
    until [ -e "$1" ]; do
        kill -0 "$2" 2> /dev/null || return 1
        usleep 50000
    done
}

# with NAME COMMAND...: starts a tracer that makes /tmp/ready once it is attached; the function `while_traced`
# measures, and then the tracer is interrupted.
with() {
    name=$1
    shift
    rm -f /tmp/ready
    "$@" > /tmp/tracer.out 2> /tmp/tracer.err &
    tracer=$!
    if ! wait_for /tmp/ready "$tracer"; then
        skip "$name: $(tail -n 1 /tmp/tracer.err)"
        return
    fi
    sleep 1
    while_traced "$name"
    kill -INT "$tracer"
    wait "$tracer"
}

# bpftrace has no ready file; a command given with -c runs when its probes are attached.
cat > /tmp/ready.sh <<'SH'
#!/bin/sh
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
    rm -f /tmp/findings
    with "$name" futexscope trace -f json -o /tmp/findings --ready-file /tmp/ready "$@"
}
# Whether the binary knows how to attach like this.
attaches() { futexscope trace --attach "$1" --dry-run > /dev/null 2>&1; }

sleep 5

if wants futex; then
    futex_row() {
        futex > /tmp/row
        while read -r what ns; do
            if [ "$1" = untraced ]; then
                eval "untraced_$what=$ns"
                echo "futex.$what.untraced $ns ns"
            else
                eval "base=\$untraced_$what"
                echo "futex.$what.$1 $(awk "BEGIN { printf \"%.1f\", $ns - $base }") ns-added"
            fi
        done < /tmp/row >> $figures
    }
    while_traced() { futex_row "$1"; }
    futex_row untraced
    with floor-fentry floor fentry get_futex_key /tmp/ready
    with floor-kprobe floor kprobe get_futex_key /tmp/ready
    with_futexscope futexscope-default
    attaches callsite && with_futexscope futexscope-callsite --attach callsite || skip "futexscope-callsite: no such hook"
    with_futexscope futexscope-fentry --attach fentry
    with_futexscope futexscope-kprobe --attach kprobe
    with_futexscope futexscope-all --all
    with_bpftrace bpftrace-kprobe-count -e 'kprobe:get_futex_key { @ = count(); }'
    with_bpftrace bpftrace-equal-work-fentry /usr/bin/equal-work-fentry.bt
    with_bpftrace bpftrace-equal-work-kprobe /usr/bin/equal-work-kprobe.bt
    # The first row again: what the boot itself changed meanwhile.
    futex | while read -r what ns; do
        eval "base=\$untraced_$what"
        echo "futex.$what.untraced-again $(awk "BEGIN { printf \"%.1f\", $ns - $base }") ns-added"
    done >> $figures
fi

if wants pages; then
    mkdir -p /mnt/large-tmpfs
    mount -t tmpfs -o huge=always tmpfs /mnt/large-tmpfs
    mount /mnt/xfs
    pages_row() {
        for fs in tmpfs large-tmpfs ext4 xfs; do
            pages /mnt/$fs | while read -r what ns; do echo "pages.$fs.$what.$1 $ns ns-per-page"; done >> $figures
        done
    }
    while_traced() { pages_row "$1"; }
    pages_row untraced
    with floor-detach floor raw_tp mm_filemap_delete_from_page_cache /tmp/ready
    with_futexscope futexscope-default
fi

if wants start; then
    for round in 1 2 3; do
        start /tmp/ready futexscope trace -f json --ready-file /tmp/ready 2> /tmp/err | sed "s/^/futexscope-default /"
        start /tmp/ready futexscope trace -f json --attach kprobe --ready-file /tmp/ready 2> /tmp/err | sed "s/^/futexscope-kprobe /"
        start /tmp/ready bpftrace -c "/bin/busybox sh /tmp/ready.sh" -e 'kprobe:get_futex_key { @ = count(); } kretprobe:get_futex_key { @r = count(); }' 2> /tmp/err | sed "s/^/bpftrace-two-probes /"
    done > /tmp/starts
    # The middle one of three.
    sort -k1,2 -k3n /tmp/starts | awk '{ if (++n % 3 == 2) print $2 "." $1, $3, "ms" }' >> $figures
fi
