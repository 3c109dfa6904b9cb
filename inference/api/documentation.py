"""OpenAPI: schemas of bodies are made from the contract, schemas of answers from the structs."""

from typing import Any

import msgspec
from fastapi import FastAPI

from covertype import answers
from covertype.contract import CATEGORIES, CLASSES, FEATURES, QUANTITIES, Category, Feature
from covertype.data.prediction_ids import PATTERN
from inference.api.feedback import MOST
from inference.api.http import CSV
from inference.api.responses import JSON

_BY_INDEX = [*(quantity.example for quantity in QUANTITIES), *(0 for _ in CATEGORIES)]
_BY_NAME = [
    *_BY_INDEX[: -len(CATEGORIES)],
    *(category.values[0] for category in CATEGORIES),
]
_NAMED = {feature.name: value for feature, value in zip(FEATURES, _BY_NAME, strict=True)}
_STRING = {"type": "string"}


def _value(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, Category):
        index = {"type": "integer", "minimum": 0, "maximum": len(feature.values) - 1}
        allowed: dict[str, Any] = {"anyOf": [{"enum": list(feature.values)}, index]}
    else:
        allowed = {"type": "integer", "minimum": feature.minimum, "maximum": feature.maximum}
    return allowed | {"description": f"{feature.description}. {feature.rule}"}


_BY_POSITION = {
    "type": "array",
    "prefixItems": [_value(feature) for feature in FEATURES],
    "minItems": len(FEATURES),
    "maxItems": len(FEATURES),
}
_BY_COLUMN = {
    "type": "object",
    "properties": {feature.name: _value(feature) for feature in FEATURES},
    "required": [feature.name for feature in FEATURES],
    "additionalProperties": False,
}
_OBSERVATION = {"anyOf": [_BY_POSITION, _BY_COLUMN]}
_OBSERVATIONS = {"type": "array", "items": _OBSERVATION, "minItems": 1}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {JSON: {"schema": schema, "examples": named}}


_REFERENCE = "#/components/schemas/{name}"
Responses = dict[int | str, dict[str, Any]]


def _response(description: str, *either: type[msgspec.Struct], **others: Any) -> dict[str, Any]:
    schemas: list[dict[str, Any]] = [
        {"$ref": _REFERENCE.format(name=answer.__name__)} for answer in either
    ]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": description, "content": {JSON: {"schema": schema}, **others}}


_REFUSED: Responses = {
    408: _response("The body took too long to arrive", answers.ErrorAnswer),
    413: _response("The body is too long", answers.ErrorAnswer),
    422: _response("Which values are invalid, and what is allowed", answers.InvalidAnswer),
    503: _response("No model is in Production yet, or too busy", answers.ErrorAnswer),
}


def _responses(*either: type[msgspec.Struct], **others: Any) -> Responses:
    return {200: _response("The answer", *either, **others), **_REFUSED}


def _route(content: dict[str, Any], responses: Responses, **others: Any) -> dict[str, Any]:
    return {
        "openapi_extra": {"requestBody": {"required": True, "content": content}, **others},
        "responses": responses,
    }


_CSV_TEXT = {CSV: {"schema": _STRING}}
_CSV_LINES = {
    CSV: {
        "schema": _STRING,
        "example": "\n".join(",".join(map(str, line)) for line in (_NAMED, _BY_NAME, "")),
    }
}

EXPLAIN = "explain"
"""The parameter of `/predict` that asks for an explanation."""

_EXPLAIN = {
    "name": EXPLAIN,
    "in": "query",
    "description": "Whether the answer explains itself: what each feature contributes to the "
    "probability of the predicted class along the forest's decision paths",
    "schema": {"type": "boolean", "default": False},
}
PREDICT = _route(
    _body(
        _object(features=_OBSERVATION),
        by_index={"features": _BY_INDEX},
        by_name={"features": _BY_NAME},
        by_column={"features": _NAMED},
    ),
    _responses(answers.PredictionAnswer, answers.ExplainedAnswer),
    parameters=[_EXPLAIN],
)

