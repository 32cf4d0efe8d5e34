#!/usr/bin/env bash
# One table of what quantization costs in accuracy: presets x methods x calibration seeds, all on the same pictures,
# each compared picture by picture with the float32 model. Interrupted, it goes on where it stopped.
set -euo pipefail

usage() {
  cat >&2 <<'USAGE'
usage: bench/accuracy_table.sh MODEL CALIB_DIR EVAL_DIR LABELS OUT_DIR [EVAL OPTIONS]
  MODEL      float32 weights: a file or a name
  CALIB_DIR  calibration pictures
  EVAL_DIR   labelled pictures; LABELS their list, or - where EVAL_DIR holds one directory per class
  OUT_DIR    where artifacts and records go; made if missing
EVAL OPTIONS (e.g. --resize none --limit 1000) go to every `vitq eval`; --resize and --threads to `vitq quantize` too.
Environment: VITQ (the program; default build/release/vitq), PRESETS (default "w8a8 w6a6 w4a8 w4a4 w3a3"), COUNT of the
calibration pictures (default 32), SEEDS that choose them (default "0 1 2"), EDGE_BITS (default 8).

Prints Markdown, which is also OUT_DIR/accuracy.md: a row per preset and method, means over the seeds. All raw figures
are in OUT_DIR/accuracy.csv, a row per preset, method and seed. What OUT_DIR has a record of is not measured again: a
new build of the program wants a new OUT_DIR.
USAGE
  exit 2
}

(($# >= 5)) || usage
readonly MODEL=$1 CALIB=$2 PICTURES=$3 LABELS=$4 OUT=$5
shift 5
readonly VITQ=${VITQ:-$(dirname "${BASH_SOURCE[0]}")/../build/release/vitq}
readonly PRESETS=${PRESETS:-w8a8 w6a6 w4a8 w4a4 w3a3} SEEDS=${SEEDS:-0 1 2} COUNT=${COUNT:-32} EDGE_BITS=${EDGE_BITS:-8}

# Name of the files, name in the tables, options; without commas, for they go into a CSV.
readonly METHODS=(
  "repq|RepQ-ViT-like|--softmax logsqrt2 --scale-factor mean --rounding nearest --code-books none --fold-strength 1 --no-bias-correction"
  "tanq|TanQ + MOSF|--rounding nearest --code-books none"
  "full|full recipe|"
)
readonly EVAL_FIELDS=(n top1 top5 top1_reference agreement kl sqnr_db max_difference only_reference only_this mcnemar_p)
HEADER=$(IFS=, && echo "preset,method,seed,${EVAL_FIELDS[*]},bytes,calibration_s,options")
readonly HEADER

eval_options=("$@")
quantize_options=(--count "$COUNT" --edge-bits "$EDGE_BITS")
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

say() { echo "accuracy_table: $*" >&2; }

die() {
  say "$@"
  exit 1
}

# Writes standard input to FILE, which appears whole or not at all.
write_whole() { cat >"$1.new" && mv "$1.new" "$1"; }

# csv_field NAME FILE: a column of a CSV of two lines. Those asked for stand before the first that may hold a comma.
csv_field() {
  awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == name) at = i } NR == 2 && at { print $at }' "$2" |
    grep . || die "$2: has no field $1"
}

# json_number NAME FILE: a number of a JSON object on one line, without ".0".
json_number() { grep -oE "\"$1\":[0-9]+(\.[0-9]*[1-9])?" "$2" | cut -d: -f2 || die "$2: has no number $1"; }

# Records of other pictures, options or weights must not end up in one table.
check_settings() {
  local settings
  settings=$(
    printf '%s\n' "$MODEL" "$CALIB" "$PICTURES" "quantize ${quantize_options[*]}" "eval ${eval_options[*]}"
    if [[ -f $MODEL ]]; then cksum <"$MODEL"; fi
  )
  [[ -e $OUT/settings.txt ]] || write_whole "$OUT/settings.txt" <<<"$settings"
  if ! diff "$OUT/settings.txt" - <<<"$settings" >&2; then
    die "$OUT: has the records of another run (<), expected this one's (>); name another OUT_DIR"
  fi
}

# The float32 model's logits, once for all rows.
run_reference() {
  if [[ -e $OUT/reference.safetensors ]]; then return; fi
  say "float32"
  "$VITQ" eval --model "$MODEL" --images "$PICTURES" "${eval_options[@]}" --logits "$OUT/reference.safetensors" \
    --format csv >"$OUT/reference.csv"
}

# is_complete RECORD OPTIONS: whether it is there, with every field, of these options.
is_complete() {
  [[ -e $1 ]] && awk -F, -v header="$HEADER" -v options="$2" '
    NR == 1 { good = $0 == header; fields = NF }
    NR == 2 { good = good && NF == fields && $NF == options }
    END { exit !(good && NR == 2) }' "$1"
}

