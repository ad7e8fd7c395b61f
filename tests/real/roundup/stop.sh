#!/usr/bin/env bash
# Stops the Roundup that start.sh started: stop.sh [--purge]
#
# --purge deletes its data as well; what was installed stays.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
state_folder roundup
halt roundup
if [ "${1:-}" = --purge ]; then
  rm -rf tracker initialised env port password roundup.log init.log install.log mail.log
fi
