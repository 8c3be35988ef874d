#!/usr/bin/env bash
# Changes directories under its eyes, and ends it.
#   watch_directory.test.sh PROGRAM
set -euo pipefail

program=$1
source "${BASH_SOURCE%/*}/lib/server.sh"

: >"$work/out"
mkdir "$work/tree" "$work/tree/old"
echo before >"$work/tree/old/file"
"$program" "$work/tree" >"$work/out" 2>"$work/err" </dev/null &
server=$!
says() { grep -qx -- "$1" "$work/out"; }
expect() { within 10 says "$1" || fail "it does not say: $1"; }
expect "watching 1"

echo text >"$work/tree/a"
expect "created $work/tree/a"
expect "written $work/tree/a"
mv "$work/tree/a" "$work/tree/old/b"
expect "moved from $work/tree/a"
expect "moved to $work/tree/old/b"
rm "$work/tree/old/file"
expect "removed $work/tree/old/file"

# A directory that is filled at once: what is in it comes, one way or the other.
mkdir -p "$work/tree/new/deep"
for i in 1 2 3 4 5 6 7 8 9; do echo "$i" >"$work/tree/new/deep/$i"; done
for i in 1 2 3 4 5 6 7 8 9; do expect "\(found\|created\) $work/tree/new/deep/$i"; done

rm -r "$work/tree/new"
expect "ended $work/tree/new/deep"
expect "ended $work/tree/new"

status=0
kill -INT "$server"
within 10 eval '! kill -0 "$server" 2>/dev/null' || fail "it still runs 10 s after SIGINT"
wait "$server" || status=$?
server=
[ "$status" = 0 ] || fail "status $status after SIGINT"
says "stopped " || fail "it did not say that it stops"
grep -q "/a$" <<<"$(grep "moved from" "$work/out")" || fail "the move has no name"

status=0
"$program" "$work/none" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q "No such file or directory" "$work/err" || fail "no directory: status $status"
status=0
"$program" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 2 ] && grep -q usage "$work/err" || fail "no argument: status $status"
