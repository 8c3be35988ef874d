#!/usr/bin/env bash
# Talks RESP to the server, kills it in the middle of its work, and looks what it still knows.
#   kv_server.test.sh PROGRAM
set -euo pipefail

program=$1
source "${BASH_SOURCE%/*}/../lib/server.sh"
limit=unlimited

# start ARGUMENT…
start() {
  : >"$work/out"
  (
    ulimit -f "$limit"
    trap '' XFSZ # so that the write fails, and the signal does not end it
    exec "$program" --port 0 "$@"
  ) >"$work/out" 2>"$work/err" </dev/null &
  server=$!
  wait_for_port
  exec {one}<>"/dev/tcp/127.0.0.1/$port"
}

# end SIGNAL STATUS
end() {
  local status=0
  kill "-$1" "$server"
  wait "$server" 2>/dev/null || status=$?
  server=
  exec {one}>&-
  [ "$status" = "$2" ] || fail "status $status after SIG$1"
}

# hear DESCRIPTOR LINE…: the next lines that come
hear() {
  local from=$1 line expected
  shift
  for expected; do
    IFS= read -r -t 20 -u "$from" line || fail "nothing came where '$expected' was expected"
    [ "${line%$'\r'}" = "$expected" ] || fail "'${line%$'\r'}' where '$expected' was expected"
  done
}
expect() { hear "$one" "$@"; }

# ask REQUEST LINE…: as a line of words
ask() {
  printf '%s\r\n' "$1" >&"$one"
  shift
  expect "$@"
}

