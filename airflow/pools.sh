#!/bin/sh
# Sets the slots of the training pools from the settings.
set -eu
airflow pools import /dev/stdin <<END
{
  "training_forests": {"slots": $TRAINING_SLOTS, "description": "Tasks that train forests"},
  "training_regressions": {"slots": $TRAINING_SLOTS, "description": "Tasks that train regressions"}
}
END
