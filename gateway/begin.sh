#!/bin/sh
# Fills the settings into the templates, and becomes nginx.
set -eu
# Bodies that a kill left behind.
rm -rf /var/cache/gateway/*

for template in /etc/gateway/*.template; do
  name=${template##*/}
  # The names are given, because nginx has $variables of its own.
  envsubst '$ANSWER_TIMEOUT_SECONDS $GATEWAY_MAX_REQUESTS $IDLE_TIMEOUT_SECONDS $MAX_BODY_BYTES
    $REQUEST_TIMEOUT_SECONDS' < "$template" > "/tmp/${name%.template}"
done

# As many connections as this container may have.
ulimit -n "$(ulimit -Hn)"
exec nginx -c /tmp/nginx.conf -e stderr "$@"
