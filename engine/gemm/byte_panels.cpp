#include "engine/gemm/byte_panels.h"

#include <algorithm>
#include <cstdlib>

#include "engine/gemm/byte_tiles.h"
#include "engine/gemm/lay_out.h"
#include "engine/gemm/onednn.h"
#include "engine/isa.h"

namespace vitq {

namespace {

using byte_tiles::kOutputs;

// Over how many quads pairs of products of any bytes with these codes can be summed in 16 bits.
std::int64_t steps_of(std::span<const std::int8_t> codes) {
  constexpr std::int64_t kLargestSum = 32767;
  constexpr std::int64_t kLargestPair = 2 * 255;
  int most = 1;
  for (const std::int8_t code : codes) most = std::max(most, std::abs(int{code}));
  return kLargestSum / (kLargestPair * most);
}

}  // namespace

bool BytePanels::are_used() { return isa() >= Isa::kAvx2 && effective_isa() == "AVX2"; }

BytePanels::BytePanels(std::span<const std::int8_t> codes, std::int64_t outputs, std::int64_t inputs)
    : outputs_(outputs), inputs_(inputs), steps_(steps_of(codes)) {
  const std::int64_t size = panels() * padded_inputs() * kOutputs;
  panels_ = Buffer(static_cast<std::size_t>(size));
  auto* to = reinterpret_cast<std::int8_t*>(panels_.data());
  std::fill_n(to, size, std::int8_t{0});
  for (std::int64_t o = 0; o < outputs; ++o) {
    std::int8_t* column = to + o / kOutputs * padded_inputs() * kOutputs + o % kOutputs * step();
    for (std::int64_t i = 0; i < inputs; ++i) {
      column[i / step() * step() * kOutputs + i % step()] = codes[o * inputs + i];
    }
  }
}

std::int64_t BytePanels::panels() const { return (outputs_ + kOutputs - 1) / kOutputs; }

std::size_t BytePanels::scratch_bytes(std::int64_t rows) const {
  const auto elements = static_cast<std::size_t>(rows * padded_inputs());
  if (steps_ == 0) return elements * sizeof(std::int16_t);
  return padded_inputs() == inputs_ ? 0 : elements;
}

void BytePanels::multiply(const Tensor& src, const Tensor& dst, std::span<std::byte> scratch, std::int64_t first,
                          std::int64_t last) const {
  const auto for_panels = [&](const auto& use) {
    const auto* codes = reinterpret_cast<const std::int8_t*>(panels_.data());
    for (std::int64_t p = first; p < last; ++p) {
      use(codes + p * padded_inputs() * kOutputs, std::min(kOutputs, outputs_ - p * kOutputs),
          dst.s32() + p * kOutputs);
    }
  };
  if (steps_ == 0) {
    auto* wide = reinterpret_cast<std::int16_t*>(scratch.data());
    lay_out<std::uint8_t>(src, padded_inputs(), wide);
    for_panels([&](const std::int8_t* codes, std::int64_t outputs, std::int32_t* to) {
      byte_tiles::multiply_pairs(wide, src.rows(), padded_inputs() / step(), codes, outputs, to, dst.strides[0]);
    });
    return;
  }
  const std::uint8_t* rows = src.u8();
  std::int64_t stride = src.strides[0];
  if (padded_inputs() != inputs_) {
    auto* whole = reinterpret_cast<std::uint8_t*>(scratch.data());
    lay_out<std::uint8_t>(src, padded_inputs(), whole);
    rows = whole;
    stride = padded_inputs();
  }
  for_panels([&](const std::int8_t* codes, std::int64_t outputs, std::int32_t* to) {
    byte_tiles::multiply_quads(rows, stride, src.rows(), padded_inputs() / step(), steps_, codes, outputs, to,
                               dst.strides[0]);
  });
}

}  // namespace vitq
