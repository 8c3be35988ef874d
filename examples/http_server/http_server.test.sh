#!/usr/bin/env bash
# Speaks HTTP to the server: raw bytes that no client would send, then curl; lets clients be slow, many, and in the way
# when it ends.
#   http_server.test.sh PROGRAM
set -euo pipefail

program=$1
source "${BASH_SOURCE%/*}/../lib/server.sh"

folder=$work/folder
mkdir -p "$folder/sub folder" "$folder/empty"
echo '<h1>hello</h1>' >"$folder/index.html"
echo 'in sub' >"$folder/sub folder/index.html"
echo 'text' >"$folder/a b%c.txt"
head -c 9000000 /dev/urandom >"$folder/large.bin"
head -c 40000000 /dev/urandom >"$folder/slowly.bin"
head -c 200000 /dev/urandom >"$folder/middle"
: >"$folder/nothing.css"
echo secret >"$work/secret"
ln -s ../secret "$folder/escape"
ln -s "$work/secret" "$folder/escape-too"
ln -s "../folder" "$folder/round-about"
ln -s 'sub folder/index.html' "$folder/inside"
mkfifo "$folder/pipe"

descriptors=unlimited
# start ARGUMENT…
start() {
  : >"$work/out"
  (
    [ "$descriptors" = unlimited ] || ulimit -n "$descriptors"
    exec "$program" --port 0 "$@" "$folder"
  ) >"$work/out" 2>"$work/err" </dev/null &
  server=$!
  wait_for_port
  url=http://127.0.0.1:$port
}

# end STATUS: by SIGTERM
end() {
  local status=0
  kill -TERM "$server"
  wait "$server" 2>/dev/null || status=$?
  server=
  [ "$status" = "$1" ] || fail "status $status after SIGTERM"
}

# raw BYTES: as printf's format; prints all that comes until the server closes the connection
raw() {
  local socket
  exec {socket}<>"/dev/tcp/127.0.0.1/$port"
  printf "$1" >&"$socket"
  timeout 20 cat <&"$socket" || fail "the connection does not end after: $1"
  exec {socket}>&-
}

# expect_raw STATUS… BYTES: of the responses, in order
expect_raw() {
  local expected=("${@:1:$#-1}") got
  got=$(raw "${!#}" | tr -d '\0' | sed -n 's/\r$//; s/^HTTP\/1\.1 \([0-9]*\) .*/\1/p' | tr '\n' ' ')
  [ "$got" = "${expected[*]} " ] || fail "'$got' where '${expected[*]}' was expected of: ${!#}"
}

