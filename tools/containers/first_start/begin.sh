#!/bin/sh
# Starts a database as its image does. If the first start was killed half way, it starts over: the
# image would use the unfinished database. VOLUME is the mounted folder.
set -eu
if [ -e "$VOLUME/.begun" ]; then
    echo "The first start was interrupted: it begins again"
    find "$VOLUME" -mindepth 1 -delete
fi
if [ -z "$(ls -A "$VOLUME")" ]; then
    touch "$VOLUME/.begun"
fi
exec docker-entrypoint.sh "$@"
