# SPDX-License-Identifier: Apache-2.0
# Compares each JSON line of the files in a folder with docs/lines.schema.json, as another program's validator reads it,
# and prints how many lines of each type there were. In this test the schema has to know every key: a key without a
# description would be one that was forgotten.

import collections
import json
import pathlib
import sys

import fastjsonschema


def closed(schema):
    """The same schema, with every object closed to keys that it does not name."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema:
            schema["additionalProperties"] = False
        return schema
    if isinstance(schema, list):
        return [closed(element) for element in schema]
    return schema


root = pathlib.Path(__file__).resolve().parents[3]
schema = json.loads((root / "docs/lines.schema.json").read_text())
kinds = {}
for name in (place["$ref"].rpartition("/")[2] for place in schema["oneOf"]):
    one = closed({"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"})
    validate = fastjsonschema.compile(one)
    kind = schema["$defs"][name]["properties"]["type"]
    kinds.update(dict.fromkeys(kind.get("enum") or [kind["const"]], validate))

count = collections.Counter()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = json.loads(text)
        try:
            kinds[line["type"]](line)
        except (KeyError, fastjsonschema.JsonSchemaException) as error:
            sys.exit(f"{path.name}, line {number}: {error!r}: {text[:400]}")
        count[line["type"]] += 1
print(json.dumps({"lines": count}))