# ask_rest KEY SECONDS: about so much of its time is left, for the machine may be slow
ask_rest() {
  local left
  printf 'TTL %s\r\n' "$1" >&"$one"
  IFS= read -r -t 20 -u "$one" left || fail "nothing came of TTL $1"
  left=${left%$'\r'}
  left=${left#:}
  [ "$left" -le "$2" ] && [ "$left" -gt $(($2 - 60)) ] || fail "TTL $1 is $left, not about $2"
}

start
ask 'PING' '+PONG'
ask 'PING hello' '$5' hello
ask 'ECHO words' '$5' words
ask 'SET a 1' '+OK'
ask 'SET a 2 NX' '$-1'
ask 'SET b 2 XX' '$-1'
ask 'SET a 3 GET' '$1' 1
ask 'GET a' '$1' 3
ask 'GET nothing' '$-1'
ask 'INCR a' ':4'
ask 'DECRBY a 10' ':-6'
ask 'SET a 9223372036854775807' '+OK'
ask 'INCR a' '-ERR increment or decrement would overflow'
ask 'SET a words' '+OK'
ask 'INCR a' '-ERR value is not an integer or out of range'
ask 'MSET x 1 y 2' '+OK'
ask 'MGET x nothing y' '*3' '$1' 1 '$-1' '$1' 2
ask 'MSET x' '-ERR wrong number of arguments for '"'mset'"' command'
ask 'EXISTS x y nothing x' ':3'
ask 'DEL x nothing' ':1'
ask 'LPUSH l a b c' ':3'
ask 'RPUSH l d' ':4'
ask 'LRANGE l -2 100' '*2' '$1' a '$1' d
ask 'LRANGE l 3 1' '*0'
ask 'LPUSH a x' '-WRONGTYPE Operation against a key holding the wrong kind of value'
ask 'GET l' '-WRONGTYPE Operation against a key holding the wrong kind of value'
ask 'TYPE l' '+list'
ask 'TTL y' ':-1'
ask 'TTL nothing' ':-2'
ask 'EXPIRE nothing 5' ':0'
ask 'EXPIRE y 100' ':1'
ask_rest y 100
ask 'SET y 1 EX 0' '-ERR invalid expire time in '"'set'"' command'
ask 'SET y 1 EX 9223372036854775807' '-ERR invalid expire time in '"'set'"' command'
ask 'SET y 1 PX 60' '+OK'
sleep 0.3
ask 'GET y' '$-1'
ask 'nonsense' "-ERR unknown command 'nonsense'"
ask 'GET' "-ERR wrong number of arguments for 'get' command"
ask 'SELECT 1' '-ERR DB index is out of range'
ask 'HELLO 4' '-NOPROTO unsupported protocol version'
ask 'BGREWRITEAOF' '-ERR there is no append-only file'
ask 'HELLO 3 JUNK' "-ERR Syntax error in HELLO option 'JUNK'"
ask 'HELLO 3 SETNAME' "-ERR Syntax error in HELLO option 'SETNAME'"
ask 'HELLO 3 AUTH a b' '-ERR there are no users and passwords here'
ask 'HELLO 2 SETNAME me' '*8' '$6' server '$12' stackless-kv '$7' version '$5' 7.0.0 '$5' proto ':2' '$4' mode '$10' standalone

# pipelined, in pieces, and binary
printf '*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$3\r\nb' >&"$one"
expect '$5' words
sleep 0.1
printf '\r\n\r\n$4\r\n\r\n\r\n\r\nPING\r\n' >&"$one"  # the key is "b\r\n", the value "\r\n\r\n"
expect '+OK' '+PONG'

# subscriptions: what is published comes by itself
exec {two}<>"/dev/tcp/127.0.0.1/$port"
printf 'SUBSCRIBE news weather\r\n' >&"$two"
hear "$two" '*3' '$9' subscribe '$4' news ':1' '*3' '$9' subscribe '$7' weather ':2'
ask 'PUBLISH news hello' ':1'
hear "$two" '*3' '$7' message '$4' news '$5' hello
printf 'GET a\r\nUNSUBSCRIBE news\r\n' >&"$two"
hear "$two" "-ERR Can't execute 'get': only (UN)SUBSCRIBE, PING and QUIT are allowed in this context"
hear "$two" '*3' '$11' unsubscribe '$4' news ':1'
ask 'PUBLISH news hello' ':0'
exec {two}>&-

# what is no request ends its connection, and no other
exec {bad}<>"/dev/tcp/127.0.0.1/$port"
printf '*1\r\n!' >&"$bad"
printf '3\r\n' >&"$bad"
hear "$bad" "-ERR Protocol error: expected '\$', got '!'"
IFS= read -r -t 20 -u "$bad" line && fail "the connection of one who sends nonsense goes on"
exec {bad}>&-
ask 'PING' '+PONG'
exec {bad}<>"/dev/tcp/127.0.0.1/$port"
printf 'SET quoted "a b"\r\n' >&"$bad"
hear "$bad" '-ERR Protocol error: quotes in an inline request are not supported, send it as an array'
exec {bad}>&-
# what a browser sends for a web page must not be run
for first in 'POST / HTTP/1.1' 'Host: localhost'; do
  exec {bad}<>"/dev/tcp/127.0.0.1/$port"
  printf '%s\r\nSET pwned 1\r\n' "$first" >&"$bad"
  IFS= read -r -t 20 -u "$bad" line && fail "one who speaks HTTP gets an answer: $line"
  exec {bad}>&-
done
ask 'EXISTS pwned quoted' ':0'
end TERM 0

# the log: killed at any moment, it has what was acknowledged
log=$work/log
start --log "$log" --sync always
for ((i = 1; i <= 50; ++i)); do ask 'INCR n' ":$i"; done
ask 'LPUSH l a b' ':2'
ask 'SET gone 1 PX 50' '+OK'
ask 'SET stays 1 EX 1000' '+OK'
end KILL 137
printf '*2\r\n$4\r\nINCR\r\n$1' >>"$log" # the last request was cut off
sleep 0.2
start --log "$log" --sync second
grep -q 'are the beginning of a request; they are moved to' "$work/err" || fail "it says nothing of the cut"
[ "$(cat "$log".damaged-*)" = "$(printf '*2\r\n$4\r\nINCR\r\n$1')" ] || fail "what was cut off is not kept"
rm "$log".damaged-*
ask 'GET n' '$2' 50
ask 'LRANGE l 0 -1' '*2' '$1' b '$1' a
ask 'GET gone' '$-1'
ask_rest stays 1000
ask 'INCR n' ':51'
end TERM 0
start --log "$log" --sync never
ask 'GET n' '$2' 51
ask 'FLUSHALL' '+OK'
ask 'DBSIZE' ':0'
end INT 0

# the log is written anew, as short as it can be: when that is asked for…
info() {
  exec {query}<>"/dev/tcp/127.0.0.1/$port"
  printf 'INFO\r\nQUIT\r\n' >&"$query"
  tr -d '\r' <&"$query" | sed -n "s/^$1://p"
  exec {query}>&-
}
is_rewritten() { [ "$(info aof_rewrites)" -ge "$1" ] && [ "$(info aof_rewrite_in_progress)" = 0 ]; }
# many COUNT REQUEST: at once; their replies are not looked at
many() {
  local i
  for ((i = 0; i < $1; ++i)); do printf '%s\r\n' "${2//@/$i}"; done >&"$one"
  for ((i = 0; i < $1; ++i)); do IFS= read -r -t 20 -u "$one" _ || fail "no reply to $2"; done
}
log=$work/grown
echo 'of an interrupted one' >"$log.rewrite"
start --log "$log" --sync always --rewrite-growth 0
[ ! -e "$log.rewrite" ] || fail "what an interrupted rewrite left is still there"
many 2000 'INCR n'
many 2500 'RPUSH l @'
many 5000 'SET key@ @'
ask 'SET gone 1 PX 1' '+OK'
ask 'SET stays 1 EX 1000' '+OK'
ask 'EXPIRE l 1000' ':1'
before=$(stat -c %s "$log")
for round in 1 2 3; do
  ask 'BGREWRITEAOF' '+Background append only file rewriting started'
  # These come in the middle of it, or before or after: that must not matter.
  many 300 'INCR n'
  many 300 'RPUSH l more'
  many 100 'DEL key@'
  many 100 'SET key@ @'
  within 20 is_rewritten "$round" || fail "it is not rewritten: $(info aof_rewrites)"
done
[ "$(info aof_base_size)" -lt $((before * 4 / 5)) ] || fail "it has not become shorter: $before, $(info aof_base_size)"
[ ! -e "$log.rewrite" ] || fail "a rewrite left its file"
# A key may expire between the two looks, which is written too.
is_its_size() { [ "$(info aof_current_size)" = "$(stat -c %s "$log")" ]; }
within 20 is_its_size || fail "its size is $(stat -c %s "$log"), not $(info aof_current_size)"
ask 'INCR n' ':2901'
end KILL 137
start --log "$log" --sync always --rewrite-growth 0
ask 'INCR n' ':2902'
ask 'LLEN l' ':3400'
ask 'LRANGE l 2498 2501' '*4' '$4' 2498 '$4' 2499 '$4' more '$4' more
ask_rest l 1000
ask_rest stays 1000
ask 'EXISTS gone' ':0'
ask 'DBSIZE' ':5003'
ask 'GET key4999' '$4' 4999
# all keys go while they are written
for round in 1 2 3; do
  many 20000 'SET other@ @'
  ask 'BGREWRITEAOF' '+Background append only file rewriting started'
  [ "$round" = 1 ] || sleep 0.00$round
  ask 'FLUSHALL' '+OK'
  ask "SET round $round" '+OK'
  within 20 is_rewritten 1 || fail "it is not rewritten after FLUSHALL"
  end KILL 137
  start --log "$log" --sync always --rewrite-growth 0
  ask 'DBSIZE' ':1'
  ask 'GET round' '$1' "$round"
done
# …and when it cannot be, the old one stays
mkdir "$log.rewrite"
ask 'BGREWRITEAOF' '+Background append only file rewriting started'
has_failed() { [ "$(info aof_last_bgrewrite_status)" = err ]; }
within 20 has_failed || fail "a rewrite that failed is not told of"
ask 'SET after failure' '+OK'
end KILL 137
rmdir "$log.rewrite"
start --log "$log" --sync never
ask 'GET after' '$7' failure
end TERM 0
# …or when it has grown
for sync in always second never; do
  rm -f "$log"
  start --log "$log" --sync "$sync" --rewrite-growth 100 --rewrite-smallest 2000
  for ((i = 0; i < 20; ++i)); do many 100 'INCR n'; done
  within 20 is_rewritten 1 || fail "it is never rewritten"
  end KILL 137
  start --log "$log" --sync "$sync"
  ask 'INCR n' ':2001'
  end TERM 0
done

# a subscriber that does not read is cut off: after so many bytes, or after a while
# publish COUNT: messages of a mebibyte
publish() {
  local i
  for ((i = 0; i < $1; ++i)); do
    { printf '*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$1048576\r\n' && head -c 1048576 /dev/zero && printf '\r\n'; } >&"$one"
    IFS= read -r -t 20 -u "$one" _ || fail "no reply to PUBLISH"
  done
}
# who asks for it is one of them
is_alone() { [ "$(info connected_clients)" = 2 ]; }
for cut in '60 too many bytes behind' '16 "news": '; do
  start --stall "$([ "${cut%% *}" = 60 ] && echo 1000 || echo 1)"
  exec {two}<>"/dev/tcp/127.0.0.1/$port"
  printf 'SUBSCRIBE other news more\r\nUNSUBSCRIBE other\r\n' >&"$two"
  hear "$two" '*3' '$9' subscribe '$5' other ':1' '*3' '$9' subscribe '$4' news ':2' \
    '*3' '$9' subscribe '$4' more ':3' '*3' '$11' unsubscribe '$5' other ':2'
  ask 'PUBLISH other 1' ':0'
  publish "${cut%% *}"
  within 20 is_alone || fail "a subscriber that does not read stays"
  grep -q "a subscriber is cut off: ${cut#* }" "$work/err" || fail "it does not say why"
  ask 'PUBLISH news 1' ':0'
  exec {two}>&-
  end TERM 0
done

# two servers with one log: the second leaves it alone, also when it has been rewritten
log=$work/locked
start --log "$log" --sync always
for round in 1 2; do
  ask "SET a $round" '+OK'
  printf '*1' >>"$log" # as a write of the first one that the second one sees half
  status=0
  timeout 20 "$program" --port 0 --log "$log" >/dev/null 2>"$work/err2" </dev/null || status=$?
  [ "$status" = 1 ] && grep -q "$log is in use by another server" "$work/err2" ||
    fail "a second server: status $status: $(cat "$work/err2")"
  [ "$(tail -c 2 "$log")" = '*1' ] || fail "a second server changed the log"
  ask 'BGREWRITEAOF' '+Background append only file rewriting started'
  within 20 is_rewritten "$round" || fail "it is not rewritten"
done
# neither does one that cannot listen
printf '*1' >>"$work/other"
status=0
timeout 20 "$program" --port "$port" --log "$work/other" >/dev/null 2>"$work/err2" </dev/null || status=$?
[ "$status" = 1 ] && [ "$(cat "$work/other")" = '*1' ] || fail "a port that is taken: status $status"
end TERM 0

# a symbolic link stays one, and what it points to keeps its permissions
mkdir "$work/disk"
touch "$work/disk/real"
chmod 640 "$work/disk/real"
ln -s disk/real "$work/link"
start --log "$work/link" --sync always
ask 'SET a 1' '+OK'
ask 'BGREWRITEAOF' '+Background append only file rewriting started'
within 20 is_rewritten 1 || fail "it is not rewritten"
ask 'SET b 1' '+OK'
end TERM 0
[ "$(readlink "$work/link")" = disk/real ] || fail "a rewrite replaced the link"
[ "$(stat -c %a "$work/disk/real")" = 640 ] || fail "a rewrite changed the permissions"
start --log "$work/disk/real"
ask 'DBSIZE' ':2'
end TERM 0

# the longest that is accepted can be read back, as it was logged and as it is rewritten
log=$work/longest
# longest SIZE: one argument
longest() {
  printf '$%s\r\n' "$1"
  head -c "$1" /dev/zero | tr '\0' k
  printf '\r\n'
}
start --log "$log" --sync never --rewrite-growth 0
{ printf '*5\r\n$3\r\nSET\r\n' && longest 67108864 && longest 67108805 &&
  printf '$2\r\nPX\r\n$8\r\n99999999\r\n'; } >&"$one"
expect '+OK'
end TERM 0
[ "$(stat -c %s "$log")" -gt 134217730 ] || fail "what was accepted is no longer in the log than as it came"
start --log "$log" --sync never --rewrite-growth 0
ask 'DBSIZE' ':1'
ask 'FLUSHALL' '+OK'
for size in 1048575 67104768; do
  { printf '*3\r\n$5\r\nRPUSH\r\n' && longest 67104768 && longest "$size"; } >&"$one"
  IFS= read -r -t 60 -u "$one" _ || fail "no reply to RPUSH"
done
ask 'BGREWRITEAOF' '+Background append only file rewriting started'
within 60 is_rewritten 1 || fail "it is not rewritten"
end TERM 0
# each of them alone, with its key, as it was accepted
[ "$(stat -c %s "$log")" -gt 202000000 ] || fail "elements were put together that are too long for that"
start --log "$log"
ask 'DBSIZE' ':1'
end TERM 0
rm "$log"

# a damaged length in the middle: what follows is not lost
log=$work/damaged-length
start --log "$log"
ask 'SET a 1' '+OK'
ask 'SET b xxxxxxxxxx' '+OK'
ask 'SET c 3' '+OK'
end TERM 0
sed 's/\$10/$90/' "$log" >"$log.new"
cp "$log.new" "$log"
start --log "$log"
ask 'DBSIZE' ':1'
end TERM 0
cat "$log" "$log".damaged-* | cmp - "$log.new" || fail "a part of a damaged log is lost"

# a damaged log is not taken for an empty one
printf 'SET a 1\r\n' >"$work/words"
status=0
"$program" --port 0 --log "$work/words" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q "is damaged at byte 0: a record does not begin with '\*'" "$work/err" ||
  fail "a log of words: status $status"
printf '*1\r\nnonsense\r\n' >"$work/damaged"
status=0
"$program" --port 0 --log "$work/damaged" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q 'is damaged at byte 0' "$work/err" || fail "a damaged log: status $status"

# with each policy what is acknowledged was written before, so that the end of the server loses nothing
for sync in second never; do
  limit=1
  start --log "$work/full-$sync" --sync "$sync"
  limit=unlimited
  ask 'SET small 1' '+OK'
  printf -v long '%*s' 2000 ''
  ask "SET large ${long// /x}" "-MISCONF the append-only file cannot be written: $work/full-$sync: File too large"
  end KILL 137
  start --log "$work/full-$sync"
  ask 'DBSIZE' ':1'
  end TERM 0
done

# a full disk: what cannot be kept is refused, and the rest goes on
limit=1 # KiB, of a file
start --log "$work/full" --sync always
limit=unlimited
ask 'SET small 1' '+OK'
printf -v long '%*s' 2000 ''
ask "SET large ${long// /x}" "-MISCONF the append-only file cannot be written: $work/full: File too large"
exec {one}>&-
exec {one}<>"/dev/tcp/127.0.0.1/$port"
ask 'SET small 2' '-MISCONF the append-only file cannot be written: File too large'
ask 'GET small' '$1' 1
end KILL 137
start --log "$work/full"
ask 'GET small' '$1' 1
ask 'EXISTS large' ':0'
end TERM 0
# a log that would take its place has what could not be written, and would get it once more
limit=1
start --log "$work/full-too" --sync always --rewrite-growth 0
limit=unlimited
many 30 'INCR n'
printf -v long '%*s' 200 ''
ask "RPUSH l ${long// /x}" "-MISCONF the append-only file cannot be written: $work/full-too: File too large"
exec {one}>&-
exec {one}<>"/dev/tcp/127.0.0.1/$port"
ask 'BGREWRITEAOF' '+Background append only file rewriting started'
within 20 has_failed || fail "a log that cannot be written is rewritten"
end KILL 137
start --log "$work/full-too"
ask 'GET n' '$2' 30
ask 'EXISTS l' ':0'
end TERM 0

status=0
"$program" --port many >/dev/null 2>"$work/err" || status=$?
[ "$status" = 2 ] && grep -q usage "$work/err" || fail "a port that is no number: status $status"
