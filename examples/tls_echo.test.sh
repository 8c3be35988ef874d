#!/usr/bin/env bash
# Talks to the server with the real `openssl s_client`: both versions of TLS, much data, wrong and rude clients.
#   tls_echo.test.sh PROGRAM
set -euo pipefail

program=$1
source "${BASH_SOURCE%/*}/lib/server.sh"
source "${BASH_SOURCE%/*}/lib/certificates.sh"

: >"$work/out"
"$program" "$work/good.pem" "$work/good.key" 0 >"$work/out" 2>"$work/err" </dev/null &
server=$!
wait_for_port

# client SIZE OPTION…: the question goes to the server; goes on when as many bytes have come back
client() {
  local size=$1 pid
  shift
  : >"$work/answer"
  timeout 20 openssl s_client -quiet -connect "127.0.0.1:$port" -servername localhost -CAfile "$work/root.pem" \
    -verify_return_error "$@" <"$work/question" >"$work/answer" 2>"$work/client" &
  pid=$!
  within 15 answered "$size" || fail "$*: $(wc -c <"$work/answer") of $size bytes; $(cat "$work/client")"
  kill "$pid"
  wait "$pid" || true
}
answered() { [ "$(stat -c %s "$work/answer")" -ge "$1" ]; }

head -c 300000 /dev/urandom >"$work/question"
for version in -tls1_2 -tls1_3; do
  client 300000 "$version"
  cmp "$work/question" "$work/answer" || fail "$version: another answer; $(cat "$work/client")"
done
grep -q 'TLSv1.2' "$work/err" || fail "TLS 1.2 was not spoken"
grep -q 'TLSv1.3' "$work/err" || fail "TLS 1.3 was not spoken"

# What the client says about us: the certificate is trusted, the protocol agreed on, tickets come.
echo hello >"$work/question"
timeout 20 openssl s_client -connect "127.0.0.1:$port" -CAfile "$work/root.pem" -verify_hostname localhost \
  -alpn other,echo <"$work/question" >"$work/answer" 2>&1 || fail "s_client: $(cat "$work/answer")"
grep -q '^Verify return code: 0 (ok)' "$work/answer" || fail "not verified: $(cat "$work/answer")"
grep -q '^ALPN protocol: echo' "$work/answer" || fail "no protocol: $(cat "$work/answer")"

# Keys are changed in the middle ("K" at the beginning of a line asks s_client for it), also ours.
{ printf 'before\n'; sleep 0.5; printf 'K\n'; sleep 0.5; printf 'after\n'; sleep 1; } |
  timeout 20 openssl s_client -tls1_3 -connect "127.0.0.1:$port" -CAfile "$work/root.pem" >"$work/answer" 2>&1 || true
grep -q '^before' "$work/answer" || fail "no echo before the keys were changed"
grep -q '^KEYUPDATE' "$work/answer" || fail "s_client changed no keys"
grep -q '^after' "$work/answer" || fail "no echo after the keys were changed: $(cat "$work/answer")"

# Clients that are wrong are told of, and the others are served on.
exec {plain}<>"/dev/tcp/127.0.0.1/$port"
printf 'GET / HTTP/1.0\r\n\r\n' >&"$plain"
within 10 grep -q 'http request' "$work/err" || fail "a client in plain text is not told of"
exec {plain}>&-
timeout 20 openssl s_client -tls1_1 -cipher DEFAULT@SECLEVEL=0 -connect "127.0.0.1:$port" </dev/null >"$work/answer" 2>&1 &&
  fail "TLS 1.1 was spoken"
timeout 20 openssl s_client -alpn other -connect "127.0.0.1:$port" </dev/null >"$work/answer" 2>&1 &&
  fail "a protocol that it does not have was agreed on"
within 10 grep -q 'no application protocol' "$work/err" || fail "a client without the protocol is not told of"
exec {cut}<>"/dev/tcp/127.0.0.1/$port"
exec {cut}>&-
within 10 grep -q 'unexpected eof' "$work/err" || fail "a client that hangs up is not told of"
echo "still there" >"$work/question"
client 12
cmp "$work/question" "$work/answer" || fail "the others are not served on"

kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" = 0 ] && grep -q '^stopping' "$work/out" || fail "status $status after SIGTERM"

# fails STATUS TEXT ARGUMENT…
fails() {
  local expected=$1 text=$2 status=0
  shift 2
  "$program" "$@" >"$work/out" 2>"$work/err" || status=$?
  [ "$status" = "$expected" ] && grep -q "$text" "$work/err" || fail "status $status for: $*"
}
fails 2 '^usage: tls_echo'
fails 1 'tls_echo: tls use certificate ".*none.pem".*No such file' "$work/none.pem" "$work/good.key" 0
fails 1 'key values mismatch' "$work/good.pem" "$work/root.key" 0
