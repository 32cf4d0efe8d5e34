#pragma once

#include <cstdint>

#include "engine/kernels/arguments.h"

namespace vitq::rows {
namespace {

/// A row of a matrix whose rows are counted over [groups, heads, tokens], and the next one: divisions for each of
/// Swin's rows would take as long as its exponentials. After the last group the first comes again.
class HeadRow {
 public:
  [[gnu::always_inline]] HeadRow(std::int64_t row, std::int64_t groups, std::int64_t heads, std::int64_t tokens)
      : groups_(groups),
        heads_(heads),
        tokens_(tokens),
        group_(row / (tokens * heads) % groups),
        head_(row / tokens % heads),
        token_(row % tokens) {}

  [[gnu::always_inline]] void next() {
    if (++token_ < tokens_) return;
    token_ = 0;
    if (++head_ < heads_) return;
    head_ = 0;
    if (++group_ == groups_) group_ = 0;
  }

  [[nodiscard, gnu::always_inline]] std::int64_t group() const { return group_; }
  [[nodiscard, gnu::always_inline]] std::int64_t head() const { return head_; }
  [[nodiscard, gnu::always_inline]] std::int64_t token() const { return token_; }

 private:
  std::int64_t groups_, heads_, tokens_, group_, head_, token_;
};

[[gnu::always_inline]] inline HeadRow row_of(const Heads& all, std::int64_t i) {
  return {all.first_row + i, all.groups, all.heads, all.tokens};
}

/// Where it lies, in elements.
[[gnu::always_inline]] inline std::int64_t place_of(const Heads& all, const HeadRow& row) {
  const std::int64_t token = row.group() * all.tokens + row.token();
  return (all.to == nullptr ? token : all.to[token]) * all.stride + row.head() * all.head_dim;
}

}  // namespace
}  // namespace vitq::rows
