"""Addresses in MLflow's and Airflow's interfaces, as a person's browser reaches them."""

from covertype.registry.names import MODEL_NAME
from covertype_ui.settings import settings

COLLECTION_DAG = "descargar_datos_api"
PREPROCESSING_DAG = "preprocess_covertype"
MONITORING_DAG = "monitor_data_drift"


def mlflow_version(version: str) -> str:
    return f"{settings().mlflow_public_url}/#/models/{MODEL_NAME}/versions/{version}"


def mlflow_run(experiment_id: str, run_id: str) -> str:
    return f"{mlflow_experiment(experiment_id)}/runs/{run_id}"


def mlflow_experiment(experiment_id: str) -> str:
    return f"{settings().mlflow_public_url}/#/experiments/{experiment_id}"


def airflow() -> str:
    return settings().airflow_public_url


def airflow_dag(dag_id: str) -> str:
    return f"{airflow()}/dags/{dag_id}"
