#!/usr/bin/env bash
# Kills copies in the middle, and expects --resume to end with what an uninterrupted one would have made.
#   resume.test.sh PROGRAM
set -euo pipefail
source "${BASH_SOURCE%/*}/lib.sh"

# bytes_copied: of the line at the end
bytes_copied() { sed -nE 's/.* ([0-9]+) bytes in .*/\1/p; s/^copied ([0-9]+) bytes in .*/\1/p' output | head -1; }

mkdir -p tree/small/er tree/locked
for ((i = 0; i < 400; ++i)); do head -c $((i * 37)) /dev/urandom >"tree/small/$i"; done
head -c 20000000 /dev/urandom >tree/large
for ((i = 0; i < 6; ++i)); do cat tree/large >>tree/larger; done
cp tree/large tree/small/er/large
ln -s larger tree/link
truncate -s 50000000 tree/sparse
echo end >>tree/sparse
echo fixed >tree/locked/fixed
chmod 400 tree/locked/fixed
chmod 500 tree/locked
touch -d '2001-02-03' tree/small/er tree/small tree/locked tree

# --- killed at any moment ------------------------------------------------------------------------

# whole_or_absent: what has its own name is as its source, however the copy ended
whole_or_absent() {
  local path
  while IFS= read -r -d '' path; do
    cmp -s "$path" "tree/${path#killed/}" || fail "$path is not its source after a kill"
  done < <(find killed -type f ! -name '*.copy-partial' -print0)
}
entries() { find killed | wc -l; }
has_partial() { [ -n "$(find killed -name '*.copy-partial' -print -quit)" ]; }
has_ended() { ! kill -0 "$child" 2>/dev/null; }

mkdir killed
kills=0 partials=0
for ((round = 0; round < 40; ++round)); do
  before=$(entries)
  "$program" -r --resume tree/. killed >output 2>errors </dev/null &
  child=$!
  # Not after a time, which would be another one on every machine, but when it has come further.
  came_further() { has_ended || [ "$(entries)" -gt $((before + round % 2 * 30)) ] || { [ "$round" -gt 20 ] && has_partial; }; }
  within 60 came_further || fail "it comes no further"
  status=0
  kill -KILL "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || status=$?
  whole_or_absent
  if [ "$status" = 0 ]; then break; fi
  [ "$status" = 137 ] || fail "status $status: $(cat errors)"
  kills=$((kills + 1))
  if has_partial; then partials=$((partials + 1)); fi
done
echo "killed $kills times, $partials of them in the middle of a file"
[ "$kills" != 0 ] || fail "it was never killed"
copies -r --resume tree/. killed
same tree killed
[ -z "$(find killed -name '*.copy-partial')" ] || fail "it left partial files"

# once more, and there is nothing to do, but the times of a link whose maker was killed before it set them
touch -h -d '2001-02-03' killed/link
copies -r --resume tree/. killed
same tree killed
grep -qF 'copied 0 files, 4 directories, 0 bytes in' output || fail "said: $(cat output)"
grep -qF '; 406 were complete already' output || fail "said: $(cat output)"

# what has changed since is copied again, and what has only other permissions is not
echo changed >tree/small/7
head -c 37 /dev/zero >tree/small/1
touch -r killed/small/2 tree/small/1
chmod 640 tree/small/3
ln -sfn small tree/link
copies -r --resume tree/. killed
grep -qF 'copied 2 files, 4 directories, 1 link, 45 bytes in' output || fail "said: $(cat output)"
same tree killed

# --- a partial file ------------------------------------------------------------------------------

# resumes KEPT: one file, of which so many bytes had been kept
resumes() {
  copies --resume tree/larger larger
  cmp tree/larger larger || fail "a resumed copy differs, of $1 bytes that were kept"
  [ "$(bytes_copied)" = $((120000000 - $1)) ] || fail "kept other than $1 bytes: $(cat output)"
  [ ! -e .larger.copy-partial ] || fail "the partial file is still there"
  rm larger
}
head -c 50000001 tree/larger >.larger.copy-partial
resumes 50000001
cp tree/larger .larger.copy-partial
resumes 120000000
cp tree/larger .larger.copy-partial
echo more >>.larger.copy-partial
resumes 120000000
head -c 50000000 tree/larger >.larger.copy-partial
printf 'other' | dd of=.larger.copy-partial bs=1 seek=30000000 conv=notrunc status=none
copies --resume tree/larger larger
cmp tree/larger larger || fail "a partial file with other bytes in it was taken for a beginning"
[ "$(bytes_copied)" -ge 89999990 ] && [ "$(bytes_copied)" -le 90000000 ] || fail "said: $(cat output)"
rm larger
head -c 50000000 /dev/zero >.larger.copy-partial
copies tree/larger larger
[ "$(bytes_copied)" = 120000000 ] || fail "without --resume it went on: $(cat output)"
cmp tree/larger larger || fail "without --resume a partial file was used"
rm larger
: >victim
ln -s victim .larger.copy-partial
copies --resume tree/larger larger
[ ! -s victim ] && cmp tree/larger larger || fail "it wrote through a link that has the partial file's name"
rm larger

