#!/usr/bin/env bash
# 1000 connections at once, every byte returned; and a server that runs out of descriptors.
#   echo_load.test.sh PROGRAM      (echo_server is beside it)
set -euo pipefail

load=$1
source "${BASH_SOURCE%/*}/lib/server.sh"

# with_server DESCRIPTORS COMMAND…: 0 is no limit; the command gets the port as its first argument
with_server() {
  local limit=$1 status=0
  shift
  : >"$work/out"
  (
    [ "$limit" = 0 ] || ulimit -n "$limit"
    exec "${load%/*}/echo_server" 0
  ) >"$work/out" 2>"$work/err" </dev/null &
  server=$!
  wait_for_port
  "$@" "$port"
  kill -TERM "$server"
  wait "$server" || status=$?
  server=
  [ "$status" = 0 ] || fail "echo_server ended with status $status"
}

thousand() {
  timeout 100 "$load" "$1" 1000 >"$work/said" 2>&1 || fail "status $?: $(cat "$work/said")"
  cat "$work/said"
  grep -qE '^1000 connections at once: [0-9]+ bytes sent and received' "$work/said" || fail "no success"
  [ ! -s "$work/err" ] || fail "the server complains"
}

# More clients than descriptors: they wait in the backlog until others have gone.
shortage() {
  local held=() one round
  for round in {1..60}; do
    exec {one}<>"/dev/tcp/127.0.0.1/$1"
    held+=("$one")
  done
  for _ in {1..100}; do
    ! grep -q 'Too many open files' "$work/err" || break
    sleep 0.1
  done
  grep -q 'Too many open files' "$work/err" || fail "it did not run out of descriptors"
  for one in "${held[@]:0:40}"; do exec {one}>&-; done
  one=${held[59]}
  printf 'the last one\n' >&"$one"
  IFS= read -r -t 10 -u "$one" round || fail "the one that waited was not served"
  [ "$round" = "the last one" ] || fail "answered '$round'"
  for one in "${held[@]:40}"; do exec {one}>&-; done
  [ "$(wc -l <"$work/err")" -lt 100 ] || fail "it does not back off"
}

with_server 0 thousand
# UBSan opens a pipe to look at a vtable: without descriptors it sees errors where there are none.
grep -qa __ubsan_ "$load" || with_server 40 shortage
