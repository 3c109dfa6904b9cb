"""Requests made from the documentation, good ones and bad ones: none breaks the service."""

from typing import Any

import msgspec
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from covertype import answers
from covertype.contract import CLASSES

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
]

GET = ("/", "/health", "/ready", "/model", "/metrics", "/ping", "/version")
POST = ("/predict", "/predict/batch", "/invocations", "/feedback")


@pytest.fixture(scope="module")
def documented(client: TestClient) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", client.app)


def test_every_route_is_asked(documented: Any) -> None:
    assert set(documented) == {*GET, *POST}


def test_every_json_answer_is_documented_by_the_struct_that_it_is_made_of(
    client: TestClient,
) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    documented = {
        schema["$ref"].rpartition("/")[2]
        for path in document["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        if "application/json" in (content := response.get("content", {}))
        for answer in [content["application/json"]["schema"]]
        for schema in answer.get("anyOf", [answer])
    }
    assert documented == {
        "BatchAnswer",
        "ErrorAnswer",
        "ExplainedAnswer",
        "FeedbackAnswer",
        "HealthAnswer",
        "InvalidAnswer",
        "ModelAnswer",
        "NotReadyAnswer",
        "PredictionAnswer",
        "ReadyAnswer",
        "RootAnswer",
        "ScoringAnswer",
    }
    for name in documented:
        fields = msgspec.structs.fields(getattr(answers, name))
        assert list(schemas[name]["properties"]) == [field.encode_name for field in fields]
        assert schemas[name]["required"] == list(schemas[name]["properties"])


def test_the_documentation_of_an_answer_lists_labels_and_bounds(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    properties = schemas["PredictionAnswer"]["properties"]
    assert properties["label"]["enum"] == list(CLASSES)
    assert properties["probabilities"]["required"] == list(CLASSES)
    assert (properties["prediction"]["minItems"], properties["prediction"]["maxItems"]) == (1, 1)
    assert schemas["BatchAnswer"]["properties"]["label"]["items"]["enum"] == list(CLASSES)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        # There is nothing wrong to send to what takes nothing.
        *(("GET", path, GenerationMode.POSITIVE) for path in GET),
        *(("POST", path, mode) for path in POST for mode in GenerationMode),
    ],
)
def test_the_service_keeps_what_its_documentation_says(
    documented: Any, method: str, path: str, mode: GenerationMode
) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(documented[path][method].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        # No schema can say which text is a right CSV.
        loose = [positive_data_acceptance] if case.media_type == "text/csv" else []
        case.call_and_validate(checks=[check for check in CHECKS if check not in loose])

    ask()
