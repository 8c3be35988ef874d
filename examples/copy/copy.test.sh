#!/usr/bin/env bash
# Copies single files of many sizes, and expects every failure to be named.
#   copy.test.sh PROGRAM
set -euo pipefail

source "${BASH_SOURCE%/*}/lib.sh"

# --- what it copies ------------------------------------------------------------------------------

head -c 9000001 /dev/urandom >random
for size in 0 1 4095 1048575 1048576 1048577 4194304 9000001; do
  head -c "$size" random >source
  echo "an older and longer text" >target
  "$program" source target >output 2>errors </dev/null || fail "$size bytes: status $?, $(cat errors)"
  cmp source target || fail "the copy of $size bytes differs"
  grep -qE "^copied $size bytes in [0-9.]+ s \(.* MB/s\)$" output || fail "said: $(cat output)"
  [ ! -s errors ] || fail "$size bytes: a progress bar that is no terminal's, or an error: $(cat errors)"
done
"$program" random /dev/null >/dev/null || fail "could not copy to /dev/null"
"$program" <(cat random) piped >/dev/null || fail "could not copy from a pipe"
cmp random piped || fail "the copy from a pipe differs"
chmod 750 random
"$program" random executable >/dev/null
[ -x executable ] || fail "the copy lost its permissions"
mkdir into
"$program" random into >/dev/null
cmp random into/random || fail "a copy into a directory differs"
"$program" --help | grep -q '^usage: copy SOURCE TARGET' || fail "--help"

# --- how it fails --------------------------------------------------------------------------------

mkdir folder
fails 'open "missing": No such file or directory' missing target2
[ ! -e target2 ] || fail "a missing source left a target"
fails 'folder is a directory' folder target2
[ ! -e target2 ] || fail "a folder as source left a target"
fails 'open "nowhere/target": No such file or directory' random nowhere/target
fails 'random and ./random are the same file' random ./random
fails 'read "/proc/self/mem": Input/output error' /proc/self/mem unread
[ ! -e unread ] || fail "a source that cannot be read left a target"
fails 'write "/dev/full": No space left on device' random /dev/full
[ -c /dev/full ] || fail "it removed /dev/full"
cmp -n 9000001 random executable || fail "the source was damaged"

# a limit on the size of files stands for a full disk
(
  ulimit -f 2000
  trap '' XFSZ
  fails 'File too large' random limited
)
grep -qF 'the incomplete limited was removed' errors || fail "said: $(cat errors)"
[ ! -e limited ] || fail "an incomplete target was left"

status=0
"$program" only-one >output 2>errors || status=$?
[ "$status" = 2 ] && grep -q usage errors || fail "wrong usage: status $status, $(cat errors)"
