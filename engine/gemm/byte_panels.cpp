#include "engine/gemm/byte_panels.h"

#include <algorithm>

#include "engine/gemm/byte_tiles.h"
#include "engine/gemm/onednn.h"
#include "engine/isa.h"

namespace vitq {

namespace {

using byte_tiles::kOutputs;

std::int64_t pairs_of(std::int64_t inputs) { return (inputs + 1) / 2; }

}  // namespace

bool BytePanels::are_used() { return isa() >= Isa::kAvx2 && effective_isa() == "AVX2"; }

BytePanels::BytePanels(std::span<const std::int8_t> codes, std::int64_t outputs, std::int64_t inputs)
    : outputs_(outputs), inputs_(inputs) {
  const std::int64_t panels = (outputs + kOutputs - 1) / kOutputs;
  const std::int64_t size = panels * pairs_of(inputs) * 2 * kOutputs;
  panels_ = Buffer(static_cast<std::size_t>(size));
  auto* to = reinterpret_cast<std::int8_t*>(panels_.data());
  std::fill_n(to, size, std::int8_t{0});
  for (std::int64_t o = 0; o < outputs; ++o) {
    std::int8_t* column = to + o / kOutputs * pairs_of(inputs) * 2 * kOutputs + o % kOutputs * 2;
    for (std::int64_t i = 0; i < inputs; ++i) column[i / 2 * 2 * kOutputs + i % 2] = codes[o * inputs + i];
  }
}

std::size_t BytePanels::scratch_bytes(std::int64_t rows) const {
  return static_cast<std::size_t>(rows * pairs_of(inputs_) * 2) * sizeof(std::int16_t);
}

void BytePanels::multiply(const Tensor& src, const Tensor& dst, std::span<std::byte> scratch) const {
  const std::int64_t pairs = pairs_of(inputs_);
  auto* wide = reinterpret_cast<std::int16_t*>(scratch.data());
  for (std::int64_t r = 0; r < src.rows(); ++r) {
    const std::uint8_t* row = static_cast<const std::uint8_t*>(src.data) + r * src.strides[0];
    std::int16_t* to = std::copy_n(row, inputs_, wide + r * 2 * pairs);
    if (inputs_ % 2 != 0) *to = 0;
  }
  const auto* codes = reinterpret_cast<const std::int8_t*>(panels_.data());
  for (std::int64_t first = 0; first < outputs_; first += kOutputs, codes += pairs * 2 * kOutputs) {
    byte_tiles::multiply(wide, src.rows(), pairs, codes, std::min(kOutputs, outputs_ - first), dst.s32() + first,
                         dst.strides[0]);
  }
}

}  // namespace vitq
