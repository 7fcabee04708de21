# SPDX-License-Identifier: Apache-2.0
# The same run seen by an independent observer: a bpftrace script that knows nothing of futexscope
# counts shared lookups of the victim, those that failed, and the folio unlocks inside them at which
# the page had no mapping (struct page has it at offset 24 on every kernel here).
cat > oracle.bt <<'BT'
kprobe:get_futex_key /comm == "provoke-victim" && (arg1 & SHARED)/ { @in[tid] = 1; @lookups = count(); }
kprobe:get_user_pages_fast /@in[tid]/ { @pinning[tid] = 1; }
kretprobe:get_user_pages_fast /@in[tid]/ { delete(@pinning[tid]); }
kprobe:UNLOCK /@in[tid] && !@pinning[tid] && *(uint64 *)(arg0 + 24) == 0/ { @observations = count(); }
kretprobe:get_futex_key /@in[tid]/ { if (retval == 0xfffffff2 || retval == 0xfffffffffffffff2) { @failed = count(); } delete(@in[tid]); }
BT
unlock=folio_unlock
grep -q ' folio_unlock$' /proc/kallsyms || unlock=unlock_page
# The second argument is a bool up to 6.6; after that bit 0x10 of the flags means shared.
shared=0x10
case $KERNEL in 5.10 | 6.1) shared=0xff ;; esac
sed -i "s/UNLOCK/$unlock/; s/SHARED/$shared/" oracle.bt
start_trace observed -n provoke-victim || exit
bpftrace -o oracle.txt oracle.bt 2> oracle.err &
oracle=$!
until grep -q Attaching oracle.txt 2> /dev/null; do
    kill -0 "$oracle" 2> /dev/null || { cat oracle.err >&2; exit 1; }
    usleep 200000
done
# "Attaching" is said before it is done.
until grep -q 'get_user_pages_fast' /sys/kernel/debug/kprobes/list; do usleep 200000; done
usleep 3000000
provoke oracle-zero zero-page --calls 1000
provoke oracle-punch hole-punch -d 2 --path /mnt/tmpfs
kill -INT "$oracle"
wait "$oracle"
end_trace
