#!/usr/bin/env bash
# Drives the bridge in front of real applications: run.sh [pocketbase|jupyterhub|keystone|roundup|all]
#
# For each: starts the application, starts the bridge with a configuration and a store of its own, plays
# drive.py, and stops whatever it started. An application that ran before is left running.
# SCIMBRIDGE is the bridge's binary, PYTHON the Python to make environments with; state is kept below
# ${TMPDIR:-/tmp}/scimbridge-real.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
root=$(cd "$here/../.." && pwd)
bridge=${SCIMBRIDGE:-$root/target/debug/scimbridge}
[ -x "$bridge" ] || fail "there is no bridge at $bridge: build it, or set SCIMBRIDGE"
bridge=$(cd "$(dirname "$bridge")" && pwd)/$(basename "$bridge")
export PYTHONDONTWRITEBYTECODE=1
unset STATE_DIR PASSWORD TOKEN BASE_URL IDENTITY CREDENTIAL SECRET

mapping_values() { # APP: [tenants.config] for its mapping
  case $1 in
    pocketbase) printf '%s\n' 'url = "${BASE_URL}"' 'identity = "${IDENTITY}"' 'password = "${PASSWORD}"' ;;
    jupyterhub) printf '%s\n' 'url = "${BASE_URL}"' 'token = "${TOKEN}"' ;;
    roundup) printf '%s\n' 'url = "${BASE_URL}"' 'username = "${IDENTITY}"' 'password = "${PASSWORD}"' ;;
    keystone) printf '%s\n' 'url = "${BASE_URL}"' 'credential = "${CREDENTIAL}"' 'secret = "${SECRET}"' ;;
  esac
}

lacks() { # APP: capabilities that the application does not have, as tests/corpus names them
  case $1 in
    # Addresses are one and must be there; nothing beyond what one sees in the mapping.
    pocketbase) echo attr:emails.home,attr:emails.other,attr:emails.optional,attr:enterprise,attr:manager,attr:roles,attr:phoneNumbers,attr:addresses,attr:title,attr:nickName,attr:name.honorific ;;
    # Names in small letters, groups that keep theirs, and an account of the Hub's own in the list.
    jupyterhub) echo groups:rename,userName:letter-case,list:complete-users,attr:manager,attr:roles,attr:phoneNumbers,attr:addresses,attr:nickName,attr:name.honorific ;;
    # One address.
    keystone) echo attr:emails.home,attr:emails.other,attr:addresses,attr:name.honorific ;;
    # One address, which stays, and one phone; names of ASCII letters, digits and a few signs.
    roundup) echo userName:any-characters,attr:emails.home,attr:emails.other,attr:emails.optional,attr:phoneNumbers,attr:addresses,attr:roles,attr:manager,attr:nickName ;;
  esac
}

address() { # prints where the bridge listens, once its log says so
  sed -n 's/.*"message":"SCIM port open".*"address":"\([^"]*\)".*/\1/p; s/.*"address":"\([^"]*\)".*"message":"SCIM port open".*/\1/p' bridge.log | head -n 1 | grep .
}

stop_all() {
  halt bridge
  [ $was_running = yes ] || (unset STATE_DIR && "$here/$app/stop.sh")
}

drive() { # APP
  local app_state status=0
  app=$1 was_running=no # the trap below sees no local variables
  state_folder drive
  app_state=$(dirname "$STATE_DIR")/$app
  python_packages venv "$here/requirements.txt"
  (cd "$app_state" 2>/dev/null && running "$app") && was_running=yes
  trap stop_all EXIT
  (unset STATE_DIR && "$here/$app/start.sh")
  # shellcheck disable=SC1091
  . "$app_state/env"
  export BASE_URL IDENTITY=${IDENTITY:-} PASSWORD=${PASSWORD:-} TOKEN=${TOKEN:-} CREDENTIAL=${CREDENTIAL:-} SECRET=${SECRET:-}
  SCIM_TOKEN=$("$PYTHON" -c 'import secrets; print(secrets.token_hex(32))')
  export SCIM_TOKEN

  halt bridge
  rm -f bridge.db bridge.db-shm bridge.db-wal
  {
    printf '[listen]\nscim = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
    printf '[store]\nurl = "sqlite:%s/bridge.db"\n' "$STATE_DIR"
    printf '[log]\nformat = "json"\nlevel = "info"\n'
    printf '[[tenants]]\nname = "real"\nmapping = "%s"\nbase_path = "/real"\ntoken_env = "SCIM_TOKEN"\n' "$root/mappings/$app.yaml"
    printf '[tenants.config]\n'
    mapping_values "$app"
  } >bridge.toml
  "$bridge" check "$root/mappings/$app.yaml" || fail "the mapping does not pass its own check"
  launch bridge "$bridge" serve --config bridge.toml
  await bridge 30 address >/dev/null
  venv/bin/python "$here/drive.py" --base "http://$(address)/real" --token "$SCIM_TOKEN" --app "$app" || status=1
  "$PYTHON" "$here/replay.py" --base "http://$(address)/real/scim/v2" --token "$SCIM_TOKEN" --timeout 60 \
    --corpus "$root/tests/corpus" --without "$(lacks "$app")" --report corpus.json || status=1
  [ $status = 0 ] || { echo "--- end of the bridge's log"; tail -n "${LOG_LINES:-15}" bridge.log; }
  return $status
}

case ${1:-all} in
  pocketbase | jupyterhub | keystone | roundup) drive "$1" ;;
  all)
    status=0
    for app in pocketbase jupyterhub keystone roundup; do "$0" "$app" || status=1; done
    exit $status
    ;;
  *) fail "usage: run.sh [pocketbase|jupyterhub|keystone|roundup|all]" ;;
esac