host='Host: x\r\n'
last="$host"'Connection: close\r\n\r\n'
printf -v long '%*s' 9000 ''
long=${long// /x}
printf -v many 'F: v\\r\\n%.0s' {1..101}

for STACKLESS_IO in '' epoll; do
  export STACKLESS_IO
  start

  # what is a request, and what is none
  expect_raw 200 "GET / HTTP/1.1\r\n$last"
  expect_raw 200 "\r\nGET / HTTP/1.1\r\n$last"
  expect_raw 200 "GET http://x/?a=b HTTP/1.1\r\n$last"
  expect_raw 200 'GET / HTTP/1.0\r\n\r\n'
  expect_raw 200 200 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nHEAD / HTTP/1.0\r\n\r\n'
  expect_raw 200 404 304 200 "GET / HTTP/1.1\r\n${host}\r\nGET /no HTTP/1.1\r\n${host}\r\n$(
    :)GET / HTTP/1.1\r\n${host}If-None-Match: *\r\n\r\nHEAD / HTTP/1.1\r\n$last"
  expect_raw 400 'nonsense\r\n\r\n'
  expect_raw 400 "GET  / HTTP/1.1\r\n$last"
  expect_raw 400 "GET / HTTP/1.1\n$last"
  expect_raw 400 'GET / HTTP/1.1\r\n\r\n'
  expect_raw 400 "GET / HTTP/1.1\r\n$host$last"
  for bad in 'a b/' a/b u@a 'a?' '[::1' 'a:b' 'a:8:8' '%%zz' '[x]y'; do
    expect_raw 400 "GET / HTTP/1.1\r\nHost: $bad\r\nConnection: close\r\n\r\n"
  done
  for good in '' a.b:80 a: '[::1]' '[::1]:80' '%%41'; do
    expect_raw 200 "GET / HTTP/1.1\r\nHost: $good\r\nConnection: close\r\n\r\n"
  done
  expect_raw 400 "GET / HTTP/x.1\r\n$last"
  expect_raw 400 "GET / HTTP/1.1\r\nName : v\r\n$last"
  expect_raw 400 "GET / HTTP/1.1\r\nName: v\r\n folded\r\n$last"
  expect_raw 400 "GET / HTTP/1.1\r\nName: a\001b\r\n$last"
  expect_raw 400 "GET nowhere HTTP/1.1\r\n$last"
  expect_raw 400 "GET /%%zz HTTP/1.1\r\n$last"
  expect_raw 400 "GET /%%00 HTTP/1.1\r\n$last"
  expect_raw 505 "GET / HTTP/2.0\r\n$last"
  expect_raw 501 "BREW / HTTP/1.1\r\n$last"
  expect_raw 501 "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n$last"
  expect_raw 405 "DELETE / HTTP/1.1\r\n$last"
  raw "OPTIONS * HTTP/1.1\r\n$last" | grep -q '^Allow: GET, HEAD' || fail "405 does not say what is allowed"
  expect_raw 414 "GET /$long HTTP/1.1\r\n$last"
  expect_raw 431 "GET / HTTP/1.1\r\nA: $long\r\nB: $long\r\n$last"
  expect_raw 431 "GET / HTTP/1.1\r\n$many$last"

  # bodies are dropped, and delimited one way alone
  expect_raw 405 200 "POST / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n$last"
  expect_raw 200 200 "GET / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n$(
    :)3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nGET / HTTP/1.1\r\n$last"
  expect_raw 413 "POST / HTTP/1.1\r\n${host}Content-Length: 70000\r\n\r\n"
  expect_raw 413 "POST / HTTP/1.1\r\n${host}Content-Length: 99999999999999999999999\r\n\r\n"
  expect_raw 413 "POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"
  expect_raw 405 "POST / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
  expect_raw 400 "POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nx\r\n"
  expect_raw 400 "POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 1\r\n\r\n"
  expect_raw 400 "POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n"
  expect_raw 400 "POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"

  # nothing outside of the folder
  for path in /../secret /%%2e%%2e/secret /a/../../secret '/sub%%20folder%%2f..%%2f..%%2fsecret'; do
    expect_raw 400 "GET $path HTTP/1.1\r\n$last"
  done
  for path in /escape /escape-too /round-about/index.html /pipe; do
    expect_raw 403 "GET $path HTTP/1.1\r\n$last"
  done
  raw "GET //sub%%20folder?q=1 HTTP/1.1\r\n$last" | grep -q $'^Location: /sub%20folder/?q=1\r$' ||
    fail "a folder without its slash is not sent to where it has one"
  end 0

  # who takes too long, for a request or for its answer
  start --request-time 0.3 --send-time 0.5 --idle-time 0.3
  expect_raw 408 'GET / HTTP/1.1\r\nHost:'
  expect_raw 408 "POST / HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nabc"
  expect_raw 200 "GET / HTTP/1.1\r\n${host}\r\n" # and is then idle for too long
  exec {slow}<>"/dev/tcp/127.0.0.1/$port"
  for _ in 1 2 3; do printf 'GET /large.bin HTTP/1.1\r\n%b\r\n' "$host" >&"$slow"; done
  within 20 grep -q 'timed out' "$work/err" || fail "one who does not read is waited for without end"
  exec {slow}>&-
  expect_raw 200 "GET / HTTP/1.1\r\n$last"
  end 0

  # who reads slowly, but enough in each span of time, gets it all
  start --send-time 2
  exec {slow}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET /slowly.bin HTTP/1.1\r\n%b' "$last" >&"$slow"
  for ((i = 0; i < 40; ++i)); do
    dd bs=1M count=1 iflag=fullblock status=none <&"$slow"
    sleep 0.1
  done >"$work/slowly"
  timeout 20 cat <&"$slow" >>"$work/slowly" || fail "a slow answer does not end"
  exec {slow}>&-
  tail -c 40000000 "$work/slowly" | cmp -s - "$folder/slowly.bin" || fail "one who reads all the time is cut off"
  end 0

  # more clients than there is room for wait for others to go
  start --connections 2
  exec {one}<>"/dev/tcp/127.0.0.1/$port" {two}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\n%b\r\n' "$host" | tee >(cat >&"$one") >&"$two"
  IFS= read -r -t 20 -u "$one" line && [ "$line" = $'HTTP/1.1 200 OK\r' ] || fail "the first of two: $line"
  raw "GET / HTTP/1.1\r\n$last" >"$work/third" &
  third=$!
  sleep 0.2
  [ ! -s "$work/third" ] || fail "there was no room for a third client"
  printf 'GET / HTTP/1.1\r\n%b' "$last" >&"$two"
  wait "$third"
  grep -q '^HTTP/1.1 200' "$work/third" || fail "the third client found no room when another had gone"
  exec {one}>&- {two}>&-
  end 0

  # no descriptors are left: it goes on when there are some again; sanitizers need some for themselves
  if [ -z "${STACKLESS_SANITIZE:-}" ]; then
    descriptors=20
    start
    descriptors=unlimited
    clients=()
    for _ in {1..20}; do
      exec {client}<>"/dev/tcp/127.0.0.1/$port"
      clients+=("$client")
    done
    within 20 grep -q 'accept: Too many open files' "$work/err" || fail "20 clients, and 20 descriptors"
    for client in "${clients[@]}"; do exec {client}>&-; done
    expect_raw 200 "GET / HTTP/1.1\r\n$last"
    end 0
  fi
