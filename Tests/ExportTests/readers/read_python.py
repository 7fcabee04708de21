# SPDX-License-Identifier: Apache-2.0

"""Reads exports with the csv and json modules of Python and says what they add up to.

usage: read_python.py FOLDER"""

import collections
import csv
import json
import sys

folder = sys.argv[1]


def rows(name):
    with open(f"{folder}/{name}.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            # A field too many is under None, one too few is None.
            assert None not in row and None not in row.values(), row
            yield row


def lines(name):
    with open(f"{folder}/{name}.jsonl", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def total(values):
    return sum(int(value) for value in values if value not in ("", None))


def count(values):
    return dict(collections.Counter("" if value is None else value for value in values))


def tell(read, flat):
    findings, detaches, activities, losses = (
        list(read(name)) for name in ("findings", "detaches", "activities", "losses"))
    page, landmarks = (lambda row, key: row[key]), (lambda row: row["landmarks"])
    path = lambda row: row["call_path"]
    if not flat:
        page, landmarks = (lambda row, key: row["page"][key]), (lambda row: " ".join(row["landmarks"]))
        path = lambda row: ";".join(row.get("call_path", []))
    return {
        "findings": len(findings), "passes": total(row["passes"] for row in findings),
        "durationNs": total(row["duration_ns"] for row in findings),
        "causes": count(row["cause"] for row in findings), "comms": count(row["comm"] for row in findings),
        "detaches": len(detaches), "detachPages": total(row["pages"] for row in detaches),
        "detachCauses": count(row["cause"] for row in detaches), "paths": count(page(row, "path") for row in detaches),
        "landmarks": count(map(landmarks, detaches)), "callPaths": count(map(path, detaches)),
        "activities": len(activities), "activityNs": total(row["duration_ns"] for row in activities),
        "activityKinds": count(row["kind"] + " " + row["phase"] for row in activities),
        "losses": len(losses), "lost": total(row["count"] for row in losses),
    }


json.dump({"csv": tell(rows, True), "json": tell(lines, False)}, sys.stdout)
