#!/bin/sh
# The hook of scripts/quickstart: adds a line to the file that it is given.
set -eu
echo "$HAYLOFT_EVENT $HAYLOFT_ACTION ${HAYLOFT_STATUS:-}" >>"$1"
