#!/bin/sh
# Migrates Airflow's database, and sets the administrator's password and the pools from the settings.
# Idempotent: it runs at every start.
set -eu
airflow db migrate
"$(dirname "$0")/pools.sh"
airflow users create --username admin --password="$AIRFLOW_ADMIN_PASSWORD" --role Admin \
    --firstname Admin --lastname Admin --email admin@localhost
airflow users reset-password --username admin --password="$AIRFLOW_ADMIN_PASSWORD"
