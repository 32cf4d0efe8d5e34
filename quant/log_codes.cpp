#include "quant/log_codes.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace vitq {

int encode(double x, const LogCodes& codes) {
  const int zero = 1 << codes.bits;
  if (!(x > 0)) return zero;
  const double code = std::nearbyint(-codes.steps_per_octave * std::log2(x / codes.scale));
  return static_cast<int>(std::clamp(code, 0.0, static_cast<double>(zero)));
}

double decode(int code, const LogCodes& codes) {
  if (code >= 1 << codes.bits) return 0;
  return codes.scale * std::exp2(-static_cast<double>(code) / codes.steps_per_octave);
}

SoftmaxTable log_table(const LogCodes& codes) {
  check(codes.bits >= 3 && codes.bits <= 8, "softmax table: ", codes.bits, " bits, expected 3 to 8");
  check(codes.steps_per_octave == 1 || codes.steps_per_octave == 2, "softmax table: ", codes.steps_per_octave,
        " steps per octave, expected 1 (log2) or 2 (logsqrt2)");
  check(codes.scale == 1, "softmax table: scale ", codes.scale, ", expected 1, the largest exp(score - row maximum)");
  SoftmaxTable table;
  for (int i = 0; i < kTableEntries; ++i) {
    const double level = decode(encode(static_cast<double>(i) / (kTableEntries - 1), codes), codes);
    table[i] = static_cast<std::uint8_t>(std::nearbyint(255 * level));
  }
  return table;
}

}  // namespace vitq
