#!/usr/bin/env bash
# Starts a Roundup tracker on SQLite, with a class for groups of users: start.sh [PORT]
#
# PORT 0, the default, takes a free one. Starts nothing when it runs already. Afterwards the file
# `env` in the state folder has BASE_URL, IDENTITY and PASSWORD.
# STATE_DIR and PYTHON may be set; PASSWORD may be set before the first start.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
need curl setsid "$PYTHON"
state_folder roundup
python_packages venv "$here/requirements.txt"

answers() { curl -sf -m 10 -o /dev/null -u "admin:$PASSWORD" -H 'X-Requested-With: rest' "$url/rest/data/user"; }

if [ ! -s password ]; then
  (umask 077 && printf '%s\n' "${PASSWORD:-$("$PYTHON" -c 'import secrets; print(secrets.token_urlsafe(18))')}" >password)
fi
PASSWORD=$(cat password)
if [ ! -s port ]; then
  port=${1:-0}
  [ "$port" != 0 ] || port=$(free_ports 1)
  echo "$port" >port
fi
port=$(cat port)
# The tracker knows its own address, and refuses writes that claim to come from another.
url=http://127.0.0.1:$port
if [ ! -e initialised ]; then
  rm -rf tracker
  admin() { venv/bin/roundup-admin -i "$STATE_DIR/tracker" "$@" >>init.log 2>&1 || fail "roundup-admin $1 failed" "$STATE_DIR/init.log"; }
  : >init.log
  admin install classic sqlite
  sed -i "s|^#\?web = NO DEFAULT|web = $url/|; s|^#\?domain = NO DEFAULT|domain = example.test|; s|^#\?host = NO DEFAULT|host = localhost|; s|^debug = \$|debug = $STATE_DIR/mail.log|" tracker/config.ini
  # Every call is a sign-in, and one with as many rounds as a real tracker has takes half a second.
  sed -i "s|^#\?password_pbkdf2_default_rounds = .*|password_pbkdf2_default_rounds = 1000|" tracker/config.ini
  "$PYTHON" "$here/extend_schema.py" tracker
  admin initialise "$PASSWORD"
  touch initialised
fi

if ! running roundup; then
  refuse_taken "$port"
  launch roundup venv/bin/python "$here/serve.py" "$STATE_DIR/tracker" "127.0.0.1:$port"
fi
await roundup "${READY_SECONDS:-60}" answers

(umask 077 && printf 'BASE_URL=%q\nIDENTITY=admin\nPASSWORD=%q\n' "$url" "$PASSWORD" >env)
echo "Roundup is ready at $url, its values are in $STATE_DIR/env"