done

status=0
"$program" --port 0 "$work/missing" >/dev/null 2>"$work/err" || status=$?
[ "$status" = 1 ] && grep -q 'missing: No such file' "$work/err" || fail "a folder that is not there: status $status"
for arguments in '' '--port many .' '--idle-time -1 .' '--nonsense 1 .'; do
  status=0
  # shellcheck disable=SC2086
  "$program" $arguments >/dev/null 2>"$work/err" || status=$?
  [ "$status" = 2 ] && grep -q usage "$work/err" || fail "'$arguments': status $status"
done

command -v curl >/dev/null || {
  echo "${0##*/}: the rest is skipped, for want of curl"
  exit 77
}

# expect FORMAT TEXT ARGUMENT…: what curl's --write-out tells
expect() {
  local got
  got=$(curl --silent --show-error --max-time 60 --path-as-is --output "$work/body" --write-out "$1" "${@:3}") ||
    fail "curl: status $?: ${*:3}"
  [ "$got" = "$2" ] || fail "'$got' where '$2' was expected: ${*:3}"
}
# get_slowly RATE NAME: in the background, as $client; returns when it has begun
get_slowly() {
  : >"$work/body"
  curl --silent --max-time 60 --limit-rate "$1" -o "$work/body" "$url/$2" &
  client=$!
  within 20 test -s "$work/body" || fail "$2 does not begin"
}
is_body() { cmp -s "$work/body" "$1" || fail "not the bytes of $1"; }

for STACKLESS_IO in '' epoll; do
  export STACKLESS_IO
  start
  expect '%{http_code} %{content_type}' '200 text/html; charset=utf-8' "$url/"
  is_body "$folder/index.html"
  expect '%{http_code} %{content_type}' '200 text/plain; charset=utf-8' "$url/a%20b%25c.txt"
  is_body "$folder/a b%c.txt"
  expect '%{http_code} %{size_download}' '200 0' "$url/nothing.css"
  expect '%{http_code}' 200 "$url/inside"
  expect '%{http_code} %{num_redirects}' '200 1' --location "$url/sub%20folder"
  is_body "$folder/sub folder/index.html"
  expect '%{http_code}' 404 "$url/empty/"
  expect '%{http_code}' 404 "$url/index.html/"
  expect '%{http_code}' 400 "$url/../secret"
  expect '%{http_code} %{size_download}' '200 9000000' "$url/large.bin"
  is_body "$folder/large.bin"
  expect '%{http_code} %{size_download}' '200 0' --head "$url/large.bin"
  grep -q '^Content-Length: 9000000' "$work/body" || fail "HEAD does not tell the length"
  expect '%{http_code}' 405 --data hello "$url/"
  # more than is read of a body, and without waiting for leave to send it
  expect '%{http_code}' 413 --data-binary "@$folder/middle" -H 'Expect:' "$url/"
  # one connection for all
  expect '%{num_connects}%{http_code} ' '1200 0200 0404 ' \
    "$url/" -o "$work/body" "$url/large.bin" -o "$work/body2" "$url/missing"

  # ranges
  while read -r range first size; do
    expect '%{http_code}' 206 --range "$range" "$url/large.bin"
    tail -c "+$((first + 1))" "$folder/large.bin" | head -c "$size" >"$work/part" || true
    is_body "$work/part"
  done <<'END'
