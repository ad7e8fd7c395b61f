#!/usr/bin/env bash
# Stops the PocketBase that start.sh started: stop.sh [--purge]
#
# --purge deletes its data as well; what was installed stays.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
state_folder pocketbase
halt pocketbase
if [ "${1:-}" = --purge ]; then
  rm -rf data env port password pocketbase.log init.log seed.log install.log
fi
