#!/usr/bin/env bash
# The README's first C++ snippet is this example, word for word.
set -euo pipefail

examples=$(dirname "$0")
diff -u "$examples/hello.cpp" \
  <(sed -n '/^```cpp$/,/^```$/p; /^```$/q' "$examples/../README.md" | sed '1d;$d') || {
  echo "hello.test.sh: README.md and hello.cpp differ" >&2
  exit 1
}