BATCH = _route(
    _body(_object(features=_OBSERVATIONS), many={"features": [_BY_INDEX, _BY_NAME, _NAMED]})
    | _CSV_LINES,
    _responses(answers.BatchAnswer, **_CSV_TEXT),
)

_CLASS = {"anyOf": [{"enum": list(CLASSES)}, {"enum": list(range(len(CLASSES)))}]}
_ID = {"type": "string", "pattern": f"^{PATTERN}$"}
_TRUTH = {
    "anyOf": [
        _object(prediction_id=_ID, cover_type=_CLASS) | {"additionalProperties": False},
        _object(features=_OBSERVATION, cover_type=_CLASS) | {"additionalProperties": False},
    ]
}
_TRUTHS = {"type": "array", "items": _TRUTH, "minItems": 1, "maxItems": MOST}
_OF_PREDICTION = {"prediction_id": "3f0c9a5e77d1b284-1795683566-41", "cover_type": CLASSES[4]}
_OF_OBSERVATION = {"features": _BY_NAME, "cover_type": 4}

FEEDBACK = _route(
    _body(
        {"anyOf": [*_TRUTH["anyOf"], _TRUTHS]},
        of_prediction=_OF_PREDICTION,
        of_observation=_OF_OBSERVATION,
        many=[_OF_PREDICTION, _OF_OBSERVATION],
    ),
    {202: _response("How many were taken", answers.FeedbackAnswer), **_REFUSED},
)

_SPLIT = _object(
    columns={"const": [feature.name for feature in FEATURES]},
    data={"type": "array", "items": _BY_POSITION, "minItems": 1},
)
INVOCATIONS = _route(
    _body(
        {
            "anyOf": [
                _object(dataframe_split=_SPLIT),
                _object(dataframe_records={"type": "array", "items": _BY_COLUMN, "minItems": 1}),
                _object(instances=_OBSERVATIONS),
                _object(inputs=_OBSERVATIONS),
            ]
        },
        dataframe_split={"dataframe_split": {"columns": list(_NAMED), "data": [_BY_NAME]}},
        dataframe_records={"dataframe_records": [_NAMED]},
        instances={"instances": [_BY_NAME]},
        inputs={"inputs": {name: [value] for name, value in _NAMED.items()}},
    )
    | _CSV_LINES,
    _responses(answers.ScoringAnswer),
)

_NO_MODEL = "No model is in Production yet"
ROOT: Responses = {200: _response("The service runs", answers.RootAnswer)}
HEALTH: Responses = {200: _response("The process is alive", answers.HealthAnswer)}
READY: Responses = {
    200: _response("A model is loaded", answers.ReadyAnswer),
    503: _response(_NO_MODEL, answers.NotReadyAnswer),
}
MODEL: Responses = {
    200: _response("The version that answers", answers.ModelAnswer),
    503: _response(_NO_MODEL, answers.ErrorAnswer),
}

_ANSWERS = (
    answers.BatchAnswer,
    answers.ErrorAnswer,
    answers.ExplainedAnswer,
    answers.FeedbackAnswer,
    answers.HealthAnswer,
    answers.InvalidAnswer,
    answers.ModelAnswer,
    answers.NotReadyAnswer,
    answers.PredictionAnswer,
    answers.ReadyAnswer,
    answers.RootAnswer,
    answers.ScoringAnswer,
)


def document_answers(app: FastAPI) -> None:
    """Add the schemas of all answers to the OpenAPI document of an app with all its routes."""
    _, schemas = msgspec.json.schema_components(_ANSWERS, ref_template=_REFERENCE)
    for schema in schemas.values():
        # The service sends every field, those with a default too.
        schema["required"] = list(schema["properties"])
    components = app.openapi().setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
