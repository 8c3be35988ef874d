#!/usr/bin/env bash
# The report needs no debug info and no symbols: a stripped copy, elsewhere, prints the same. And so does the README.
#   deadlock.test.sh PROGRAM
set -euo pipefail

fail() {
  echo "deadlock.test.sh: $*" >&2
  exit 1
}

work=$(mktemp -d "${TMPDIR:-/tmp}/stackless-deadlock.XXXXXX")
trap 'rm -rf "$work"' EXIT

cp "$1" "$work/deadlock"
strip --strip-all "$work/deadlock"
! nm "$work/deadlock" 2>/dev/null | grep -q . || fail "strip left symbols"

# report PROGRAM: what it prints, without the ages
report() {
  local status=0 output
  output=$(cd "$work" && "$1") || status=$?
  [ "$status" = 1 ] || fail "$1 ended with status $status instead of 1"
  sed -E 's/blocked [0-9.]+ [a-z]+ /blocked /' <<<"$output"
}

program=$(realpath "$1")
readme=$(realpath "$(dirname "$0")")/../README.md
report "$program" >"$work/whole"
report "$work/deadlock" >"$work/stripped"
diff -u "$work/whole" "$work/stripped" || fail "stripped, it prints something else"

has() { grep -qE -- "$1" "$work/stripped" || fail "no line of the report matches: $1"; }
has "^#2 ping +blocked .* receive on channel<int> 'a' .*made deadlock\.cpp:[0-9]+"
has "^#3 pong +blocked .* receive on channel<int> 'b' .*made deadlock\.cpp:[0-9]+"
has '^ +0  fetch\(.*\) +deadlock\.cpp:[0-9]+'
has '^ +1  ping\(.*\) +deadlock\.cpp:[0-9]+'
has '^ +1  pong\(.*\) +deadlock\.cpp:[0-9]+'
has 'spawned deadlock\.cpp:[0-9]+ by #1 main'
has "freed by: a send on 'a'.*held by: .*main"
has '#1 main +join #2 ping +deadlock\.cpp:[0-9]+'

# What differs between compilers: the column of a co_await, and whether types are shown as they were written.
same_for_all() {
  sed -E 's/blocked [0-9.]+ [a-z]+ /blocked /; s/(deadlock\.cpp:[0-9]+):[0-9]+/\1/; /^ +\| +\^$/d; s/sl:://g; s/ +/ /g'
}
sed -n '/^```text$/,/^```$/{/^```/d; p;}; /^FIX/,/^```$/{/^```$/q;}' "$readme" >"$work/readme"
diff -u <(same_for_all <"$work/whole") <(same_for_all <"$work/readme") || fail "README.md shows another report"
