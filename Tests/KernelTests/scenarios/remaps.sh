# SPDX-License-Identifier: Apache-2.0
# Victims whose memory area is replaced right behind the removal of its page, one trace for each place and replacement.
# `remaps` is remaps.c.
for place in tmpfs huge; do
    for replacement in anonymous file offset; do
        start_trace "$place-$replacement" || exit
        remaps "/mnt/$place" "$replacement" 8 > "$place-$replacement.out" 2> "$place-$replacement.run.err"
        echo $? > "$place-$replacement.run.status"
        end_trace
        rm -f "/mnt/$place/removed" /mnt/tmpfs/other
    done
done
