"""Checks documents against docs/schemas, the part of JSON Schema draft-07 that they use. A member
that the schema does not name is a complaint: the schemas document everything that is written. So is
an unknown keyword: a schema may not promise what is not checked."""

import json
import os
import re

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/schemas")
TYPES = {"null": type(None), "number": (int, float), "object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
SILENT = {"$schema", "$id", "title", "description", "definitions"}


def cdi_specification():
    """The schema of CDI specifications, which are not ours."""
    with open(os.path.join(FOLDER, "../../tests/support/cdi-specification.json")) as source:
        return json.load(source)


def load(name):
    with open(os.path.join(FOLDER, name.removeprefix("flense/").replace("/", "-") + ".json")) as source:
        schema = json.load(source)
    assert schema["$id"] == name, schema["$id"]
    return schema


def complaints(document, name):
    """What is wrong with `document` by a schema, or by the name of one of ours ("flense/plan/v1"); empty when it
    conforms."""
    root, found = name if isinstance(name, dict) else load(name), []

    def check(schema, value, place):
        def complain(what):
            found.append(f"{place}: {what}")
        for key, rule in schema.items():
            if key == "$ref":
                check(root["definitions"][rule.removeprefix("#/definitions/")], value, place)
            elif key == "type":
                # To Python, True is an integer.
                if not any(isinstance(value, TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))
                           for kind in ([rule] if isinstance(rule, str) else rule)):
                    complain(f"no {rule}")
                    return
            elif key in ("const", "enum"):
                if value not in ([rule] if key == "const" else rule):
                    complain(f"{value!r} is no choice")
            elif key == "required":
                for member in rule:
                    if member not in value:
                        complain(f"{member} is missing")
            elif key == "properties":
                for member, inner in value.items():
                    if member in rule:
                        check(rule[member], inner, f"{place}.{member}")
                    else:
                        complain(f"{member} is not in the schema")
            elif key == "additionalProperties":
                for member, inner in value.items():
                    check(rule, inner, f"{place}.{member}")
            elif key == "items":
                for number, inner in enumerate(value):
                    check(rule, inner, f"{place}[{number}]")
            elif key == "minimum":
                if value < rule:
                    complain("too small")
            elif key == "maxItems":
                if len(value) > rule:
                    complain("too many items")
            elif key == "minLength":
                if len(value) < rule:
                    complain("too short")
            elif key == "pattern":
                if not re.search(rule, value):
                    complain("does not match")
            elif key not in SILENT:
                complain(f"keyword {key} is not checked")

    check(root, document, "$")
    return found
