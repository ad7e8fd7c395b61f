#!/usr/bin/env bash
# Starts OpenStack Keystone on SQLite: start.sh [PORT]
#
# PORT 0, the default, takes a free one. Starts nothing when it runs already. Afterwards the file
# `env` in the state folder has BASE_URL, CREDENTIAL and SECRET, and PASSWORD, the administrator's.
# STATE_DIR and PYTHON may be set. LIST_LIMIT is how many records Keystone puts on a page; few, so
# that the bridge has pages to follow.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
need curl setsid "$PYTHON"
state_folder keystone
python_packages venv "$here/requirements.txt"

answers() { curl -sf -m 5 -o /dev/null "$url/v3"; }
manage() {
  venv/bin/keystone-manage --config-file keystone.conf "$@" >>init.log 2>&1 ||
    fail "keystone-manage $1 failed" "$STATE_DIR/init.log"
}

cat >keystone.conf <<C
[DEFAULT]
max_param_size = 255
[database]
connection = sqlite:///$STATE_DIR/keystone.db
[fernet_tokens]
key_repository = $STATE_DIR/fernet-keys
[fernet_receipts]
key_repository = $STATE_DIR/fernet-keys
[credential]
key_repository = $STATE_DIR/credential-keys
[identity]
list_limit = ${LIST_LIMIT:-20}
C
if [ ! -s password ]; then
  (umask 077 && "$PYTHON" -c 'import secrets; print(secrets.token_urlsafe(18))' >password)
fi
PASSWORD=$(cat password)
export PASSWORD
if [ ! -e initialised ]; then
  rm -rf keystone.db fernet-keys credential-keys credential
  mkdir -m 700 fernet-keys credential-keys
  : >init.log
  whose=(--keystone-user "$(id -un)" --keystone-group "$(id -gn)")
  manage db_sync
  manage fernet_setup "${whose[@]}"
  manage credential_setup "${whose[@]}"
  OS_BOOTSTRAP_PASSWORD=$PASSWORD manage bootstrap --bootstrap-username admin \
    --bootstrap-project-name admin --bootstrap-role-name admin
  touch initialised
fi

if ! running keystone; then
  port=${1:-0}
  [ "$port" != 0 ] || port=$(free_ports 1)
  refuse_taken "$port"
  echo "$port" >port
  url=http://127.0.0.1:$port
  OS_KEYSTONE_CONFIG_FILES=$STATE_DIR/keystone.conf launch keystone venv/bin/python "$here/serve.py" "127.0.0.1:$port"
fi
url=http://127.0.0.1:$(cat port)
await keystone "${READY_SECONDS:-120}" answers
[ -s credential ] || (umask 077 && "$PYTHON" "$here/seed.py" "$url/v3" >credential 2>seed.log) || {
  rm -f credential
  fail "the application credential could not be made" "$STATE_DIR/seed.log"
}

{ read -r CREDENTIAL && read -r SECRET; } <credential
(umask 077 && printf 'BASE_URL=%q\nCREDENTIAL=%q\nSECRET=%q\nPASSWORD=%q\n' \
  "$url" "$CREDENTIAL" "$SECRET" "$PASSWORD" >env)
echo "Keystone is ready at $url, its values are in $STATE_DIR/env"
