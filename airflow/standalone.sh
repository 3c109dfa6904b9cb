#!/usr/bin/env bash
# Airflow for one machine. `airflow standalone` would also serve its logs on every address of the
# machine and start a triggerer, which no DAG here needs.
set -euo pipefail

airflow db migrate
"$(dirname "$0")/pools.sh" &
pools=$!
airflow api-server &
airflow scheduler --skip-serve-logs &
airflow dag-processor &

wait "$pools"
# The first part to end ends this script, and with it the platform, which then names the log.
wait -n
