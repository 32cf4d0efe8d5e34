#!/usr/bin/env bash
# The way from a fresh clone to a working vitq. `./setup.sh help` lists the words.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly BUILD_PACKAGES=(g++ cmake ninja-build libdnnl-dev ocl-icd-opencl-dev libstb-dev libturbojpeg0-dev
  libjpeg62-turbo-dev libzip-dev zipcmp zipmerge ziptool libcurl4-openssl-dev ca-certificates nlohmann-json3-dev
  libeigen3-dev doctest-dev libbenchmark-dev pkgconf)
readonly LINT_PACKAGES=(clang-format clang-tidy)
readonly FUZZ_PACKAGES=(clang libclang-rt-dev libomp-dev llvm)
readonly FUZZ_TARGETS=(safetensors artifact sites pickle torch image arguments labels text_features hub c_api)
readonly ROOMS=(include api engine weights models quant cli bench tests)
readonly PROGRAM=build/release/vitq
readonly PEERS_VENV=build/peers-venv

usage() {
  cat <<'USAGE'
usage: ./setup.sh WORD
  build                build the program: build/release/vitq
  run [OPTIONS]        build it and classify examples/airplane.png; OPTIONS go to `vitq run`
  test [OPTIONS]       build everything and run the tests; OPTIONS go to ctest, e.g. -R golden
  lint                 clang-format and clang-tidy over our sources
  sanitize [PRESET]    build and test with preset asan-ubsan (the default) or tsan
  fuzz SECONDS         build the fuzz targets and run each for so long, two at a time
  peers [OPTIONS]      build, and compare with other engines (docs/peers.md); --help lists OPTIONS
  help                 this text
Missing Debian packages are installed with apt-get (through sudo where you are not root).
USAGE
}

say() { printf 'setup: %s\n' "$*"; }

die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

misused() {
  printf 'setup: %s\n' "$*" >&2
  usage >&2
  exit 2
}

