# shellcheck shell=bash
# What the tests of copy share: $program, and the folder $work, in which they are and which goes at the end.

source "$(dirname "${BASH_SOURCE[0]}")/../lib/within.sh"
program=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/stackless-copy.XXXXXX")
cleanup() {
  local child
  for child in $(jobs -p); do kill -KILL "$child" 2>/dev/null || true; done
  chmod -R u+rwx "$work" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# copies ARGUMENTS…: with status 0
copies() {
  local status=0
  "$program" "$@" >output 2>errors </dev/null || status=$?
  [ "$status" = 0 ] || fail "copy $*: status $status; said: $(cat output errors)"
}

# fails TEXT ARGUMENTS…: with status 1, naming TEXT, and without a claim of success
fails() {
  local text=$1 status=0
  shift
  "$program" "$@" >output 2>errors </dev/null || status=$?
  [ "$status" = 1 ] || fail "copy $*: status $status instead of 1; said: $(cat output errors)"
  [ ! -s output ] || fail "copy $*: said on standard output: $(cat output)"
  grep -qF -- "$text" errors || fail "copy $*: does not name '$text'; said: $(cat errors)"
}

# said TEXT: on standard error
said() { grep -qF -- "$1" errors || fail "did not say '$1', but: $(cat errors)"; }

# listing FOLDER: what a copy keeps of everything in it
listing() (cd "$1" && find . \( -type d -o -type f -o -type l \) -printf '%p %y %m %T@ %l %s\n' | sed '/ d /s/ [0-9]*$//' | LC_ALL=C sort)

# same FOLDER COPY
same() {
  diff -r --no-dereference "$1" "$2" >differences || fail "$2 differs from $1: $(head -5 differences)"
  diff <(listing "$1") <(listing "$2") >differences || fail "$2 is listed as $1 is not: $(head -5 differences)"
}
