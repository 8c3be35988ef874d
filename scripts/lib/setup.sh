# shellcheck shell=bash
# Installs what is missing to build the project, through the system's package manager. Sourced after common.sh.
#
#   setup THING…    compiler cmake ninja pkg-config liburing fmt catch2 openssl-dev openssl benchmark gdb python3 curl go asio
#                   clang-19 clang-query-19 clang-tidy-19 clang-format-19 libfuzzer-19 (these five by apt only)
#
# Looks first, and installs nothing when everything is there. Uses sudo when not root. Sets CXX to a compiler that is
# new enough, unless it is set. With STACKLESS_SETUP=off it installs nothing; CMake then fetches missing libraries.

minimum_cmake=3.25

# usable_compiler COMMAND: GCC >= 12 or Clang >= 16, with a C++20 standard library
usable_compiler() {
  local clang gnu
  command -v "$1" >/dev/null || return 1
  read -r clang gnu < <(printf '__clang_major__ __GNUC__\n' | "$1" -x c++ -E -P - 2>/dev/null) || return 1
  if [ "$clang" = __clang_major__ ]; then
    [ "$gnu" -ge 12 ] 2>/dev/null || return 1
  else
    [ "$clang" -ge 16 ] 2>/dev/null || return 1
  fi
  printf '#include <coroutine>\n#include <source_location>\n' |
    "$1" -std=c++20 -x c++ -fsyntax-only - >/dev/null 2>&1
}

# choose_compiler: sets CXX; the user's choice stands
choose_compiler() {
  local candidate
  if [ -n "${CXX:-}" ]; then
    usable_compiler "$CXX" ||
      die "CXX is $CXX, which is not a working GCC 12 or Clang 16 or later; unset it, or choose another"
    return 0
  fi
  for candidate in g++ g++-16 g++-15 g++-14 g++-13 g++-12 \
    clang++ clang++-21 clang++-20 clang++-19 clang++-18 clang++-17 clang++-16; do
    if usable_compiler "$candidate"; then
      export CXX=$candidate
      return 0
    fi
  done
  return 1
}

has_header() {
  choose_compiler && printf '#include <%s>\n' "$1" | "$CXX" -std=c++20 -x c++ -E - >/dev/null 2>&1
}

has_libfuzzer() {
  printf 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }\n' |
    clang++-19 -x c++ -fsanitize=fuzzer,address - -o /dev/null >/dev/null 2>&1
}

has_cmake() {
  local version
  version=$(cmake --version 2>/dev/null) || return 1
  [[ $version =~ ([0-9]+\.[0-9]+) ]] || return 1
  printf '%s\n%s\n' "$minimum_cmake" "${BASH_REMATCH[1]}" | sort -V -C
}

has() {
  case $1 in
    compiler) choose_compiler ;;
    cmake) has_cmake ;;
    ninja) command -v ninja >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    liburing) has_header liburing.h ;;
    fmt) has_header fmt/format.h ;;
    catch2) has_header catch2/catch_test_macros.hpp || has_header catch2/catch.hpp ;;
    openssl-dev) has_header openssl/ssl.h ;;
    benchmark) has_header benchmark/benchmark.h ;;
    asio) has_header asio.hpp ;;
    gdb | python3 | curl | go | openssl) command -v "$1" >/dev/null ;;
    clang-19) usable_compiler clang++-19 ;;
    libfuzzer-19) has_libfuzzer ;;
    clang-*-19) command -v "$1" >/dev/null ;;
    *) die "setup: what is $1?" ;;
  esac
}

package_manager() {
  local manager
  for manager in apt-get dnf pacman zypper; do
    if command -v "$manager" >/dev/null; then
      echo "$manager"
      return 0
    fi
  done
  return 1
}

