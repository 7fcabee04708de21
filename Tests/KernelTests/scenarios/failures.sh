# SPDX-License-Identifier: Apache-2.0
# Every EFAULT without an observation, at the default depth and with every lookup followed; and the control, whose calls
# succeed. The victim waits for its names to be looked up: each run makes 300 calls.
futexscope doctor > doctor.txt 2>&1
for depth in "" --full; do
    stage=default
    [ -z "$depth" ] || stage=full
    start_trace $stage --record $stage.ctf || exit
    for failure in unmapped-address no-permission beyond-end-of-file device-memory secret-memory poisoned \
        read-only-anonymous no-memory ordinary; do
        provoke $stage-$failure $failure --calls 300
    done
    end_trace
    futexscope report -f json $stage.ctf > $stage.report.json 2> $stage.report.err
done
