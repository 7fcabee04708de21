# SPDX-License-Identifier: Apache-2.0
# Pages of files that their paths lead to, and of such that no path leads to; and tasks whose control groups
# say whose work they do. A trace each, with a recording. `nameless` is nameless.c.

# within GROUP COMMAND...: in a control group of its own
within() {
    group=/sys/fs/cgroup/$1
    shift
    mkdir -p "$group"
    sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$group" "$@"
}

# punch NAME DIRECTORY: a provocation in the background that is under way; `observe` ends it
punch() {
    futexscope provoke hole-punch -d 90 --path "$2" -f json > "$1.provoke.json" 2> "$1.provoke.err" &
    puncher=$!
    until file=$(ls "$2"/futexscope-provoke-* 2> /dev/null); do usleep 20000; done
    # The victim has mapped it before it calls.
    until grep -q -x provoke-victim /proc/[0-9]*/comm 2> /dev/null; do usleep 20000; done
    usleep 300000
}

# observe NAME: a trace of a provocation that is under way, until it has found something
observe() {
    start_trace "$1" --record "$1.ctf" || exit
    tries=0
    until [ -s "$1.json" ] || [ $((tries += 1)) = 100 ]; do usleep 100000; done
    kill -TERM "$puncher"
    wait "$puncher"
    end_trace
}

punch linked /mnt/tmpfs
observe linked

punch deleted /mnt/tmpfs
rm "$file"
# What has the name now is another file.
echo other > "$file"
observe deleted
rm -f "$file"

punch named /mnt/tmpfs
mv "$file" "/mnt/tmpfs/a file (deleted)"
observe named
rm "/mnt/tmpfs/a file (deleted)"

mkdir /tmp/lazy
mount -t tmpfs lazy /tmp/lazy
punch unreachable /tmp/lazy
umount -l /tmp/lazy
observe unreachable

# A mount that only the victim has.
mkdir /tmp/private
unshare -m sh -c 'mount -t tmpfs private /tmp/private && exec futexscope provoke hole-punch -d 90 --path /tmp/private -f json' \
    > other-root.provoke.json 2> other-root.provoke.err &
puncher=$!
until grep -q -x provoke-victim /proc/[0-9]*/comm 2> /dev/null; do usleep 20000; done
usleep 300000
observe other-root

if modprobe overlay 2> /dev/null; then
    mkdir /mnt/tmpfs/upper /mnt/tmpfs/work /mnt/tmpfs/lower /tmp/merged
    mount -t overlay overlay -o lowerdir=/mnt/tmpfs/lower,upperdir=/mnt/tmpfs/upper,workdir=/mnt/tmpfs/work /tmp/merged
    punch overlay /tmp/merged
    observe overlay
fi

id=9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d
pods=kubepods.slice/kubepods-burstable.slice
pod=kubepods-burstable-pod74c13223_5a00_11e9_b385_42010a80018d.slice
start_trace sysv --record sysv.ctf || exit
within "$pods/$pod/cri-containerd-$id.scope" nameless sysv 60
end_trace
start_trace anonymous --record anonymous.ctf || exit
within "system.slice/docker-$id.scope" nameless anonymous 60
end_trace
start_trace memory --record memory.ctf || exit
within "system.slice/app.service/worker" nameless memory 60
end_trace
