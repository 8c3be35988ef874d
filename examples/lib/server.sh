# shellcheck shell=bash
# What the test scripts of servers share: the folder $work, which goes at the end, and with it the process $server.

source "$(dirname "${BASH_SOURCE[0]}")/within.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/stackless-server.XXXXXX")
server=
cleanup() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "${0##*/}: $*" >&2
  cat "$work"/out "$work"/err >&2 2>/dev/null || true
  exit 1
}

# wait_for_port: until the server says where it listens; sets $port
wait_for_port() {
  within 20 grep -qE '^listening on 127\.0\.0\.1:[0-9]+$' "$work/out" || fail "it does not listen"
  port=$(sed -n 's/^listening on 127\.0\.0\.1://p' "$work/out")
}
