#!/usr/bin/env bash
# Airflow for one machine. `airflow standalone` would also serve its logs on every address of the
# machine and start a triggerer, which no DAG here needs.
set -euo pipefail

airflow db migrate
airflow pools set training "$TRAINING_SLOTS" "Tasks that train" &
pool=$!
airflow api-server &
airflow scheduler --skip-serve-logs &
airflow dag-processor &

wait "$pool"
# The first part to end ends this script, and with it the platform, which then names the log.
wait -n
