#!/usr/bin/env bash
# Stops the Keystone that start.sh started: stop.sh [--purge]
#
# --purge deletes its data as well; what was installed stays.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
state_folder keystone
halt keystone
if [ "${1:-}" = --purge ]; then
  rm -rf initialised keystone.db fernet-keys credential-keys credential password env port keystone.conf \
    keystone.log init.log seed.log install.log
fi
