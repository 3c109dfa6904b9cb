#!/bin/sh
# Empties the folder of temporary files, then starts a server: one that was killed left its own.
set -eu
find "$TMPDIR" -mindepth 1 -delete
exec "$@"
