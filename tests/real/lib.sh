# Shell functions that the start and stop scripts of the real applications share.
#
# A process is remembered by its id and by the moment it began, so that a process which got the same
# id later is never taken for ours, let alone stopped.

fail() { # MESSAGE [LOG]: ends the script with the message and the end of the log.
  echo "error: $1" >&2
  if [ -n "${2:-}" ] && [ -e "$2" ]; then
    echo "--- end of $2" >&2
    tail -n 30 "$2" >&2
  fi
  exit 1
}

need() { # COMMAND...: fails when one of them is missing.
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || fail "$command is needed and was not found"
  done
}

state_folder() { # NAME: sets STATE_DIR, where everything of this application is kept, and goes there.
  STATE_DIR=${STATE_DIR:-${TMPDIR:-/tmp}/scimbridge-real/$1}
  mkdir -p "$STATE_DIR"
  STATE_DIR=$(cd "$STATE_DIR" && pwd)
  export STATE_DIR
  cd "$STATE_DIR"
}

free_ports() { # COUNT: that many unused ports, all different.
  "$PYTHON" - "$1" <<'P'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
P
}

refuse_taken() { # PORT...: fails when somebody listens there already.
  local port
  for port in "$@"; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      fail "port $port is taken by another process"
    fi
  done
}

began() { # PID: when the process began, nothing when there is none.
  if [ -r "/proc/$1/stat" ]; then
    # The name in the second field may contain blanks, so count from its closing bracket.
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
  else
    ps -o lstart= -p "$1" 2>/dev/null
  fi
}

running() { # NAME: whether the process that `launch NAME` started is still there.
  local pid at
  [ -s "$1.pid" ] || return 1
  { read -r pid && read -r at; } <"$1.pid" || return 1
  [ -n "$at" ] && [ "$(began "$pid")" = "$at" ]
}

launch() { # NAME COMMAND...: starts it as a process group of its own; output goes to NAME.log.
  local name=$1
  shift
  setsid "$@" >"$name.log" 2>&1 </dev/null &
  printf '%s\n%s\n' "$!" "$(began $!)" >"$name.pid"
}

await() { # NAME SECONDS CHECK...: waits until the check succeeds, gives up when the process ends.
  local name=$1 until=$((SECONDS + $2))
  shift 2
  until "$@"; do
    running "$name" || fail "$name ended before it was ready" "$name.log"
    [ $SECONDS -lt $until ] || fail "$name was not ready in time" "$name.log"
    sleep 0.2
  done
}

halt() { # NAME: ends the process group that `launch NAME` started; nothing when it is gone.
  local pid
  if running "$1"; then
    read -r pid <"$1.pid"
    kill -TERM -- "-$pid" 2>/dev/null || true
    for _ in $(seq 60); do
      running "$1" || break
      sleep 0.1
    done
    # The leader may be gone while a child of its group is not; the group still bears our id.
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$1.pid"
}

python_packages() { # VENV REQUIREMENTS: makes the environment, again when the requirements changed.
  if ! cmp -s "$2" "$1/installed.txt"; then
    { "$PYTHON" -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"; } \
      >install.log 2>&1 || fail "the packages of $2 could not be installed" "$STATE_DIR/install.log"
    cp "$2" "$1/installed.txt"
  fi
}

PYTHON=${PYTHON:-python3}
