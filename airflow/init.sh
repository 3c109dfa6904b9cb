#!/bin/sh
# Brings Airflow's database up to date, and gives the administrator and the pools the values of the
# settings. Safe to run at every start.
set -eu
airflow db migrate
"$(dirname "$0")/pools.sh"
airflow users create --username admin --password="$AIRFLOW_ADMIN_PASSWORD" --role Admin \
    --firstname Admin --lastname Admin --email admin@localhost
airflow users reset-password --username admin --password="$AIRFLOW_ADMIN_PASSWORD"
