#!/usr/bin/env bash
# One table of what quantization costs in accuracy: TanQ + MOSF beside the baselines, all on the same pictures, each
# compared picture by picture with the float32 model. Prints Markdown.
set -euo pipefail

usage() {
  cat >&2 <<'USAGE'
usage: bench/accuracy_table.sh MODEL CALIB_DIR EVAL_DIR LABELS OUT_DIR [EVAL OPTIONS]
  MODEL      float32 weights: a file or a name
  CALIB_DIR  calibration pictures
  EVAL_DIR   labelled pictures; LABELS their list, or - where EVAL_DIR holds one directory per class
  OUT_DIR    where the artifacts and eval's records go; made if missing
EVAL OPTIONS (e.g. --resize none --limit 1000) go to every `vitq eval`; --resize and --threads to `vitq quantize` too.
Environment: VITQ (the program; default build/release/vitq), PRESETS (default "w8a8 w6a6 w4a8 w4a4"), COUNT and SEED
of the calibration pictures (default 32 and 0), EDGE_BITS (default 8).
USAGE
  exit 2
}

(($# >= 5)) || usage
readonly MODEL=$1 CALIB=$2 PICTURES=$3 LABELS=$4 OUT=$5
shift 5
readonly VITQ=${VITQ:-$(dirname "${BASH_SOURCE[0]}")/../build/release/vitq}
readonly PRESETS=${PRESETS:-w8a8 w6a6 w4a8 w4a4} COUNT=${COUNT:-32} SEED=${SEED:-0} EDGE_BITS=${EDGE_BITS:-8}

# Name of the file, name in the table, options.
readonly METHODS=(
  "tanq|TanQ + median (MOSF)|--softmax tanq --scale-factor median"
  "logsqrt2|logsqrt2 + mean, no bias correction (RepQ-ViT-like)|--softmax logsqrt2 --scale-factor mean --no-bias-correction"
  "uniform|uniform + mean, no bias correction|--softmax uniform --scale-factor mean --no-bias-correction"
)

eval_options=("$@")
quantize_options=()
while (($# > 0)); do
  case $1 in
    --resize | --threads)
      (($# > 1)) || usage
      quantize_options+=("$1" "$2")
      shift
      ;;
    --resize=* | --threads=*) quantize_options+=("$1") ;;
  esac
  shift
done
if [[ $LABELS != - ]]; then eval_options+=(--labels "$LABELS"); fi

# field NAME FILE: a column of a CSV of two lines. Those asked for stand before the first that may hold a comma.
field() {
  awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == name) at = i } NR == 2 { print $at }' "$2"
}

percent() { awk -v share="$1" 'BEGIN { printf "%.2f", 100 * share }'; }

# row PRESET FILE-NAME TABLE-NAME OPTIONS...
row() {
  local preset=$1 file=$OUT/$1.$2.safetensors record=$OUT/$1.$2.csv method=$3
  shift 3
  "$VITQ" quantize --model "$MODEL" --images "$CALIB" --count "$COUNT" --seed "$SEED" --edge-bits "$EDGE_BITS" \
    --preset "$preset" "${quantize_options[@]}" "$@" --out "$file" --force >"${record%.csv}.sites.txt"
  "$VITQ" eval --model "$file" --against "$MODEL" --images "$PICTURES" "${eval_options[@]}" --format csv >"$record"
  local top1 top1_reference
  top1=$(field top1 "$record")
  top1_reference=$(field top1_reference "$record")
  printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "${preset^^}" "$method" "$(field n "$record")" \
    "$(percent "$top1_reference")" "$(percent "$top1")" \
    "$(awk -v a="$top1_reference" -v b="$top1" 'BEGIN { printf "%.2f", 100 * (a - b) }')" \
    "$(percent "$(field agreement "$record")")" "$(field sqnr_db "$record")" "$(field kl "$record")"
}

mkdir -p "$OUT"
echo "| bits | method | pictures | FP32 top-1 % | top-1 % | drop, points | agreement % | SQNR dB | KL |"
echo "|---|---|---|---|---|---|---|---|---|"
for preset in $PRESETS; do
  for method in "${METHODS[@]}"; do
    IFS='|' read -r file name options <<<"$method"
    # shellcheck disable=SC2086  # the options are words
    row "$preset" "$file" "$name" $options
  done
done
echo
"$VITQ" info | awk '$1 == "vitq" || $1 == "oneDNN" || $1 == "ISA" { printf "%s ", $0 } END { print "" }' | tr -s ' '
echo "$COUNT calibration pictures, seed $SEED; patch embedding and head at $EDGE_BITS bits; eval options: ${eval_options[*]}"
