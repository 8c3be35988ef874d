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

# A directory that moves within the tree has its new path, with what is below it; one that leaves is told of no more.
mkdir -p "$work/tree/moves/below"
expect "\(found\|created\) $work/tree/moves/below"
mv "$work/tree/moves" "$work/tree/moved"
expect "moved away $work/tree/moved"
echo >"$work/tree/moved/below/here"
expect "created $work/tree/moved/below/here"
mv "$work/tree/moved" "$work/left"
expect "moved from $work/tree/moved"
echo >"$work/left/below/there"
mkdir "$work/tree/moved"
echo >"$work/tree/moved/another"
expect "\(found\|created\) $work/tree/moved/another"
! grep -q there "$work/out" || fail "it tells of a directory that has left"

# More changes than the system keeps: all is looked at again.
kept=$(cat /proc/sys/fs/inotify/max_queued_events)
if [ "$kept" -le 20000 ]; then
  kill -STOP "$server"
  for ((i = 0; i <= kept / 2; ++i)); do : >"$work/tree/old/$((i % 2))" && : >"$work/tree/old/b"; done
  mkdir "$work/tree/late"
  echo >"$work/tree/late/in"
  mv "$work/tree/moved" "$work/left/unseen"
  kill -CONT "$server"
  expect "overflow "
  expect "found $work/tree/late/in"
  echo >"$work/tree/late/after"
  expect "created $work/tree/late/after"
  echo >"$work/left/unseen/nothing"
  echo >"$work/tree/end"
  expect "created $work/tree/end"
  ! grep -q unseen "$work/out" && ! grep -q "nothing$" "$work/out" || fail "it tells of a directory that has left unseen"
fi

status=0
kill -INT "$server"
within 10 eval '! kill -0 "$server" 2>/dev/null' || fail "it still runs 10 s after SIGINT"
wait "$server" || status=$?
server=
[ "$status" = 0 ] || fail "status $status after SIGINT"
says "stopped " || fail "it did not say that it stops"
grep -q "/a$" <<<"$(grep "moved from" "$work/out")" || fail "the move has no name"

# All of them have gone, one by its removal and one by a move: that is said.
mkdir "$work/first" "$work/second"
"$program" "$work/first" "$work/second" >"$work/out" 2>"$work/err" </dev/null &
server=$!
expect "watching 2"
rmdir "$work/first"
expect "ended $work/first"
kill -0 "$server" || fail "it ended while one was left"
mv "$work/second" "$work/third"
within 10 eval '! kill -0 "$server" 2>/dev/null' || fail "it watches nothing and goes on"
status=0
wait "$server" || status=$?
server=
[ "$status" = 1 ] && grep -q "nothing left to watch" "$work/err" || fail "nothing left: status $status"

status=0
"$program" "$work/none" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q "No such file or directory" "$work/err" || fail "no directory: status $status"
status=0
"$program" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 2 ] && grep -q usage "$work/err" || fail "no argument: status $status"
