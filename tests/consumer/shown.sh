#!/usr/bin/env bash
# The symbols of libvitq.so are those of vitq's public headers, and the installed headers are those of include/vitq.
# shown.sh PREFIX LIBDIR SOURCE
set -euo pipefail
prefix=$1 library=$1/$2/libvitq.so source=$3
diff <(cd "$source/include" && find . -type f | sort) <(cd "$prefix/include" && find . -type f | sort)

symbols=$(nm -D --defined-only "$library" | awk '{ print $3 }' | c++filt)
echo "$symbols" | sort
# C: what vitq.h declares, no more and no less.
diff <(grep -oE '\bvitq_[a-z_]+\(' "$source/include/vitq/vitq.h" | tr -d '(' | sort -u) \
  <(grep -E '^vitq_[a-z_]+$' <<<"$symbols" | sort -u)
# C++: the classes and functions that say so.
others=$(grep -vE '^(vitq_[a-z_]+$|vitq::(Model|Session)::|vitq::ImageView::ImageView\(|vitq::(version|quantize|load_image|decode_image|name_of)\(|(typeinfo( name)?|vtable) for vitq::Error$|vitq::Error::)' \
  <<<"$symbols" || true)
if [[ -n $others ]]; then
  printf 'shown, but not public:\n%s\n' "$others" >&2
  exit 1
fi
grep -q '^vitq::Model::open(' <<<"$symbols"
