#!/usr/bin/env bash
# Stops the JupyterHub that start.sh started: stop.sh [--purge]
#
# --purge deletes its data as well; what was installed stays.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
state_folder jupyterhub
halt jupyterhub
if [ "${1:-}" = --purge ]; then
  rm -f hub.sqlite cookie_secret proxy.pid env port token jupyterhub.log install.log
fi
