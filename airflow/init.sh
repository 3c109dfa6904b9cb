#!/bin/sh
# Brings Airflow's database up to date, and gives the administrator and the pools the values of the
# settings. Safe to run at every start.
set -eu
airflow db migrate
for kind in forests regressions; do
    airflow pools set "training_$kind" "$TRAINING_SLOTS" "Tasks that train $kind"
done
airflow users create --username admin --password="$AIRFLOW_ADMIN_PASSWORD" --role Admin \
    --firstname Admin --lastname Admin --email admin@localhost
airflow users reset-password --username admin --password="$AIRFLOW_ADMIN_PASSWORD"
