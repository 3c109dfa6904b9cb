#!/bin/sh
# Gives the pools that models are trained in the slots of the settings.
set -eu
airflow pools import /dev/stdin <<END
{
  "training_forests": {"slots": $TRAINING_SLOTS, "description": "Tasks that train forests"},
  "training_regressions": {"slots": $TRAINING_SLOTS, "description": "Tasks that train regressions"}
}
END
