#!/usr/bin/env bash
# Programs that end, fail, hang, write too much or nothing; and what becomes of their supervisor.
#   supervise.test.sh PROGRAM
set -euo pipefail

program=$(realpath "$1")
source "${BASH_SOURCE%/*}/lib/server.sh"
cd "$work"

# run STATUS OPTION…: to its end
run() {
  local expected=$1 status=0
  shift
  timeout 60 "$program" "$@" >out 2>err </dev/null || status=$?
  [ "$status" = "$expected" ] || fail "status $status instead of $expected: $*"
}
# start OPTION…: goes on
start() {
  : >out
  : >err
  "$program" "$@" >out 2>err </dev/null &
  server=$!
}
# stop STATUS [SIGNAL]
stop() {
  local status=0
  [ -z "${2:-}" ] || kill "-$2" "$server"
  within 60 eval '! kill -0 "$server" 2>/dev/null' || fail "it still runs"
  wait "$server" || status=$?
  server=
  [ "$status" = "$1" ] || fail "status $status instead of $1"
}
says() { within 20 grep -q -- "$1" "${2:-out}" || fail "it does not say: $1"; }
count() { grep -c -- "$1" "$2" || true; }

# --- output --------------------------------------------------------------------------------------

run 0 --restart never -- "one=printf 'a\nb\n'" "two=sh -c 'echo c; echo d >&2; printf \"no end\"'" 'three=echo "e  f" \"g'
sort out >sorted
[ "$(cat sorted)" = $'one | a\none | b\nthree | e  f "g\ntwo | c\ntwo | no end' ] || fail "other lines"
grep -qx 'two | d' err || fail "a line of standard error"
says 'one: exited with 0' err

run 0 --restart never --longest-line 10 -- "long=printf '0123456789abcdefghijkl\nshort\n'"
[ "$(cat out)" = $'long | 0123456789\nlong + abcdefghij\nlong + kl\nlong | short' ] || fail "a long line"

# Who reads slowly makes the program wait, and nothing is kept meanwhile.
mkfifo slow
"$program" --restart never -- "much=sh -c 'head -c 20000000 /dev/zero | tr \"\\\\0\" \"x\" | fold -w 99; echo; echo done >&2'" \
  >slow 2>err </dev/null &
server=$!
exec {reader}<slow
says 'much: started' err
sleep 1
[ "$(count 'much | done' err)" = 0 ] || fail "the program did not wait for who reads slowly"
resident=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status")
[ "$resident" -lt 100000 ] || fail "$resident KiB are used"
cat <&"$reader" >all &
copier=$!
exec {reader}<&-
stop 0
wait "$copier"
[ "$(grep -c '^much | x' all)" = 202021 ] || fail "lines are missing: $(grep -c '^much | x' all)"

# Its own children may hold the pipe for as long as they like.
SECONDS=0
run 0 --restart never -- "parent=sh -c 'sleep 30 & echo parent'"
[ "$SECONDS" -lt 20 ] || fail "a grandchild is waited for"
grep -qx 'parent | parent' out || fail "the parent's line"

# Nor are they waited for while they go on writing: the program is started again, and its end is seen at once.
start --first 10ms --max-restarts 2 -- "web=sh -c '(while :; do echo grandchild; done) & echo parent; exit 3'"
stop 1
grep -q 'web: exited with 3; given up after 2 restarts' err || fail "a grandchild that writes kept it from a restart"
[ "$(count 'web | parent' out)" = 3 ] || fail "the parent's lines"
start --grace 600s -- "web=sh -c '(while :; do echo grandchild; done) & echo parent; exec sleep 600'"
says 'web | grandchild'
stop 0 TERM
[ "$(count 'is killed' err)" = 0 ] || fail "a process that had ended was killed"
# What is in the pipe at the end counts, in pieces, too, and without an end of the line.
run 0 --restart never --longest-line 10 -- "web=sh -c 'sleep 30 & printf 0123456789abcdefghij01234; printf \"\nno end\"'"
[ "$(cat out)" = $'web | 0123456789\nweb + abcdefghij\nweb + 01234\nweb | no end' ] || fail "what is in the pipe at the end"

# What it had written is printed after the grace, when somebody takes it: the process was not killed.
"$program" --restart never --grace 1s -- "web=sh -c 'seq 9000; echo last; echo written >&2; exec sleep 600'" \
  >slow 2>err </dev/null &