# Installs those of the named Debian packages that are missing; says nothing and needs no network if there are none.
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "this is not a Debian system; vitq needs what these packages hold: $*"
    return
  fi
  local package missing=()
  for package in "$@"; do
    if [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]]; then
      missing+=("$package")
    fi
  done
  if ((${#missing[@]} == 0)); then return; fi

  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "please install, as root: apt-get install ${missing[*]}"
    apt=(sudo "${apt[@]}")
  fi
  say "installing ${missing[*]}"
  "${apt[@]}" update </dev/null || die "apt-get update failed; these packages are missing: ${missing[*]}"
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
}

# build PRESET [TARGETS...]: configures and builds; everything if no target is named.
build() {
  local preset=$1
  shift
  need_packages "${BUILD_PACKAGES[@]}"
  if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
  say "building ${*:-everything} in build/$preset"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

run() {
  build release vitq
  local picture=examples/airplane.png
  if compgen -G 'weights/builtin/*.safetensors' >/dev/null; then
    exec "$PROGRAM" run --image "$picture" "$@"
  fi
  local cache
  cache=$("$PROGRAM" info | sed -n 's/^models  *//p')
  [[ $cache == /* ]] || die "there is no folder for models: set VITQ_HOME to one"
  local model=$cache/deit_t.seeded.safetensors
  mkdir -p "$cache"
  say "no trained weights are here yet: classifying with seeded ones, so the names below mean nothing"
  [[ -e $model ]] || "$PROGRAM" seed --model deit_t --out "$model"
  exec "$PROGRAM" run --model "$model" --image "$picture" "$@"
}

run_tests() {
  build release
  say "testing"
  exec ctest --preset release --output-on-failure "$@"
}

# tidy BUILD SOURCES...: as BUILD compiles them.
tidy() {
  local folder=$1
  shift
  printf '%s\0' "$@" | xargs -0 -n 1 -P 2 clang-tidy -p "$folder" --quiet --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option
}

lint() {
  need_packages "${LINT_PACKAGES[@]}" "${FUZZ_PACKAGES[@]}"
  build release
  cmake --preset fuzz >/dev/null
  local room rooms=() sources fuzz_sources headers
  for room in "${ROOMS[@]}"; do
    if [[ -d $room ]]; then rooms+=("$room"); fi
  done
  mapfile -t sources < <(find "${rooms[@]}" -name '*.cpp' -not -path 'tests/consumer/*' -not -path 'tests/fuzz/*' | sort)
  mapfile -t fuzz_sources < <(find tests/fuzz -name '*.cpp' | sort)
  mapfile -t headers < <(find "${rooms[@]}" -name '*.h' | sort)
  say "clang-format: ${#sources[@]} sources, ${#fuzz_sources[@]} fuzz targets, ${#headers[@]} headers"
  clang-format --dry-run -Werror "${sources[@]}" "${fuzz_sources[@]}" "${headers[@]}"
  say "clang-tidy"
  tidy build/release "${sources[@]}"
  tidy build/fuzz "${fuzz_sources[@]}"
  say "lint: clean"
}

sanitize() {
  local preset=${1:-asan-ubsan}
  [[ $preset == asan-ubsan || $preset == tsan ]] || misused "sanitize takes asan-ubsan or tsan, not '$preset'"
  build "$preset"
  say "testing with $preset"
  exec ctest --preset "$preset" --output-on-failure
}

# fuzz_target NAME SECONDS: one target, from its seeds and from what earlier runs have found.
fuzz_target() {
  local name=$1 seconds=$2 folder=build/fuzz
  mkdir -p "$folder/found/$name" "$folder/seeds/$name"
  # A sanitizer's own memory counts too. A single allocation above the limit is a finding at once.
  env LSAN_OPTIONS=suppressions=tests/fuzz/lsan.supp:print_suppressions=0 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive \
    nice -n 10 "$folder/${name}_fuzz" -max_total_time="$seconds" \
    -rss_limit_mb=2048 -malloc_limit_mb=2048 -timeout=60 -print_final_stats=1 \
    -artifact_prefix="$folder/findings/$name-" "$folder/found/$name" "$folder/seeds/$name" \
    >"$folder/$name.log" 2>&1 || mv "$folder/$name.log" "$folder/$name.failed.log"
}

# fuzz_report NAME: a row of the table; fails where there is a finding.
fuzz_report() {
  local log=build/fuzz/$1.log outcome=none
  if [[ -e build/fuzz/$1.failed.log ]]; then
    log=build/fuzz/$1.failed.log
    outcome="see $log"
  fi
  awk -v name="$1" -v outcome="$outcome" '
    /stat::number_of_executed_units/ { runs = $2 }
    / cov: / { for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1) }
    END { printf "%-12s %12s %8s  %s\n", name, runs == "" ? "-" : runs, edges == "" ? "-" : edges, outcome }' "$log"
  [[ $outcome == none ]]
}

fuzz() {
  local seconds=$1 name running=0 is_clean=true
  [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || misused "fuzz takes a number of seconds, not '$seconds'"
  need_packages "${FUZZ_PACKAGES[@]}"
  build fuzz
  rm -rf build/fuzz/seeds build/fuzz/*.log
  mkdir -p build/fuzz/findings
  build/fuzz/make_corpus tests/fixtures build/fuzz/seeds
  say "fuzzing ${#FUZZ_TARGETS[@]} targets, $seconds s each"
  trap 'trap - INT TERM; kill 0' INT TERM
  for name in "${FUZZ_TARGETS[@]}"; do
    if ((running == 2)); then
      wait -n
      ((running -= 1))
    fi
    fuzz_target "$name" "$seconds" &
    ((running += 1))
  done
  wait
  printf '%-12s %12s %8s  %s\n' target executions edges finding
  for name in "${FUZZ_TARGETS[@]}"; do
    fuzz_report "$name" || is_clean=false
  done
  $is_clean || die "fuzz: what was found lies in build/fuzz/findings; TARGET_fuzz FILE shows it again"
  say "fuzz: no findings"
}

# The other engines, in a virtual environment. Made again when the lists of packages change.
need_peers() {
  local lists=(bench/peers/requirements.txt bench/peers/requirements-alone.txt)
  local stamp=$PEERS_VENV/installed.txt pip=$PEERS_VENV/bin/pip torch python
  if [[ -e $stamp ]] && cat "${lists[@]}" | cmp -s - "$stamp"; then return; fi
  for python in "${PYTHON:-}" python3.11 python3.12 python3.13; do
    if [[ -n $python ]] && command -v "$python" >/dev/null; then break; fi
    python=
  done
  [[ -n $python ]] || die "peers needs Python 3.11, 3.12 or 3.13 with venv; PYTHON names one"
  say "installing the other engines in $PEERS_VENV (about 1.6 GB)"
  rm -rf "$PEERS_VENV"
  mkdir -p build
  "$python" -m venv "$PEERS_VENV" || die "$python cannot make a virtual environment; Debian has it in python3-venv"
  # PyTorch first and alone, so that nothing later asks for another build: PyPI's own is for CUDA and much larger.
  torch=$(grep '^torch==' "${lists[0]}")
  "$pip" install -q "$torch" 2>/dev/null ||
    "$pip" install -q "$torch" --extra-index-url https://download.pytorch.org/whl/cpu ||
    die "pip could not install $torch"
  "$pip" install -q -r "${lists[0]}"
  "$pip" install -q --no-deps -r "${lists[1]}"
  cat "${lists[@]}" >"$stamp"
}

peers() {
  build release vitq vitq_vitq
  need_peers
  exec "$PEERS_VENV/bin/python" bench/peers/compare.py "$@"
}

main() {
  if (($# == 0)); then misused "a word is missing"; fi
  local word=$1
  shift
  case $word in
    run) run "$@" ;;
    test) run_tests "$@" ;;
    peers) peers "$@" ;;
    sanitize)
      (($# <= 1)) || misused "sanitize takes one preset"
      sanitize "$@"
      ;;
    fuzz)
      (($# == 1)) || misused "fuzz takes the seconds for each target"
      fuzz "$1"
      ;;
    build | lint | help | --help | -h)
      (($# == 0)) || misused "$word takes nothing more, found '$1'"
      case $word in
        build)
          build release vitq
          say "done: $PROGRAM"
          ;;
        lint) lint ;;
        *) usage ;;
      esac
      ;;
    *) misused "unknown word '$word'" ;;
  esac
}

main "$@"
