"""The data that links the DAGs, each named once."""

from airflow.sdk import Asset

RAW_DATA = Asset(
    name="covertype_raw",
    uri="covertype://raw",
    extra={"holds": "files that descargar_datos_api wrote"},
)
TRAINING_DATA = Asset(
    name="covertype_training",
    uri="covertype://training",
    extra={"holds": "snapshots that preprocess_covertype announced"},
)