server=$!
exec {reader}<slow
within 20 grep -q 'web | written' err || fail "it does not write"
kill -TERM "$server"
says 'stopping' err
for ((i = 0; i < 15; ++i)); do head -c 5000 <&"$reader" >>taken; sleep 0.1; done
cat <&"$reader" >>taken &
copier=$!
exec {reader}<&-
stop 0
wait "$copier"
grep -qx 'web | last' taken || fail "the rest of its output is lost"
says 'web: ended by signal 15' err
[ "$(count 'is killed' err)" = 0 ] || fail "a process that had ended was killed"
# Nobody takes it: that is said, and what ended by itself is not called killed.
"$program" --restart never --grace 2s -- "web=yes" >slow 2>err </dev/null &
server=$!
exec {reader}<slow
says 'web: started' err
head -c 1 <&"$reader" >/dev/null
stop 1 TERM
exec {reader}<&-
says 'ended; its output is lost' err
[ "$(count 'is killed' err)" = 0 ] || fail "a process that had ended was killed"

# Nobody takes the output: it ends, and the program with it.
status=0
{ timeout 60 "$program" --grace 2s -- "yes=yes" 2>err || echo "$?" >status; } | head -n 1 >out
[ "$(cat status)" = 1 ] || fail "a closed output: status $(cat status)"
says 'Broken pipe' err

# --- restarts ------------------------------------------------------------------------------------

run 1 --first 10ms --longest 30ms --max-restarts 4 -- "bad=sh -c 'exit 3'"
[ "$(count 'bad: started' err)" = 5 ] || fail "it was not started five times"
[ "$(grep -o 'again in .*' err | tr '\n' ,)" = 'again in 10 ms,again in 20 ms,again in 30 ms,again in 30 ms,' ] ||
  fail "other waits"
grep -q 'bad: exited with 3; given up after 4 restarts' err || fail "it was not given up"
run 0 --restart failure -- "good=true"
run 1 --restart never -- "bad=false" "good=true"
run 1 --restart never -- "killed=sh -c 'kill -9 \$\$'"
says 'killed: ended by signal 9' err
run 1 --first 1ms --max-restarts 1 -- "none=/no/such/program"
[ "$(count 'spawn "/no/such/program": No such file or directory' err)" = 2 ] || fail "a program that does not exist"

# A stable run begins again with the first wait, and does not count.
start --first 20ms --stable 1ms --max-restarts 1 -- "stable=sleep 0.1"
within 20 eval '[ "$(count "again in 20 ms" err)" -ge 3 ]' || fail "stable runs were counted"
[ "$(count 'again in 40 ms' err)" = 0 ] || fail "the wait grew after stable runs"
# None of those that ended is left.
zombies() {
  local file line
  for file in /proc/[0-9]*/stat; do
    { read -r line <"$file"; } 2>/dev/null || continue
    read -r -a line <<<"${line##*) }"
    [ "${line[0]} ${line[1]}" = "Z $server" ] && return 0
  done
  return 1
}
! zombies || fail "a zombie"
stop 0 TERM

# --- signals -------------------------------------------------------------------------------------

start -- "polite=sh -c 'trap \"echo bye; exit 0\" TERM; echo ready; while :; do sleep 0.05; done'" \
  "waits=sh -c 'exit 1'"
says 'polite | ready'
stop 0 TERM
grep -qx 'polite | bye' out || fail "its last words"
start -- "dies=sleep 60"
says 'dies: started' err
stop 0 INT
says 'dies: ended by signal 15' err

start --grace 200ms -- "stubborn=sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.05; done'"
says 'stubborn | ready'
stop 1 TERM
says 'stubborn: ended by signal 9' err
start --grace 600s -- "stubborn=sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.05; done'"
says 'stubborn | ready'
kill -TERM "$server"
says 'stopping: signal 15' err
stop 1 TERM

start -- "reloads=sh -c 'trap \"echo again\" HUP; trap \"echo user\" USR1; echo ready; while :; do sleep 0.05; done'"
says 'reloads | ready'
kill -HUP "$server"
says 'reloads | again'
kill -USR1 "$server"
says 'reloads | user'
stop 0 TERM

# --- what it is told -----------------------------------------------------------------------------

printf '# two programs\n\none = echo 1\n  two=echo "t w o"  \n' >programs
run 0 --restart never programs
[ "$(sort out)" = $'one | 1\ntwo | t w o' ] || fail "a file of programs"
printf 'one = echo\nnonsense\n' >programs
# wrong TEXT ARGUMENT…
wrong() {
  local text=$1
  shift
  run 2 "$@"
  grep -q -- "^supervise: .*$text" err || fail "not told: $text"
}
wrong 'programs:2: not NAME=COMMAND: nonsense' programs
wrong 'cannot read none' none
wrong 'no programs' --
wrong 'no programs'
wrong 'two programs are called a' -- a=true a=true
wrong 'a has no command' -- a=
wrong 'no name' -- =true
wrong 'a quotation does not end' -- "a='b"
wrong 'what is --color' --color red -- a=true
wrong '--grace: soon is no number' --grace soon -- a=true
wrong '--grace needs a value' --grace
wrong '--restart: what is maybe' --restart maybe -- a=true
"$program" --help | grep -q '^usage: supervise' || fail "--help"
