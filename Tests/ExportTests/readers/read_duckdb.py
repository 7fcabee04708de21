# SPDX-License-Identifier: Apache-2.0

"""Reads exports with DuckDB, as it finds them, and says what they add up to.

usage: read_duckdb.py FOLDER"""

import csv
import json
import pathlib
import re
import sys

import duckdb

folder = sys.argv[1]


def one(sql):
    return duckdb.sql(sql).fetchall()[0]


def count(source, expression):
    rows = duckdb.sql(f"SELECT coalesce({expression}, ''), count(*) FROM {source} GROUP BY 1").fetchall()
    return dict(rows)


def tell(source, path, landmarks, call_path):
    findings, detaches, activities, losses = (
        source(name) for name in ("findings", "detaches", "activities", "losses"))
    reported = dict(zip(("findings", "passes", "durationNs"), map(
        int, one(f"SELECT count(*), sum(passes), sum(duration_ns) FROM {findings}"))))
    reported["causes"], reported["comms"] = count(findings, "cause"), count(findings, "comm")
    reported["detaches"], reported["detachPages"] = map(int, one(f"SELECT count(*), sum(pages) FROM {detaches}"))
    reported["detachCauses"], reported["paths"] = count(detaches, "cause"), count(detaches, path)
    reported["landmarks"] = count(detaches, landmarks)
    reported["callPaths"] = count(detaches, call_path)
    reported["activities"], reported["activityNs"] = map(int, one(f"SELECT count(*), sum(duration_ns) FROM {activities}"))
    reported["activityKinds"] = count(activities, "kind || ' ' || phase")
    reported["losses"], reported["lost"] = map(int, one(f"SELECT count(*), sum(count) FROM {losses}"))
    return reported


def parquet():
    """The line of docs/export.md that makes one Parquet file of the findings of many hosts."""
    document = (pathlib.Path(__file__).resolve().parents[3] / "docs/export.md").read_text()
    line = re.search(r"^COPY \(.*?;$", document, re.MULTILINE | re.DOTALL)[0]
    # Of a run at the default depth, which has no passes and no durations.
    rows = csv.DictReader(open(f"{folder}/findings.csv", newline="", encoding="utf-8"))
    timeless = ("passes", "duration_ns", "lock_waits", "retries_mapping_changed", "retries_no_host", "retries_no_mapping")
    with open(f"{folder}/second-findings.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows.fieldnames)
        writer.writeheader()
        writer.writerows(row | dict.fromkeys(timeless, "") for row in rows)
    duckdb.sql(line.replace("*findings.csv", f"{folder}/*findings.csv").replace("'findings.parquet'", f"'{folder}/f.parquet'"))
    types = dict(duckdb.sql(f"SELECT name, type FROM parquet_schema('{folder}/f.parquet')").fetchall())
    for name in timeless + ("time_ns", "detach_age_ns", "observations", "page_inode", "detach_pid"):
        if types[name] != "INT64":
            sys.exit(f"{name} is {types[name]} in Parquet")
    for name in ("spurious", "unmapped", "incomplete", "detach_neighbour"):
        if types[name] != "BOOLEAN":
            sys.exit(f"{name} is {types[name]} in Parquet")
    both, timed, one_file = one(
        f"SELECT count(*), count(passes), (SELECT count(*) FROM read_csv('{folder}/findings.csv')) "
        f"FROM '{folder}/f.parquet'")
    if both != 2 * one_file or not 0 < timed <= one_file:
        sys.exit(f"{both} rows of 2 × {one_file} in Parquet, {timed} with passes")


def keywords():
    """No name of a column needs quotes in SQL."""
    reserved = {word for (word,) in duckdb.sql(
        "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'").fetchall()}
    # Reserved in MySQL, SQLite or PostgreSQL.
    reserved |= {"index", "key", "references", "order", "group", "range", "rank", "read", "write"}
    for name in ("findings", "detaches", "activities", "losses"):
        with open(f"{folder}/{name}.csv", newline="", encoding="utf-8") as file:
            for column in next(csv.reader(file)):
                if column in reserved or not re.fullmatch("[a-z][a-z0-9_]*", column):
                    sys.exit(f"{name}.csv has a column {column!r}")


keywords()
parquet()
json.dump({
    "csv": tell(lambda name: f"read_csv('{folder}/{name}.csv')", "path", "landmarks", "call_path"),
    "json": tell(
        lambda name: f"read_json('{folder}/{name}.jsonl')", "page.path", "array_to_string(landmarks, ' ')",
        "array_to_string(call_path, ';')"),
}, sys.stdout)
