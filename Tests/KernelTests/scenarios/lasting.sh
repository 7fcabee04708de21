# What every kernel shows, preemptible or not: what doctor says, and the pages that never have a mapping, first as a user
# traces who asks for nothing, then with every lookup followed.
futexscope doctor -f json > doctor.json 2> doctor.err
echo $? > doctor.status
for depth in "" --full; do
    name=default
    [ -z "$depth" ] || name=full
    start_trace $name || exit
    provoke $name-zero-page zero-page --calls 1000
    provoke $name-special-mapping special-mapping --calls 1000
    end_trace
done
