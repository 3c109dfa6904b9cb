"""What the documentation says of routes that read their bodies themselves, from the contract."""

from typing import Any

from covertype.contract import CATEGORIES, CLASSES, FEATURES, QUANTITIES, Category, Feature
from inference.api.http import CSV, JSON

_BY_INDEX = [*(quantity.example for quantity in QUANTITIES), *(0 for _ in CATEGORIES)]
_BY_NAME = [
    *_BY_INDEX[: -len(CATEGORIES)],
    *(category.values[0] for category in CATEGORIES),
]
_NAMED = {feature.name: value for feature, value in zip(FEATURES, _BY_NAME, strict=True)}
_NUMBER = {"type": "number"}
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


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {JSON: {"schema": schema, "examples": named}}


def _responses(schema: dict[str, Any], **others: Any) -> dict[int | str, dict[str, Any]]:
    fault = _object(loc=_list({"type": ["string", "integer"]}), msg=_STRING, type=_STRING)
    sentence = {JSON: {"schema": _object(detail=_STRING)}}
    return {
        200: {"description": "The answer", "content": {JSON: {"schema": schema}, **others}},
        408: {"description": "The body took too long to arrive", "content": sentence},
        413: {"description": "The body is too long", "content": sentence},
        422: {
            "description": "Which values are wrong, and what is allowed",
            "content": {JSON: {"schema": _object(detail=_list(fault))}},
        },
        503: {"description": "No model is in Production yet, or too busy", "content": sentence},
    }


def _route(content: dict[str, Any], responses: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
        "responses": responses,
    }


_CSV_TEXT = {CSV: {"schema": _STRING}}
_CSV_LINES = {
    CSV: {
        "schema": _STRING,
        "example": "\n".join(",".join(map(str, line)) for line in (_NAMED, _BY_NAME, "")),
    }
}

PREDICT = _route(
    _body(
        _object(features=_OBSERVATION),
        by_index={"features": _BY_INDEX},
        by_name={"features": _BY_NAME},
        by_column={"features": _NAMED},
    ),
    _responses(
        _object(
            prediction={**_list({"type": "integer"}), "minItems": 1, "maxItems": 1},
            label={"enum": list(CLASSES)},
            probabilities=_object(**dict.fromkeys(CLASSES, _NUMBER)),
            model_version=_STRING,
            warnings=_list(_STRING),
        )
    ),
)

BATCH = _route(
    _body(_object(features=_OBSERVATIONS), many={"features": [_BY_INDEX, _BY_NAME, _NAMED]})
    | _CSV_LINES,
    _responses(
        _object(
            prediction=_list({"type": "integer"}),
            label=_list({"enum": list(CLASSES)}),
            probabilities=_object(**dict.fromkeys(CLASSES, _list(_NUMBER))),
            model_version=_STRING,
            warnings=_list(_STRING),
        ),
        **_CSV_TEXT,
    ),
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
    _responses(_object(predictions=_list({"type": "integer"}))),
)
