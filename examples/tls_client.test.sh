#!/usr/bin/env bash
# Talks to the real `openssl s_server`.
#   tls_client.test.sh PROGRAM
set -euo pipefail

program=$1
source "${BASH_SOURCE%/*}/lib/server.sh"
source "${BASH_SOURCE%/*}/lib/certificates.sh"

# serve OPTION…: s_server with these, on a port that is free; sets $port
serve() {
  stop
  : >"$work/out"
  openssl s_server -accept 127.0.0.1:0 -cert "$work/good.pem" -key "$work/good.key" "$@" \
    >"$work/out" 2>&1 </dev/null &
  server=$!
  within 20 grep -qE '^ACCEPT 127\.0\.0\.1:[0-9]+' "$work/out" || fail "s_server does not listen"
  port=$(sed -n 's/^ACCEPT 127\.0\.0\.1://p' "$work/out" | head -n 1)
}
stop() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; }
  server=
}

# succeeds QUESTION OPTION…: the answer is in $work/answer, what the program says in $work/err
succeeds() {
  local question=$1 status=0
  shift
  printf "$question" | timeout 30 "$program" --ca "$work/root.pem" "$@" >"$work/answer" 2>"$work/err" || status=$?
  [ "$status" = 0 ] || fail "status $status for $*"
}
# fails TEXT OPTION…
fails() {
  local text=$1 status=0
  shift
  timeout 30 "$program" "$@" </dev/null >"$work/answer" 2>"$work/err" || status=$?
  [ "$status" = 1 ] || fail "status $status for $*"
  grep -q "$text" "$work/err" || fail "not told: $text"
}

# -www answers with a page about the connection, and closes; -rev sends each line back, reversed
for version in 1.2 1.3; do
  serve -www "-tls${version/./_}"
  succeeds 'GET / HTTP/1.0\r\n\r\n' localhost "$port"
  grep -q '^HTTP/1.0 200 ok' "$work/answer" || fail "$version: no page"
  grep -q "^TLSv$version, " "$work/err" || fail "$version was not spoken"
  grep -q 'CN=localhost' "$work/err" || fail "$version: the certificate is not shown"
done
serve -rev -alpn h2,echo
succeeds 'abc\ndef\n' --protocol other --protocol echo localhost "$port"
[ "$(cat "$work/answer")" = $'cba\nfed' ] || fail "-rev answered: $(cat "$work/answer")"
grep -q '^protocol echo$' "$work/err" || fail "no protocol was agreed on"
succeeds 'x\n' --name localhost 127.0.0.1 "$port"
succeeds 'x\n' 127.0.0.1 "$port"

fails 'tls_client: tls handshake "example.org": certificate verify failed: .ostname mismatch' \
  --ca "$work/root.pem" --name example.org 127.0.0.1 "$port"
fails 'certificate verify failed: unable to get local issuer certificate' localhost "$port"
fails 'tls trust ".*none.pem".*No such file' --ca "$work/none.pem" localhost "$port"
serve -rev -cipher ECDHE-ECDSA-AES128-SHA256 -tls1_2 -client_sigalgs RSA+SHA256 -Verify 1
fails 'tls_client: tls .*alert' --ca "$work/root.pem" localhost "$port"
stop
fails 'Connection refused' --ca "$work/root.pem" localhost "$port"

status=0
"$program" localhost >/dev/null 2>"$work/err" || status=$?
[ "$status" = 2 ] && grep -q '^usage' "$work/err" || fail "no port: status $status"
