#!/bin/sh
# Installs one member of the workspace into /opt/venv, at the versions of the lock. Every image of
# a Python service runs it twice: --no-install-workspace installs the dependencies alone, so that a
# change of code does not install them again; --no-editable adds the package `covertype`.
set -eu
package=$1
shift
export UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/opt/venv UV_PYTHON_DOWNLOADS=never
command -v uv >/dev/null || pip install --quiet --root-user-action ignore -r uv.txt
exec uv sync --frozen --no-dev --package "$package" "$@"
