#!/bin/sh
# Empties the folder of temporary files, then starts a server: a killed server leaves its own.
set -eu
find "$TMPDIR" -mindepth 1 -delete
exec "$@"
