#!/usr/bin/env bash
# Copies trees of everything that a file system holds, and expects all else to go on where something fails.
#   tree.test.sh PROGRAM
set -euo pipefail
source "${BASH_SOURCE%/*}/lib.sh"

# --- a tree --------------------------------------------------------------------------------------

mkdir -p tree/deep/deeper/deepest tree/empty tree/closed
printf -v name_255 '%*s' 255 ''
head -c 3000000 /dev/urandom >tree/large
head -c 5000 /dev/urandom >tree/deep/small
: >tree/nothing
echo text >tree/deep/deeper/deepest/last
echo secret >tree/secret
echo fixed >tree/closed/fixed
echo newline >$'tree/a\nname'
echo bytes >$'tree/\xff\xfe'
echo space >'tree/ a name '
echo dash >tree/-r
echo long >"tree/${name_255// /x}"
ln -s deep/small tree/link
ln -s /nowhere/at/all tree/dangling
ln -s deep tree/folder-link
truncate -s 40000000 tree/sparse
printf 'in the middle' | dd of=tree/sparse bs=1 seek=20000000 conv=notrunc status=none
truncate -s 3000000 tree/only-a-hole
chmod 600 tree/secret
chmod 444 tree/closed/fixed
chmod 751 tree/large
touch -h -d '2001-02-03 04:05:06.123456789' tree/link
touch -d '2002-03-04 05:06:07.987654321' tree/deep/small tree/closed
touch -d '1960-01-01' tree/nothing
chmod 555 tree/closed
touch -d '2003-04-05' tree/deep tree

copies -r tree new
same tree new
[ ! -s errors ] || fail "it complains: $(cat errors)"
grep -qE '^copied 13 files, 6 directories, 3 links, [0-9]+ bytes in [0-9.]+ s \([0-9]+ MB/s\)$' output ||
  fail "said: $(cat output)"
[ "$(du -k new/sparse | cut -f1)" -lt 10000 ] || fail "the holes of a sparse file are stored"
[ "$(du -k new/only-a-hole | cut -f1)" -lt 1000 ] || fail "a file that is a hole is stored"
[ -z "$(find new -name '*.copy-partial')" ] || fail "it left partial files"

# where it goes to, and over what is there
mkdir into
copies -r tree/ into
same tree into/tree
echo changed >into/tree/deep/small
rm into/tree/link
ln -s elsewhere into/tree/link
rm into/tree/nothing
ln -s "$PWD/outside" into/tree/nothing
copies -r tree into
same tree into/tree
[ ! -e outside ] || fail "it wrote through a symbolic link of the target"
copies -r tree/. into
same tree/deep into/deep
copies tree/large tree/secret into
cmp tree/large into/large && cmp tree/secret into/secret || fail "several files"
copies -- tree/-r dash
cmp tree/-r dash || fail "a name that looks like an option"
copies tree/link followed
[ ! -L followed ] && cmp tree/deep/small followed || fail "a link that is named is followed"
copies -r tree/link stays
[ "$(readlink stays)" = deep/small ] || fail "a link that is named does not stay one in a tree"
ln -s "$PWD/into/large" through
copies tree/secret through
[ -L through ] && cmp tree/secret into/large || fail "a link as a target is not followed"

# what is no file is left out, without a wait
mkfifo tree/fifo
[ "$(id -u)" != 0 ] || mknod tree/device c 1 3
touch tree/.old.copy-partial
copies -r tree special
said '"tree/fifo" is left out: it is no file, directory or link'
said '"tree/.old.copy-partial" is left out: a copy has left it unfinished'
grep -qE '; [23] left out$' output || fail "said: $(cat output)"
rm tree/fifo tree/.old.copy-partial
rm -f tree/device
touch -d '2003-04-05' tree special
same tree special

# --- failures ------------------------------------------------------------------------------------

fails 'tree is a directory' tree target
fails 'tree/. and tree/../tree are the same directory' -r tree/. tree/../tree
fails 'cannot copy tree into itself, tree/deep/tree' -r tree tree/deep
fails 'cannot copy tree into itself, tree/new' -r tree tree/new
ln -s tree/deep/deeper disguise
fails 'cannot copy tree into itself, disguise/tree' -r tree disguise
[ ! -e tree/deep/deeper/tree ] || fail "it copied a part of a tree into itself"
fails '"missing" is no directory' tree/large tree/secret missing
fails '"tree/large/" is no directory' tree/secret tree/large/
mkdir -p twice
fails '"new/large" is left out: another source is copied to "twice/large"' tree/large new/large twice
cmp tree/large twice/large || fail "the first of two with the same name"
fails 'open "missing": No such file or directory' missing tree/secret twice
cmp tree/secret twice/secret || fail "a source that is missing stops the others"
[ "$(tail -n 1 errors)" = 'copy: 1 file copied; 1 could not be' ] && [ "$(wc -l <errors)" = 2 ] ||
  fail "one failure is told twice: $(cat errors)"

# a path that is too long for the system is told in full, and then in short
mkdir very into-very
(
  cd very
  printf -v name '%*s' 200 ''
  for ((i = 0; i < 22; ++i)); do mkdir "${name// /d}" && cd "${name// /d}"; done
)
fails 'File name too long' -r very missing into-very
said ' could not be:'
said ' … '
[ "$(awk 'length > 4000' errors | wc -l)" = 1 ] || fail "a long path is told twice"
rm -r very into-very