head -c 100000 tree/larger >victim
ln victim .larger.copy-partial
copies --resume tree/larger larger
[ "$(stat -c '%s %h' victim)" = '100000 1' ] && cmp tree/larger larger ||
  fail "it wrote to a file with another name that has the partial file's, too"
rm larger

# a file that fails keeps what it has with --resume
(
  ulimit -f 20000
  trap '' XFSZ
  fails 'File too large' --resume tree/larger larger
)
size=$(stat -c %s .larger.copy-partial)
[ "$size" -ge 10000000 ] && [ ! -e larger ] || fail "what was written is not there"
copies --resume tree/larger larger
cmp tree/larger larger || fail "after a full disk the copy differs"
[ "$(bytes_copied)" -lt 115000000 ] || fail "what was written was not used: $(cat output)"

# two that write the same file
if command -v flock >/dev/null; then
  touch .twice.copy-partial
  exec 9<>.twice.copy-partial
  flock 9
  fails '"twice" is being written by another copy' tree/large twice
  fails '"twice" is being written by another copy' --resume tree/large twice
  [ -e .twice.copy-partial ] || fail "it took another's partial file away"
  exec 9>&-
  copies tree/large twice
fi

# --- signals -------------------------------------------------------------------------------------

mkdir stopped
mkfifo endless
for signal in INT TERM; do
  rm -rf stopped
  mkdir stopped
  exec 8<>endless
  "$program" tree/large endless stopped >output 2>errors </dev/null &
  child=$!
  head -c 3000000 tree/large >&8
  waits() { [ -e stopped/large ] && [ "$(stat -c %s stopped/.endless.copy-partial 2>/dev/null || echo 0)" -ge 2000000 ]; }
  within 60 waits || fail "it does not come to where it waits"
  kill "-$signal" "$child"
  status=0
  wait "$child" || status=$?
  [ "$status" = $([ $signal = INT ] && echo 130 || echo 143) ] || fail "status $status after SIG$signal"
  said "stopped by SIG$signal after 1 file; to go on from there: copy --resume -- tree/large endless stopped"
  [ ! -s output ] || fail "it claims to be done: $(cat output)"
  cmp tree/large stopped/large || fail "what was complete before the signal is not"
  [ -e stopped/.endless.copy-partial ] && [ ! -e stopped/endless ] || fail "the partial file is not there"
  exec 8>&-
done

# The command that it prints goes on, where the same one would copy into the directory that is there now.
mkdir "a 'tree"
for ((i = 0; i < 3000; ++i)); do echo "$i" >"a 'tree/$i"; done
cp tree/larger "a 'tree/larger"
printf -v renamed 'new\n\\name\xff'
"$program" -r -j 3 "a 'tree" "$renamed" >output 2>errors </dev/null &
child=$!
has_begun() { has_ended || [ -e "$renamed" ]; }
within 60 has_begun || fail "it does not begin"
kill -TERM "$child"
status=0
wait "$child" || status=$?
[ "$status" = 143 ] || fail "status $status: it was not stopped in the middle"
command=$(sed -n 's/.*; to go on from there: copy //p' errors)
[ "$command" = "-r --resume -j 3 -- \$'a \\'tree/.' \$'new\\n\\\\name\\xff'" ] || fail "the command: $command"
for _ in 1 2; do eval "copies $command"; done
same "a 'tree" "$renamed"
"$program" --help | grep -qF 'SOURCE/. TARGET' || fail "--help does not tell how to go on"
rm -r "a 'tree" "$renamed"

# --- what is verified ----------------------------------------------------------------------------

copies -r --verify tree/. verified
same tree verified
copies -r --verify --resume tree/. verified
printf 'x' | dd of=verified/larger bs=1 seek=70000000 conv=notrunc status=none
touch -r tree/larger verified/larger
if cmp -s tree/larger verified/larger; then fail "the test changed nothing"; fi
copies -r --resume tree/. verified
copies -r --verify --resume tree/. verified
said '"verified/larger" differs from "tree/./larger" at byte 70000000: it is copied anew'
grep -qF 'copied 1 file, ' output || fail "said: $(cat output)"
same tree verified
fails 'is no regular file: it cannot be verified' --verify /dev/null verified/null
