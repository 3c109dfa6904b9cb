"""What a user finds: a platform that came up by itself and made a first model."""

import boto3
import pymysql
import requests

from covertype.registry.names import ALIAS, MODEL_NAME, STAGE
from tests.compose.stack import PORTS, Stack

DAGS = {
    "descargar_datos_api",
    "preprocess_covertype",
    "train_logreg_model",
    "train_logreg_model2",
    "train_rf_model",
}


def test_administrator_logs_in_and_finds_every_dag_without_import_errors(stack: Stack) -> None:
    dags = stack.airflow("GET", "dags", params={"limit": 100})["dags"]
    assert {dag["dag_id"] for dag in dags} >= DAGS
    assert not any(dag["is_paused"] for dag in dags)
    assert stack.airflow("GET", "importErrors")["import_errors"] == []


def test_wrong_password_is_refused(stack: Stack) -> None:
    answer = requests.post(
        f"{stack.address('AIRFLOW_PORT')}/auth/token",
        json={"username": "admin", "password": "guess"},
        timeout=30,
    )
    assert answer.status_code == 401


def test_loop_ends_in_production_and_predicts_with_it(in_production: Stack) -> None:
    version = in_production.mlflow.get_model_version_by_alias(MODEL_NAME, ALIAS)
    answer = in_production.predict()
    assert version.current_stage == STAGE
    assert answer.status_code == 200
    assert answer.json()["model_version"] == str(version.version)
    assert len(answer.json()["prediction"]) == 1


def test_artifacts_are_in_minio_and_metadata_in_mysql(in_production: Stack) -> None:
    version = in_production.mlflow.get_model_version_by_alias(MODEL_NAME, ALIAS)
    minio = boto3.client(
        "s3",
        endpoint_url=in_production.address("MINIO_PORT"),
        aws_access_key_id="minioadmin",
        aws_secret_access_key="minioadmin",
        region_name="us-east-1",
    )
    pages = minio.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
    keys = {found["Key"] for page in pages for found in page.get("Contents", ())}
    models = [key for key in keys if key.endswith("/model.skops")]
    model = version.source.removeprefix("models:/")
    assert sum(model in key for key in models) == 1

    runs = in_production.account().runs
    with (
        pymysql.connect(
            host="127.0.0.1",
            port=PORTS["MYSQL_PORT"],
            user="mlflow_user",
            password="mlflow_password",
            database="mlflow_db",
        ) as database,
        database.cursor() as cursor,
    ):
        cursor.execute("select run_uuid from runs where lifecycle_stage = 'active'")
        assert {row[0] for row in cursor.fetchall()} == set(runs)
    of_searches = [run for run, (search, _, _) in runs.items() if search]
    assert of_searches
    for run in of_searches:
        (made,) = in_production.mlflow.get_run(run).outputs.model_outputs
        assert sum(made.model_id in key for key in models) == 1


def test_client_stores_artifacts_without_any_key(in_production: Stack) -> None:
    for service, container in in_production.containers().items():
        variables = dict(one.partition("=")[::2] for one in container["Config"]["Env"])
        has_key = bool(variables.get("AWS_SECRET_ACCESS_KEY"))
        assert has_key == (service in {"mlflow", "minio-bucket"}), service


def test_form_answers(in_production: Stack) -> None:
    address = in_production.address("UI_PORT")
    assert requests.get(f"{address}/_stcore/health", timeout=10).text == "ok"
    assert "streamlit" in requests.get(address, timeout=10).text.lower()


def test_airflow_shows_the_log_of_a_task(in_production: Stack) -> None:
    dag, run = next(one for one in in_production.dag_runs() if one[0] == "preprocess_covertype")
    log = in_production.airflow(
        "GET",
        f"dags/{dag}/dagRuns/{run}/taskInstances/preprocess_files/logs/1",
        params={"full_content": "true"},
    )
    assert "new files with" in str(log["content"])