# a directory where a file is to be, a file where a directory is to be
mkdir -p clash/tree/large clash/outside
echo file >clash/tree/deep
ln -s "$PWD/clash/outside" clash/tree/closed
fails 'Is a directory' -r tree clash
said '"clash/tree/deep" is there, and no directory'
said '"clash/tree/closed" is there, and no directory'
said 'the incomplete clash/tree/large was removed'
[ -z "$(ls -A clash/outside)" ] || fail "it followed a link of the target"
cmp tree/secret clash/tree/secret || fail "what failed has stopped the rest"
[ -z "$(find clash -name '*.copy-partial')" ] || fail "a failure left a partial file"

# what may not be read: root may, so it is somebody else who tries
mkdir -p locked/inner target-of-nobody
echo hidden >locked/hidden
echo open >locked/open
echo inner >locked/inner/file
chmod 000 locked/hidden locked/inner
chmod 777 target-of-nobody
chmod 755 "$work"
as_nobody=()
if [ "$(id -u)" = 0 ]; then as_nobody=(setpriv --reuid=65534 --clear-groups); fi
if [ "$(id -u)" != 0 ] || { command -v setpriv >/dev/null && "${as_nobody[@]}" "$program" --help >/dev/null 2>&1; }; then
  status=0
  "${as_nobody[@]}" "$program" -r locked target-of-nobody >output 2>errors || status=$?
  [ "$status" = 1 ] || fail "what may not be read: status $status, $(cat errors)"
  said 'open "locked/hidden": Permission denied'
  said 'read directory "locked/inner": Permission denied'
  said '1 file, 2 directories copied; 2 could not be:'
  cmp locked/open target-of-nobody/locked/open || fail "a file that may not be read has stopped the rest"
  # of a directory that may not be written, too
  chmod 755 locked/inner
  status=0
  "${as_nobody[@]}" "$program" -r tree/closed "$work/new/closed" >output 2>errors || status=$?
  [ "$status" = 1 ] || fail "what may not be written: status $status, $(cat errors)"
  said "create_directory \"$work/new/closed/closed\": Permission denied"
else
  echo "not tried: what may not be read"
fi

# names in messages stay on their line, and say what they are
mkdir odd
touch $'odd/\xff\n\x1b[31m'
mkdir -p odd-target/odd/$'\xff\n\x1b[31m'
fails 'odd-target/odd/\xff\n\x1b[31m' -r odd odd-target

# a limit on the size of files stands for a full disk
mkdir -p disk/tree
echo old >disk/tree/large
(
  ulimit -f 2000
  trap '' XFSZ
  fails 'File too large' -r tree disk
)
said 'the incomplete disk/tree/large was removed'
[ "$(cat disk/tree/large)" = old ] || fail "a file that failed is not what it was"
cmp tree/deep/small disk/tree/deep/small || fail "a full disk stops what still has room"
[ -z "$(find disk -name '*.copy-partial')" ] || fail "a full disk keeps partial files"

# a source that changes is no failure of luck: sooner or later it does so in the middle
is_told() {
  "$program" "$1" changed >output 2>errors </dev/null && return 1
  grep -qF "\"$1\" has changed while it was copied" errors || fail "a source that changes: $(cat errors)"
}
head -c 30000000 /dev/zero >grows
cp grows shrinks
: >changing
(while [ -e changing ]; do echo more >>grows; done) &
(while [ -e changing ]; do truncate -s 20000000 shrinks && truncate -s 29000000 shrinks; done) &
within 60 is_told grows || fail "a file that grows is never told of"
within 60 is_told shrinks || fail "a file that shrinks is never told of"
rm changing
wait
[ ! -e .changed.copy-partial ] || fail "a file that changed left its partial file"

# --- bounds --------------------------------------------------------------------------------------

mkdir many
for ((d = 0; d < 50; ++d)); do
  mkdir "many/$d"
  for ((f = 0; f < 100; ++f)); do echo "$d $f" >"many/$d/$f"; done
done
deep=many
for ((d = 0; d < 100; ++d)); do deep+=/deep; done
mkdir -p "$deep"
touch "$deep/file"
(
  ulimit -n 64
  [ -n "${STACKLESS_SANITIZE:-}" ] || ulimit -v 500000
  copies -r many many-copies
)
same many many-copies
if [ -z "${STACKLESS_SANITIZE:-}" ] && command -v python3 >/dev/null; then
  python3 - "$program" <<'PYTHON' || fail "its memory is not bounded"
import resource, subprocess, sys
peaks = []
for source in ("many/1", "many"):
    subprocess.run([sys.argv[1], "-r", source, "measured"], check=True, stdout=subprocess.DEVNULL)
    peaks.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    subprocess.run(["rm", "-r", "measured"], check=True)
print("KiB at most, of 100 and of 5000 files:", *peaks)
sys.exit(peaks[1] > peaks[0] + 6000)
PYTHON
fi

# --- a terminal ----------------------------------------------------------------------------------

if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
  mkdir shown
  mkfifo slow
  (exec 3>slow && sleep 1.5 && echo end >&3) &
  script -qec "'$program' tree/large slow shown" /dev/null >terminal </dev/null
  tr '\r' '\n' <terminal >lines
  grep -qE '^\[#{20}\] 100%  3\.0 MB of 3\.0 MB  .*/s  1 of 1 files|^\[#{20}\] 100%  3\.0 MB of 3\.0 MB  .*/s' lines ||
    fail "no progress on a terminal: $(cat -v terminal)"
  grep -qF 'copied 2 files' lines || fail "the line at the end: $(cat -v terminal)"
  wait
fi

for wrong in '' '-x a b' '-j 0 a b' '-j' '--jobs many a b' 'a'; do
  status=0
  # shellcheck disable=SC2086
  "$program" $wrong >output 2>errors </dev/null || status=$?
  [ "$status" = 2 ] && grep -q usage errors || fail "wrong usage '$wrong': status $status, $(cat errors)"
done
