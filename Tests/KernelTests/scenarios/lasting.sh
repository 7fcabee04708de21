# SPDX-License-Identifier: Apache-2.0
# What every kernel shows, preemptible or not: what doctor says, and the pages that never have a mapping, first as a user
# traces who asks for nothing, then with every lookup followed.
futexscope doctor -f json > doctor.json 2> doctor.err
echo $? > doctor.status
for depth in "" --full; do
    stage=default
    [ -z "$depth" ] || stage=full
    start_trace $stage || exit
    provoke $stage-zero-page zero-page --calls 1000
    provoke $stage-special-mapping special-mapping --calls 1000
    end_trace
done
