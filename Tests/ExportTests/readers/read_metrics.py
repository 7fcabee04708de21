# SPDX-License-Identifier: Apache-2.0

"""Reads an answer of /metrics with Prometheus' own parsers and says what it holds: each series with its value.

usage: read_metrics.py FILE   (OpenMetrics where it ends with # EOF)"""

import json
import sys

from prometheus_client import openmetrics, parser
import prometheus_client.openmetrics.parser

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()

read = openmetrics.parser if text.endswith("# EOF\n") else parser
series = {}
for family in read.text_string_to_metric_families(text):
    if not family.documentation or family.type == "unknown":
        sys.exit(f"{family.name} has no HELP or no TYPE")
    for sample in family.samples:
        labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
        if series.setdefault(f"{sample.name} {labels}", sample.value) is not sample.value:
            sys.exit(f"{sample.name} {labels} is there twice")
json.dump(series, sys.stdout)
