# SPDX-License-Identifier: Apache-2.0
# Work of an io_uring within another system call; `rings` is rings.c.
start_trace rings || exit
rings > rings.out 2> rings.run.err
echo $? > rings.run.status
end_trace
