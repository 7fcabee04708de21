# SPDX-License-Identifier: Apache-2.0

"""Reads a trace with Perfetto's own trace processor and says what it adds up to.

usage: read_perfetto.py TRACE"""

import json
import sys

import trace_processor

with open(sys.argv[1], "rb") as file:
    trace = file.read()

arguments = "JOIN args ON args.arg_set_id = slice.arg_set_id"


def noted(key, category):
    return f"""FROM slice {arguments} WHERE slice.category = '{category}' AND args.key = 'debug.{key}'"""


def number(sql):
    return lambda rows: int(rows[0]["n"] or 0), f"SELECT {sql}"


def count(sql):
    return lambda rows: {row["k"] or "": row["n"] for row in rows}, f"SELECT {sql} GROUP BY 1"


def area(name):
    """What a counter of rates counted in all."""
    return number(
        "round(sum(value * (next - ts)) / 1e9) AS n FROM (SELECT value, ts, lead(ts) OVER (ORDER BY ts) AS next "
        f"FROM counter JOIN track ON track.id = counter.track_id WHERE track.name = '{name}')")


asked = {
    "lookups": number("count(*) AS n FROM slice WHERE category = 'lookup'"),
    "openLookups": number("count(*) AS n FROM slice WHERE category = 'lookup' AND dur = -1"),
    "passes": number("sum(int_value) AS n " + noted("passes", "lookup")),
    "durationNs": number("sum(dur) AS n FROM slice WHERE category = 'lookup' AND dur >= 0"),
    "causes": count("string_value AS k, count(*) AS n " + noted("cause", "lookup")),
    "comms": count("string_value AS k, count(*) AS n " + noted("comm", "lookup")),
    "detaches": number("count(*) AS n FROM slice WHERE category = 'detach'"),
    "detachCauses": count("name AS k, count(*) AS n FROM slice WHERE category = 'detach'"),
    "detachPages": number("sum(int_value) AS n " + noted("pages", "detach")),
    "activities": number("count(*) AS n FROM slice WHERE category = 'activity'"),
    "openActivities": number("count(*) AS n FROM slice WHERE category = 'activity' AND dur = -1"),
    "activityNs": number("sum(dur) AS n FROM slice WHERE category = 'activity' AND dur >= 0"),
    "activityKinds": count("name AS k, count(*) AS n FROM slice WHERE category = 'activity'"),
    "lost": number("sum(int_value) AS n " + noted("count", "loss")),
    "losses": number("count(*) AS n FROM slice WHERE category = 'loss'"),
    "flows": number("count(*) AS n FROM flow"),
    # A flow begins at a detach, or goes on from a lookup to the next one that met the same detach.
    "flowsFromDetaches": number(
        "count(*) AS n FROM flow JOIN slice ON slice.id = slice_out WHERE slice.category = 'detach'"),
    "flowsBackInTime": number(
        "count(*) AS n FROM flow JOIN slice a ON a.id = slice_out JOIN slice b ON b.id = slice_in WHERE b.ts < a.ts"),
    "flowsToLookups": number(
        "count(*) AS n FROM flow JOIN slice ON slice.id = slice_in "
        "WHERE slice.category = 'lookup' OR slice.category = 'met' "
        "AND slice.parent_id IN (SELECT id FROM slice WHERE category = 'lookup')"),
    # Only what a lookup met lies on another slice.  Losses of one moment lie on each other.
    "deepSlices": number("count(*) AS n FROM slice WHERE depth > (category = 'met') AND category != 'loss'"),
    "tracks": count("ifnull(p.name, '') AS k, count(*) AS n FROM track t LEFT JOIN track p ON p.id = t.parent_id"),
    # Without the idle thread, which every trace has.
    "threads": number("count(*) AS n FROM thread WHERE tid > 0"),
    "observed": area("observations per second"),
    "failed": area("failures per second"),
    "wallClockNs": number(
        "clock_value - ts AS n FROM clock_snapshot WHERE clock_name = 'REALTIME'"),
    "errors": count("name AS k, sum(value) AS n FROM stats WHERE value > 0 AND severity != 'info'"),
    "releases": count("str_value AS k, count(*) AS n FROM metadata WHERE name = 'system_release'"),
}
answers = trace_processor.query(trace, [sql for _, sql in asked.values()])
json.dump({"trace": {key: read(rows) for (key, (read, _)), rows in zip(asked.items(), answers)}}, sys.stdout)
