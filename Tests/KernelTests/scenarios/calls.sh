# SPDX-License-Identifier: Apache-2.0
# Futex calls that come to the kernel in unusual ways; `calls` is calls.c.
start_trace calls || exit
calls > calls.out 2> calls.run.err
echo $? > calls.run.status
end_trace
