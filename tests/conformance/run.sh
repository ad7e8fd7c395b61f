#!/usr/bin/env bash
# Plays scim2-tester, a public SCIM 2.0 conformance suite, against the demo. No check may fail.
#
# SCIMBRIDGE is the bridge's binary, PYTHON the Python to make the environment with; state is kept
# below ${TMPDIR:-/tmp}/scimbridge-conformance.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bridge=${SCIMBRIDGE:-$root/target/debug/scimbridge}
[ -x "$bridge" ] || { echo "error: there is no bridge at $bridge: build it, or set SCIMBRIDGE" >&2; exit 1; }
state=${TMPDIR:-/tmp}/scimbridge-conformance
mkdir -p "$state"
cd "$state"

packages=$(cksum <"$here/requirements.txt")
if [ "$(cat installed 2>/dev/null)" != "$packages" ]; then
  rm -rf venv
  "${PYTHON:-python3}" -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  echo "$packages" >installed
fi

token=conformance-$$-$RANDOM$RANDOM
"$bridge" demo --listen 127.0.0.1:0 --token "$token" >demo.log 2>&1 &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  base=$(sed -n 's/^ *Base URL: *//p' demo.log)
  [ -n "$base" ] && break
  kill -0 "$demo" 2>/dev/null || { cat demo.log >&2; exit 1; }
  sleep 0.1
done
[ -n "$base" ] || { echo "error: the demo did not come up" >&2; cat demo.log >&2; exit 1; }

# The token goes through the environment: arguments can be read by every user of the machine.
export SCIM_CLI_HEADERS="Authorization: Bearer $token"
venv/bin/scim2 --url "$base" test --verbose >tester.log 2>&1 || true
passed=$(grep -c '^SUCCESS' tester.log || true)
failed=$(grep -cE '^(ERROR|CRITICAL)' tester.log || true)
skipped=$(grep -c '^SKIPPED' tester.log || true)
grep -E '^(ERROR|CRITICAL|SKIPPED)' -A 3 tester.log || true
if [ "$passed" -lt 100 ]; then
  echo "error: the suite did not run to its end" >&2
  tail -n 20 tester.log >&2
  exit 1
fi
echo "scim2-tester: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
