# SPDX-License-Identifier: Apache-2.0
# A kernel locked down, a process without rights, a kernel without BTF: each refusal has its own words,
# and `trace` says the same as `doctor`. The guest is booted with lockdown=confidentiality.

# refusal NAME COMMAND...: runs trace and doctor through COMMAND
refusal() {
    name=$1
    shift
    "$@" futexscope trace -d 1 > "$name.out" 2> "$name.err"
    echo $? > "$name.status"
    "$@" futexscope doctor > "$name.doctor" 2>&1
    echo $? > "$name.doctor.status"
    "$@" futexscope doctor --ftrace-recipe > "$name.recipe" 2> "$name.recipe.err"
    echo $? > "$name.recipe.status"
}

as_nobody() { su -s /bin/sh nobody -c "$*"; }
echo 'nobody:x:65534:65534::/:/bin/sh' > /etc/passwd
refusal nobody as_nobody
refusal unmounted env
mount -t securityfs securityfs /sys/kernel/security
refusal lockdown env
mount -t tmpfs tmpfs /sys/kernel/btf
umount /sys/kernel/security
refusal btf env
