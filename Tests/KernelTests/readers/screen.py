# SPDX-License-Identifier: Apache-2.0
# What a terminal shows of a log that terminal.c wrote: pyte's emulator, fed up to each action, in the size
# that the terminal had until then. Prints one JSON object a line for each moment: what was done, the lines, the
# cursor, and whether the alternate screen is on. Fed further in small pieces, to see what nobody should see:
# a screen that is half empty between two frames is counted as a flicker.
import json
import sys

import pyte

log, columns, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = open(log, "rb").read()


class Screen(pyte.Screen):
    alternate = False
    switched = 0

    def set_mode(self, *modes, **arguments):
        if 1049 in modes:
            self.alternate = True
            self.switched += 1
        return super().set_mode(*modes, **arguments)

    def reset_mode(self, *modes, **arguments):
        if 1049 in modes:
            self.alternate = False
        return super().reset_mode(*modes, **arguments)


screen = Screen(columns, rows)
stream = pyte.ByteStream(screen)
done = 0
flickers = 0
for line in open(log + ".actions"):
    offset, kind, *value = line.split()
    while done < int(offset):
        piece = min(int(offset) - done, 256)
        was = sum(1 for row in screen.display if row.strip())
        stream.feed(data[done : done + piece])
        done += piece
        now = sum(1 for row in screen.display if row.strip())
        if screen.alternate and screen.switched == 1 and was > 4 and now < was / 2:
            flickers += 1
    print(
        json.dumps(
            {
                "action": kind,
                "value": " ".join(value),
                "lines": [row.rstrip() for row in screen.display],
                "alternate": screen.alternate,
                "switched": screen.switched,
                "cursor_hidden": screen.cursor.hidden,
                "flickers": flickers,
            }
        )
    )
    if kind == "size":
        columns, rows = map(int, value[0].split("x"))
        screen.resize(rows, columns)