0-0 0 1
5-20000 5 19996
1000000-8999998 1000000 7999999
8999990- 8999990 10
-5 8999995 5
-9000001 0 9000000
8999999-99999999999999999999 8999999 1
END
  expect '%{http_code}' 416 --range 9000000- "$url/large.bin"
  expect '%{http_code}' 416 --range -5 "$url/nothing.css"
  for range in 5-1 0-1,5-6 x-y; do expect '%{http_code}' 200 --range "$range" "$url/"; done

  # what the client has already
  tag=$(curl --silent --head "$url/" | sed -n 's/\r$//; s/^ETag: //p')
  modified=$(curl --silent --head "$url/" | sed -n 's/\r$//; s/^Last-Modified: //p')
  expect '%{http_code} %{size_download}' '304 0' -H "If-None-Match: \"other\", W/$tag" "$url/"
  expect '%{http_code}' 200 -H 'If-None-Match: "other"' -H "If-Modified-Since: $modified" "$url/"
  expect '%{http_code}' 304 -H "If-Modified-Since: $modified" "$url/"
  expect '%{http_code}' 200 -H 'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT' "$url/"
  expect '%{http_code}' 206 --range 0-1 -H "If-Range: $tag" "$url/"
  expect '%{http_code}' 200 --range 0-1 -H 'If-Range: "other"' "$url/"
  expect '%{http_code}' 304 -H 'If-None-Match: "other"' -H "If-None-Match: $tag" "$url/"
  expect '%{http_code}' 200 -H 'If-None-Match: "other"' -H 'If-None-Match: "another"' "$url/"
  # what it does not want unless it is as it was
  expect '%{http_code}' 412 -H 'If-Match: "other"' "$url/"
  expect '%{http_code}' 412 -H "If-Match: W/$tag" "$url/"
  expect '%{http_code}' 412 -H 'If-Match: "other"' -H "If-None-Match: $tag" "$url/"
  expect '%{http_code}' 200 -H 'If-Match: "other"' -H "If-Match: $tag" "$url/"
  expect '%{http_code}' 200 -H 'If-Match: *' "$url/"
  expect '%{http_code} %{size_download}' '412 0' --head -H 'If-Match: "other"' "$url/"
  expect '%{http_code}' 412 -H 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT' "$url/"
  expect '%{http_code}' 200 -H "If-Unmodified-Since: $modified" "$url/"
  expect '%{http_code}' 200 -H 'If-Unmodified-Since: yesterday' "$url/"
  expect '%{http_code}' 200 -H "If-Match: $tag" -H 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT' "$url/"
  touch "$folder/index.html"
  expect '%{http_code}' 200 -H "If-None-Match: $tag" "$url/"

  # many at once
  curl --silent --no-progress-meter --max-time 60 --parallel --parallel-max 30 "$url/large.bin?[1-40]" -o "$work/part#1" || fail "40 at once"
  for ((i = 1; i <= 40; ++i)); do
    cmp -s "$work/part$i" "$folder/large.bin" || fail "number $i of 40 is not the file"
    rm "$work/part$i"
  done

  # a file that becomes shorter: what has been promised does not come, and that is seen
  truncate -s 30M "$folder/shrinks"
  status=0
  get_slowly 3M shrinks
  truncate -s 100000 "$folder/shrinks"
  wait "$client" || status=$?
  [ "$status" = 18 ] || fail "a file that became shorter: curl's status $status"

  # its end: who is in the middle gets the rest, who is idle is let go
  exec {idle}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET /nothing.css HTTP/1.1\r\n%b\r\n' "$host" >&"$idle"
  IFS= read -r -t 20 -u "$idle" line
  get_slowly 6M large.bin
  end 0
  wait "$client" || fail "the last client: curl's status $?"
  is_body "$folder/large.bin"
  timeout 20 cat <&"$idle" >/dev/null || fail "one who is idle is not let go"
  exec {idle}>&-
  grep -qE '^[0-9]+ requests on [0-9]+ connections$' "$work/out" || fail "it does not tell what it did"

  # unless that takes too long
  start --drain-time 0.2
  truncate -s 200M "$folder/huge"
  get_slowly 4M huge
  end 0
  status=0
  wait "$client" || status=$?
  [ "$status" = 18 ] || fail "cut off: curl's status $status"
done
