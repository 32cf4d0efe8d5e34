#!/usr/bin/env bash
# The units that are compiled for wide instruction sets must share no inline function with the rest: the linker keeps one
# of several, and a CPU without those instructions would run it. So their objects define no weak symbol.
# kernel_symbols.sh OBJECTS...
set -euo pipefail
looked_at=0
for unit in "$@"; do
  [[ $unit == *table_v* || $unit == *_tiles.cpp* ]] || continue
  ((looked_at += 1))
  # DW.ref.*: an address for the unwinder, no code.
  if nm -C "$unit" | grep -E ' [WV] ' | grep -v ' DW\.ref\.'; then
    echo "$unit defines what another unit may define too" >&2
    exit 1
  fi
done
((looked_at == 6))
