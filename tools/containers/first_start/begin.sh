#!/bin/sh
# Starts a database as its image does, only that a first start which was killed half way begins
# again: the image would take the half for a whole. VOLUME is the folder that is mounted.
set -eu
if [ -e "$VOLUME/.begun" ]; then
    echo "The first start was cut short: it begins again"
    find "$VOLUME" -mindepth 1 -delete
fi
if [ -z "$(ls -A "$VOLUME")" ]; then
    touch "$VOLUME/.begun"
fi
exec docker-entrypoint.sh "$@"
