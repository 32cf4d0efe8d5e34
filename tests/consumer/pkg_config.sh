#!/usr/bin/env bash
# Builds and runs main.c and main.cpp with what pkg-config says, against the shared library and against the archive.
# pkg_config.sh PREFIX LIBDIR MODEL PICTURE COMPILER [FLAGS...]
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
prefix=$1 libdir=$1/$2 model=$3 picture=$4
shift 4
export PKG_CONFIG_PATH=$libdir/pkgconfig
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra cflags <<<"$(pkg-config --cflags vitq)"
read -ra shared <<<"$(pkg-config --libs vitq)"
read -ra archive <<<"$(pkg-config --static --libs vitq | sed 's/-lvitq\b/-l:libvitq.a/')"
for source in main.c main.cpp; do
  "$@" -x "$([[ $source == *.c ]] && echo c || echo c++)" "$([[ $source == *.c ]] && echo -std=c11 || echo -std=c++20)" \
    "${cflags[@]}" -c "$here/$source" -o "$work/$source.o"
  "$@" "$work/$source.o" "${shared[@]}" -o "$work/shared"
  "$@" "$work/$source.o" "${archive[@]}" -o "$work/static"
  LD_LIBRARY_PATH=$libdir "$work/shared" "$model" "$picture"
  "$work/static" "$model" "$picture"
  if ldd "$work/static" | grep -q libvitq; then
    echo "the program that was linked to the archive wants libvitq.so" >&2
    exit 1
  fi
done
[[ -e $prefix/include/vitq/vitq.h ]]
