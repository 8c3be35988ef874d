# shellcheck shell=bash
# What the test scripts of TLS programs share: certificates in $work, made by openssl. Sourced after server.sh.
#   root.pem   trusted by nobody yet
#   good.pem   with good.key, signed by it, for localhost and 127.0.0.1

command -v openssl >/dev/null || { echo "skipped: openssl is not installed"; exit 77; }

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${new_key[@]}" -days 30 -subj "/CN=Root of the test" \
  -addext "keyUsage=critical,keyCertSign" \
  -keyout "$work/root.key" -out "$work/root.pem" 2>"$work/err" || fail "openssl made no root"
openssl req "${new_key[@]}" -subj "/CN=localhost" \
  -keyout "$work/good.key" -out "$work/good.request" 2>"$work/err" || fail "openssl made no request"
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n' >"$work/extensions"
openssl x509 -req -in "$work/good.request" -CA "$work/root.pem" -CAkey "$work/root.key" -CAcreateserial -days 30 \
  -extfile "$work/extensions" -out "$work/good.pem" 2>"$work/err" || fail "openssl signed no certificate"
