# SPDX-License-Identifier: Apache-2.0
# Reads a dashboard with the types that Grafana publishes and prints every path in it for which they have no place, one
# a line, with values left out.
import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(given, kept, path):
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(kept, dict) or key not in kept:
                # What is empty may be left out.
                if value not in (None, "", [], {}, False, 0):
                    yield f"{path}.{key}"
            else:
                yield from lost(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list):
        for number, value in enumerate(given):
            yield from lost(value, kept[number] if number < len(kept) else None, f"{path}[{number}]")
    elif given != kept:
        yield f"{path}: {given!r} becomes {kept!r}"


register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    given = json.load(file)
kept = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
for line in lost(given, kept, "dashboard"):
    print(line)
