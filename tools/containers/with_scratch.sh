#!/bin/sh
# Empties the folder of temporary files, then starts a server: a killed server leaves its own.
# Servers that share the folder leave each other what is younger than SCRATCH_MINUTES.
set -eu
find "$TMPDIR" -mindepth 1 ${SCRATCH_MINUTES:+-cmin "+$SCRATCH_MINUTES"} -delete \
    || [ -n "${SCRATCH_MINUTES-}" ]
exec "$@"
