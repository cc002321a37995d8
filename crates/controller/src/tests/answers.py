# Holds real answers against the OpenAPI document with readers that are not ours: the document itself with openapi-spec-validator,
# each answer with jsonschema. Stricter than a client should be: a field that is not described is an error here.
# stdin: {"document": ..., "answers": [{"id", "status", "media", "body"}]}; stdout: what is wrong, one line each.
import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

given = json.load(sys.stdin)
document = given["document"]
for error in OpenAPIV31SpecValidator(document).iter_errors():
    print("document:", error.message)
operations = {o["operationId"]: o for path in document["paths"].values() for o in path.values()}
for schema in document["components"]["schemas"].values():
    if "properties" in schema:
        schema["additionalProperties"] = False
for answer in given["answers"]:
    name = f"{answer['id']} {answer['status']}"
    response = operations[answer["id"]]["responses"].get(str(answer["status"]))
    if response is None:
        print(f"{name}: the status is not described")
        continue
    media = answer["media"].split(";")[0]
    if media not in response["content"]:
        print(f"{name}: {media} is not described")
        continue
    body = json.loads(answer["body"]) if media == "application/json" else answer["body"]
    schema = {**response["content"][media]["schema"], "components": document["components"]}
    for error in Draft202012Validator(schema).iter_errors(body):
        print(f"{name}: {error.json_path}: {error.message}")