# package MANAGER THING: the name of the package there
package() {
  case $1:$2 in
    apt-get:compiler)
      # g++ is the release's default compiler, which may be too old where a later one is offered beside it
      local default
      default=$(apt-cache policy g++ 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p')
      if [ "${default:-12}" -ge 12 ]; then echo g++; else echo g++-12; fi
      ;;
    dnf:compiler) echo gcc-c++ ;;
    pacman:compiler) echo gcc ;;
    zypper:compiler) echo gcc13-c++ ;;
    *:cmake) echo cmake ;;
    pacman:ninja | zypper:ninja) echo ninja ;;
    *:ninja) echo ninja-build ;;
    apt-get:pkg-config) echo pkg-config ;;
    pacman:pkg-config) echo pkgconf ;;
    *:pkg-config) echo pkgconf-pkg-config ;;
    apt-get:liburing) echo liburing-dev ;;
    pacman:liburing) echo liburing ;;
    *:liburing) echo 'pkgconfig(liburing)' ;;
    apt-get:fmt) echo libfmt-dev ;;
    pacman:fmt) echo fmt ;;
    *:fmt) echo 'pkgconfig(fmt)' ;;
    apt-get:catch2 | pacman:catch2) echo catch2 ;;
    *:catch2) echo 'cmake(Catch2)' ;;
    apt-get:openssl-dev) echo libssl-dev ;;
    pacman:openssl-dev) echo openssl ;;
    *:openssl-dev) echo 'pkgconfig(openssl)' ;;
    *:openssl) echo openssl ;;
    apt-get:benchmark) echo libbenchmark-dev ;;
    pacman:benchmark) echo benchmark ;;
    *:benchmark) echo 'pkgconfig(benchmark)' ;;
    apt-get:go) echo golang-go ;;
    dnf:go) echo golang ;;
    *:go) echo go ;;
    apt-get:asio) echo libasio-dev ;;
    pacman:asio) echo asio ;;
    *:asio) echo asio-devel ;;
    *:gdb) echo gdb ;;
    *:curl) echo curl ;;
    pacman:python3) echo python ;;
    *:python3) echo python3 ;;
    apt-get:libfuzzer-19) echo libclang-rt-19-dev ;;
    apt-get:clang-query-19) echo clang-tools-19 ;;
    apt-get:clang-*) echo "$2" ;;
    *) return 1 ;;
  esac
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# install_packages MANAGER LOG PACKAGE…
install_packages() {
  local manager=$1 log=$2
  shift 2
  case $manager in
    apt-get)
      quietly "$log" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
      ;;
    dnf) quietly "$log" as_root dnf install -y --setopt=install_weak_deps=False "$@" ;;
    pacman) quietly "$log" as_root pacman -Sy --needed --noconfirm "$@" ;;
    zypper) quietly "$log" as_root zypper --non-interactive install --no-recommends "$@" ;;
  esac
}

setup() {
  local thing manager log name missing=() packages=()
  section "Checking what is needed: $*"
  for thing in "$@"; do
    has "$thing" || missing+=("$thing")
  done
  if [ ${#missing[@]} -gt 0 ] && [ "${STACKLESS_SETUP:-on}" = off ]; then
    echo "missing: ${missing[*]} (STACKLESS_SETUP=off: nothing is installed)"
  elif [ ${#missing[@]} -gt 0 ]; then
    echo "missing: ${missing[*]}"
    manager=$(package_manager) ||
      die "no apt-get, dnf, pacman or zypper here; please install ${missing[*]} by hand and call this again"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
      die "${missing[*]} must be installed, which needs root or sudo; please install them and call this again"
    log=$(mktemp "${TMPDIR:-/tmp}/stackless-setup.XXXXXX")
    if [ "$manager" = apt-get ]; then
      quietly "$log" as_root apt-get update ||
        die "apt-get update failed, so ${missing[*]} cannot be installed; is there a network?"
    fi
    for thing in "${missing[@]}"; do
      name=$(package "$manager" "$thing") ||
        die "please install $thing by hand: there is no package name known for $manager"
      packages+=("$name")
    done
    section "Installing with $manager: ${packages[*]}"
    install_packages "$manager" "$log" "${packages[@]}" ||
      die "$manager could not install ${packages[*]}; please install them by hand and call this again," \
        "or set STACKLESS_SETUP=off to let CMake fetch the libraries"
    rm -f "$log"
    hash -r
    for thing in "${missing[@]}"; do
      has "$thing" || die "$manager installed ${packages[*]}, but $thing is still missing or too old" \
        "(needed: GCC 12 or Clang 16, CMake $minimum_cmake, or later)"
    done
  fi
  if choose_compiler; then
    echo "ready: $("$CXX" --version | sed -n 1p), $(cmake --version | sed -n 1p)"
  else
    die "no GCC 12 or Clang 16 or later was found"
  fi
}
