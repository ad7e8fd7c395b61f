#!/usr/bin/env bash
# Starts JupyterHub and its proxy: start.sh [PORT]
#
# PORT 0, the default, takes a free one. Starts nothing when it runs already. Afterwards the file
# `env` in the state folder has BASE_URL and TOKEN.
# STATE_DIR and PYTHON may be set; TOKEN may be set before the first start.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
need curl npm setsid "$PYTHON"
state_folder jupyterhub
python_packages venv "$here/requirements.txt"

proxy=configurable-http-proxy@5.3.0
if [ "$(cat proxy.version 2>/dev/null)" != "$proxy" ]; then
  npm install --no-save --silent --no-audit --no-fund --prefix "$STATE_DIR" "$proxy" \
    >install.log 2>&1 || fail "$proxy could not be installed" "$STATE_DIR/install.log"
  echo "$proxy" >proxy.version
fi

answers() { curl -sf -m 3 -o /dev/null -H "Authorization: token $TOKEN" "$url/users"; }

if [ ! -s token ]; then
  (umask 077 && printf '%s\n' "${TOKEN:-$("$PYTHON" -c 'import secrets; print(secrets.token_hex(24))')}" >token)
fi
TOKEN=$(cat token)
export TOKEN

if ! running jupyterhub; then
  # The proxy, the Hub behind it, and the proxy's own interface.
  if [ "${1:-0}" != 0 ]; then
    PORTS="$1 $(free_ports 2)"
  else
    PORTS=$(free_ports 3)
  fi
  export PORTS
  # shellcheck disable=SC2086 # three words
  refuse_taken $PORTS
  echo "${PORTS%% *}" >port
  launch jupyterhub venv/bin/jupyterhub -f "$here/jupyterhub_config.py"
fi
url=http://127.0.0.1:$(cat port)/hub/api
await jupyterhub "${READY_SECONDS:-120}" answers

(umask 077 && printf 'BASE_URL=%q\nTOKEN=%q\n' "$url" "$TOKEN" >env)
echo "JupyterHub is ready at $url, its values are in $STATE_DIR/env"
