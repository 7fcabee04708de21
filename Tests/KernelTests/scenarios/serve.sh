# SPDX-License-Identifier: Apache-2.0
# The service: what it counts is what was provoked, its answers are what other people's readers read, and whatever
# is sent to it, tracing goes on.

# get NAME PATH OPTION...: one answer's body in NAME
get() {
    name=$1 path=$2
    shift 2
    wget -q -O "$name" "$@" "http://127.0.0.1:9435$path" 2> "$name.err"
    echo $? > "$name.status"
}

# raw NAME: sends standard input as it is, head and body of the answer in NAME
raw() { timeout 20 nc 127.0.0.1 9435 > "$1" 2> /dev/null; }

# start_serve NAME OPTION...
start_serve() {
    service=$1
    shift
    futexscope serve --ready-file "/tmp/$service.ready" $depth "$@" > "$service.out" 2> "$service.err" &
    server=$!
    until [ -e "/tmp/$service.ready" ]; do
        if ! kill -0 "$server" 2> /dev/null; then
            wait "$server"
            echo $? > "$service.status"
            return 1
        fi
        usleep 100000
    done
}

end_serve() {
    kill -TERM "$server"
    wait "$server"
    echo $? > "$service.status"
}

start_serve serve -f json -n provoke-victim || exit
get before.metrics /metrics
get healthz.first /healthz
provoke zero zero-page --calls 1000
provoke hole hole-punch -d 2 --path /mnt/tmpfs
# Findings come a moment after the counters, and scrapes within a quarter of a second share one answer.
sleep 1
get after.metrics /metrics
get after.openmetrics /metrics --header "Accept: application/openmetrics-text"
get page.html /

# What no client should do.
printf 'GET /../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' | raw traversal
printf 'DELETE /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' | raw method
printf 'POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc' | raw body
{ printf 'GET /metrics HTTP/1.1\r\nX: '; head -c 1048576 /dev/zero | tr '\0' x; printf '\r\n\r\n'; } | raw header
printf 'GET /healthz HTTP/1.0\r\n\r\n' | raw early
printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' | raw pipeline
printf 'GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n' | raw rebinding
head -c 100000 /dev/urandom | raw rubbish
slow=
i=0
while [ "$i" -lt 200 ]; do
    { printf 'GET /metrics HTTP/1.1\r\n'; sleep 8; } | nc 127.0.0.1 9435 > /dev/null 2>&1 &
    slow="$slow $!"
    i=$((i + 1))
done
sleep 2
get crowded.metrics /metrics
kill $slow 2> /dev/null
provoke more zero-page --calls 500
sleep 1
get last.metrics /metrics
get healthz.last /healthz

# The port is bound before anything is attached.
futexscope serve > taken.out 2> taken.err
echo $? > taken.status
futexscope serve --listen 0.0.0.0:9436 2> open.err
echo $? > open.status

# Requests one after the other, into the end.
(while wget -q -O /dev/null http://127.0.0.1:9435/metrics; do :; done) 2> /dev/null &
usleep 300000
end_serve
wait

# A disk that is too small for the findings, and then has room again.
mkdir /tmp/small
mount -t tmpfs -o size=256k tmpfs /tmp/small
head -c 131072 /dev/zero > /tmp/small/ballast
start_serve full -o /tmp/small/findings.jsonl -n provoke-victim || exit
provoke crowd zero-page --calls 1000
sleep 1
get full.metrics /metrics
get full.healthz /healthz
rm /tmp/small/ballast
provoke after zero-page --calls 23
sleep 1
get full.last.metrics /metrics
end_serve
cp /tmp/small/findings.jsonl full.jsonl
umount /tmp/small

if [ "$MODULE" ]; then
    # A livepatch takes the function out from under the probes: the service has to say that it sees nothing.
    start_serve blind || exit
    get seeing /healthz
    insmod "$MODULE"
    until [ "$(cat /sys/kernel/livepatch/*/transition)" = 0 ]; do usleep 100000; done
    i=0
    while wget -q -O /dev/null http://127.0.0.1:9435/healthz 2> /dev/null && [ $i -lt 300 ]; do
        i=$((i + 1))
        usleep 100000
    done
    printf 'GET /healthz HTTP/1.0\r\n\r\n' | raw blind.healthz
    get blind.metrics /metrics
    end_serve

    # A loop that was killed is none for long.
    start_serve loops || exit
    provoke loop zero-page --calls 1 &
    provocation=$!
    find_victim
    i=0
    until grep -q '^futexscope_looping_tasks 1' looping.metrics 2> /dev/null || [ $i -ge 100 ]; do
        i=$((i + 1))
        usleep 100000
        get looping.metrics /metrics
    done
    get looping.html /
    kill -9 "$victim"
    wait "$provocation"
    i=0
    until grep -q '^futexscope_looping_tasks 0' killed.metrics 2> /dev/null || [ $i -ge 100 ]; do
        i=$((i + 1))
        usleep 100000
        get killed.metrics /metrics
    done
    end_serve

    # A loop that lasts: the kernel does not let go of the probes of one service, and so attaches none of the next.
    start_serve leaving || exit
    provoke lasting zero-page --calls 1 &
    provocation=$!
    find_victim
    end_serve
    futexscope serve --ready-file /tmp/coming.ready > coming.out 2> coming.err &
    server=$! service=coming
    i=0
    until grep -q 'not attached' coming.err || [ $i -ge 900 ]; do
        i=$((i + 1))
        usleep 100000
    done
    [ ! -e /tmp/coming.ready ]
    echo $? > held.status
    get waiting /healthz
    kill -9 "$victim"
    wait "$provocation"
    until [ -e /tmp/coming.ready ]; do usleep 100000; done
    get come /healthz
    end_serve
fi
