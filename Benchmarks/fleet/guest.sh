# One host of a fleet: a service at each depth, scraped while nothing happens and while provocations never stop. The
# host prepends SCRAPES.

# scrapes NAME: so many, four in a second, each a file
scrapes() {
    i=1000
    while [ $((i += 1)) -le $((1000 + SCRAPES)) ]; do
        wget -q -O "$1.$i" "http://127.0.0.1:9435/metrics" || exit
        usleep 250000
    done
}

cpu_ns() { awk '$1 == "process_cpu_seconds_total" { printf "%.0f\n", $2 * 1e9 }'; }

for depth in sentinel full; do
    option=''
    [ "$depth" = sentinel ] || option=--full
    # shellcheck disable=SC2086 # nothing, or one word
    futexscope serve $option -f json --ready-file "/tmp/$depth.ready" > "$depth.json" 2> "$depth.err" &
    service=$!
    until [ -e "/tmp/$depth.ready" ]; do
        kill -0 "$service" 2> /dev/null || exit 1
        usleep 100000
    done
    usleep 2000000
    wget -q -O - http://127.0.0.1:9435/metrics | cpu_ns > "$depth.cpu"
    scrapes "$depth.idle"
    wget -q -O - http://127.0.0.1:9435/metrics | cpu_ns >> "$depth.cpu"
    while true; do
        futexscope provoke zero-page --calls 5
        futexscope provoke hole-punch -d 1 --path /mnt/tmpfs
        futexscope provoke truncate -d 1 --path /mnt/ext4
        futexscope provoke direct-io-invalidation -d 1 --path /mnt/ext4
    done > /dev/null 2>&1 &
    provocations=$!
    scrapes "$depth.busy"
    kill "$provocations"
    kill -INT "$service"
    wait "$service"
done
