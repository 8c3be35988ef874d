#!/usr/bin/env bash
# Talks to the server as an untidy client would, lists its tasklets, and ends it with clients connected.
#   echo_server.test.sh PROGRAM
set -euo pipefail

program=$1
source "${BASH_SOURCE%/*}/lib/server.sh"

start() {
  : >"$work/out"
  "$program" 0 >"$work/out" 2>"$work/err" </dev/null &
  server=$!
  wait_for_port
}

# ends SIGNAL: with status 0
ends() {
  local status=0
  kill "-$1" "$server"
  within 10 eval '! kill -0 "$server" 2>/dev/null' || fail "it still runs 10 s after SIG$1"
  wait "$server" || status=$?
  server=
  [ "$status" = 0 ] || fail "status $status after SIG$1"
  grep -q '^stopping$' "$work/out" || fail "it did not say that it stops"
}

# ask DESCRIPTOR LINE: expects it back
ask() {
  local answer=
  printf '%s\n' "$2" >&"$1"
  IFS= read -r -t 10 -u "$1" answer || fail "no answer to: ${2:0:40}"
  [ "$answer" = "$2" ] || fail "answered '${answer:0:40}' to '${2:0:40}'"
}

start
exec {one}<>"/dev/tcp/127.0.0.1/$port" {two}<>"/dev/tcp/127.0.0.1/$port"
ask "$one" "first"
ask "$two" "second"
printf -v long '%*s' 100000 ''
ask "$one" "${long// /x}"

# gone without reading what it asked for: the server gets a reset, and goes on
exec {bad}<>"/dev/tcp/127.0.0.1/$port"
printf '%s\n' "never read" >&"$bad"
sleep 0.2
exec {bad}>&-
ask "$two" "the others do not notice"

kill -USR1 "$server"
listed() { grep -q "^#1 main" "$work/out" && [ "$(grep -c 'echo_server.cpp' "$work/out")" -ge 3 ]; }
within 10 listed || fail "SIGUSR1 lists nothing"
grep -qE '^#2 accept +blocked' "$work/out" || fail "the list lacks the one that accepts"
grep -qE '#3 127\.0\.0\.1:[0-9]+' "$work/out" || fail "the list lacks the clients"
ask "$one" "and it goes on"

ends TERM
# both connections are closed, and not left hanging
IFS= read -r -t 10 -u "$one" rest && fail "got '$rest' after the end"
[ $? -le 128 ] || fail "a connection stayed open"
exec {one}>&- {two}>&-

start
ends INT

status=0
"$program" http >/dev/null 2>"$work/err" || status=$?
[ "$status" = 2 ] && grep -q usage "$work/err" || fail "a port that is no number: status $status"
