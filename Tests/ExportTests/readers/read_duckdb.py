# SPDX-License-Identifier: Apache-2.0

"""Reads exports with DuckDB, as it finds them, and says what they add up to.

usage: read_duckdb.py FOLDER"""

import json
import sys

import duckdb

folder = sys.argv[1]


def one(sql):
    return duckdb.sql(sql).fetchall()[0]


def count(source, expression):
    rows = duckdb.sql(f"SELECT coalesce({expression}, ''), count(*) FROM {source} GROUP BY 1").fetchall()
    return dict(rows)


def tell(source, path, landmarks):
    findings, detaches, activities, losses = (
        source(name) for name in ("findings", "detaches", "activities", "losses"))
    told = dict(zip(("findings", "passes", "durationNs"), map(
        int, one(f"SELECT count(*), sum(passes), sum(duration_ns) FROM {findings}"))))
    told["causes"], told["comms"] = count(findings, "cause"), count(findings, "comm")
    told["detaches"], told["detachPages"] = map(int, one(f"SELECT count(*), sum(pages) FROM {detaches}"))
    told["detachCauses"], told["paths"] = count(detaches, "cause"), count(detaches, path)
    told["landmarks"] = count(detaches, landmarks)
    told["activities"], told["activityNs"] = map(int, one(f"SELECT count(*), sum(duration_ns) FROM {activities}"))
    told["activityKinds"] = count(activities, "kind || ' ' || phase")
    told["losses"], told["lost"] = map(int, one(f"SELECT count(*), sum(count) FROM {losses}"))
    return told


json.dump({
    "csv": tell(lambda name: f"read_csv('{folder}/{name}.csv')", "path", "landmarks"),
    "json": tell(
        lambda name: f"read_json('{folder}/{name}.jsonl')", "page.path", "array_to_string(landmarks, ' ')"),
}, sys.stdout)
