#!/usr/bin/env bash
# Starts PocketBase with a collection of users and one of groups: start.sh [PORT]
#
# PORT 0, the default, takes a free one. Starts nothing when it runs already. Afterwards the file
# `env` in the state folder has BASE_URL, IDENTITY and PASSWORD.
# STATE_DIR and PYTHON may be set; PASSWORD may be set before the first start.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
need curl setsid "$PYTHON"
state_folder pocketbase
python_packages venv "$here/requirements.txt"

answers() { curl -sf -m 5 -o /dev/null "$url/api/health"; }

export IDENTITY=bridge@example.com
if [ ! -s password ]; then
  (umask 077 && printf '%s\n' "${PASSWORD:-$("$PYTHON" -c 'import secrets; print(secrets.token_urlsafe(18))')}" >password)
fi
PASSWORD=$(cat password)
export PASSWORD
if [ ! -e data/data.db ]; then
  # Not when it exists: a second time would end every session of the superuser.
  venv/bin/pocketbase superuser upsert "$IDENTITY" "$PASSWORD" --dir "$STATE_DIR/data" \
    >init.log 2>&1 || fail "the superuser could not be made" "$STATE_DIR/init.log"
fi

if ! running pocketbase; then
  port=${1:-0}
  [ "$port" != 0 ] || port=$(free_ports 1)
  refuse_taken "$port"
  echo "$port" >port
  url=http://127.0.0.1:$port
  launch pocketbase venv/bin/pocketbase serve --http "127.0.0.1:$port" --dir "$STATE_DIR/data" \
    --hooksWatch=false --automigrate=false
fi
url=http://127.0.0.1:$(cat port)
await pocketbase "${READY_SECONDS:-60}" answers
"$PYTHON" "$here/seed.py" "$url/api" >seed.log 2>&1 ||
  fail "the collections could not be made" "$STATE_DIR/seed.log"

(umask 077 && printf 'BASE_URL=%q\nIDENTITY=%q\nPASSWORD=%q\n' "$url/api" "$IDENTITY" "$PASSWORD" >env)
echo "PocketBase is ready at $url, its values are in $STATE_DIR/env"
