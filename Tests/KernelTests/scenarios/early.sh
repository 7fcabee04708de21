# SPDX-License-Identifier: Apache-2.0
# 5.10, as far as it goes: no bpf_find_vma(), no preemption of kernel code. What is missing has to be
# said by `doctor`, and what cannot be known has to be `unknown`.
futexscope doctor -f json > doctor.json 2> doctor.err
echo $? > doctor.status
start_trace early || exit
provoke zero-page zero-page --calls 1000
provoke drop-caches drop-caches -d 1 --path /mnt/ext4
end_trace
# What is measured without BTF must be what BTF says.
futexscope doctor --ftrace-recipe > btf.recipe 2> btf.err
mkdir /tmp/nothing
mount --bind /tmp/nothing /sys/kernel/btf
futexscope doctor --ftrace-recipe > measured.recipe 2> measured.err
