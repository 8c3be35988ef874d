# shellcheck shell=bash
# What every script here begins with: the project's root as the working directory, a few words to the user, and the
# build. Sourced; the sourcing script has set -euo pipefail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit
jobs=$(nproc)
test_jobs=$((2 * jobs))  # tests mostly wait

section() { printf '\n== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# quietly LOG COMMAND…: the command's output goes to LOG, and is shown when it fails
quietly() {
  local log=$1 status=0
  shift
  "$@" </dev/null >"$log" 2>&1 || status=$?
  if [ "$status" != 0 ]; then
    tail -n 40 "$log" >&2
    printf '%s: failed with status %s: %s\n(whole output: %s)\n' "${0##*/}" "$status" "$*" "$log" >&2
    return "$status"
  fi
}

# configure PRESET [CMAKE ARGUMENT…]; STACKLESS_CMAKE_ARGS holds more of them
configure() {
  local preset=$1 launcher='' extra=()
  shift
  section "Configuring $preset"
  mkdir -p build
  if command -v ccache >/dev/null; then
    launcher=ccache
    export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
  fi
  read -r -a extra <<<"${STACKLESS_CMAKE_ARGS:-}"
  quietly "build/$preset.configure.log" cmake --preset "$preset" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" ${extra[@]+"${extra[@]}"} "$@"
  grep -E '^-- (GCC|The CXX compiler|No install)|fetched' "build/$preset.configure.log" || true
}

# build PRESET [TARGET…]
build() {
  local preset=$1
  shift
  section "Building $preset${1+: $*}"
  if [ $# -gt 0 ]; then
    cmake --build --preset "$preset" -j "$jobs" --target "$@"
  else
    cmake --build --preset "$preset" -j "$jobs"
  fi
}