# measure PRESET METHOD-FILE METHOD-NAME OPTIONS SEED: makes OUT/PRESET.METHOD-FILE.seedSEED.csv, a header and a row.
measure() {
  local preset=$1 method=$3 options=$4 seed=$5 cell=$OUT/$1.$2.seed$5 values=() field value
  if is_complete "$cell.csv" "$options"; then return; fi
  say "$preset, $method, seed $seed"
  # shellcheck disable=SC2086  # the options are words
  "$VITQ" quantize --model "$MODEL" --images "$CALIB" --seed "$seed" --preset "$preset" "${quantize_options[@]}" \
    $options --out "$cell.safetensors" --force --json >"$cell.quantize.json"
  "$VITQ" eval --model "$cell.safetensors" --reference "$OUT/reference.safetensors" --images "$PICTURES" \
    "${eval_options[@]}" --format csv >"$cell.eval.csv"
  for field in "${EVAL_FIELDS[@]}"; do
    value=$(csv_field "$field" "$cell.eval.csv")
    values+=("$value")
  done
  for field in bytes calibration_s; do
    value=$(json_number "$field" "$cell.quantize.json")
    values+=("$value")
  done
  (
    IFS=,
    printf '%s\n' "$HEADER" "$preset,$method,$seed,${values[*]},$options"
  ) | write_whole "$cell.csv"
}

# Runs what OUT_DIR has no record of; collects all records in accuracy.csv.
measure_all() {
  local preset method file name options seed rows=()
  for preset in $PRESETS; do
    for method in "${METHODS[@]}"; do
      IFS='|' read -r file name options <<<"$method"
      for seed in $SEEDS; do
        measure "$preset" "$file" "$name" "$options" "$seed"
        rows+=("$(tail -n 1 "$OUT/$preset.$file.seed$seed.csv")")
      done
    done
  done
  printf '%s\n' "$HEADER" "${rows[@]}" | write_whole "$OUT/accuracy.csv"
}

# accuracy.csv as Markdown: a row per preset and method.
table() {
  awk -F, '
    NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
    {
      row = toupper($column["preset"]) " | " $column["method"]
      if (seeds[row]++ == 0) rows[++count] = row
      for (name in column) {
        value = $column[name] + 0
        sum[row, name] += value
        if (seeds[row] == 1 || value < least[row, name]) least[row, name] = value
        if (seeds[row] == 1 || value > most[row, name]) most[row, name] = value
      }
    }
    function mean(name, factor, format) { return sprintf(format, factor * sum[row, name] / seeds[row]) }
    function mean_and_spread(name, factor, format) {
      if (seeds[row] == 1) return mean(name, factor, format)
      return mean(name, factor, format) \
        sprintf(" (" format "-" format ")", factor * least[row, name], factor * most[row, name])
    }
    END {
      print "| bits | method | pictures | FP32 top-1 % | top-1 % | drop, points | agreement % | KL | SQNR dB" \
        " | only FP32 / only quantized right | MB | calibration s |"
      print "|---|---|---|---|---|---|---|---|---|---|---|---|"
      for (i = 1; i <= count; ++i) {
        row = rows[i]
        print "| " row " | " mean("n", 1, "%d") " | " mean("top1_reference", 100, "%.2f") \
          " | " mean("top1", 100, "%.2f") \
          " | " sprintf("%.2f", 100 * (sum[row, "top1_reference"] - sum[row, "top1"]) / seeds[row]) \
          " | " mean_and_spread("agreement", 100, "%.2f") " | " mean_and_spread("kl", 1, "%.5f") \
          " | " mean("sqnr_db", 1, "%.2f") " | " sum[row, "only_reference"] " / " sum[row, "only_this"] \
          " | " mean("bytes", 1e-6, "%.2f") " | " mean("calibration_s", 1, "%.1f") " |"
      }
    }' "$OUT/accuracy.csv"
}

# What the table says nothing of.
notes() {
  echo
  "$VITQ" info | awk '$1 == "vitq" || $1 == "oneDNN" || $1 == "ISA" { printf "%s ", $0 } END { print "" }' | tr -s ' '
  echo "$COUNT calibration pictures, chosen by each of the seeds $SEEDS. Means over the seeds; in brackets the least" \
    "and the most; pictures that one model alone gets right are summed over them. Patch embedding and head at" \
    "$EDGE_BITS bits. MB are 10^6 bytes. Eval options: ${eval_options[*]}"
}

mkdir -p "$OUT"
check_settings
run_reference
measure_all
{
  table
  notes
} | write_whole "$OUT/accuracy.md"
cat "$OUT/accuracy.md"
