#pragma once
// Baselines of TanQ: logarithmic codes for softmax values, as published work quantizes them (log2: FQ-ViT; logsqrt2:
// RepQ-ViT), and the tables with which vitq's softmax kernel runs them.

#include "quant/tanq.h"

namespace vitq {

/// Codes q = round(-steps_per_octave * log2(x / scale)): 1 step per factor of two is log2, 2 are logsqrt2.
struct LogCodes {
  int steps_per_octave = 1;
  int bits = 4;
  double scale = 1;
};

/// Scalar reference. Codes are clamped at 0 below; whatever lies above 2^bits - 1, x <= 0 too, becomes 2^bits, which
/// stands for zero. (So published "b-bit" log codes have 2^b + 1 values; vitq keeps that, for the baseline's sake.)
int encode(double x, const LogCodes& codes);

/// scale * 2^(-code / steps_per_octave); 0 for codes of 2^bits and above.
double decode(int code, const LogCodes& codes);

/// Entry i = round(255 decode(encode(i / 4095))), for the kernel that encodes e = exp(score - row maximum) and divides
/// by the row's sum of levels; scale must be 1, the largest e. This is not what RepQ-ViT does: there x is the
/// probability, scale its percentile over the calibration set, and nothing is divided by the sum of the decoded values.
/// An s32 kernel cannot hold that (probabilities of .02 on a 255-step grid). Levels below 1/510 become 0 on that grid:
/// log2 loses the codes above 8; logsqrt2 keeps all 16 at 4 bits.
SoftmaxTable log_table(const LogCodes& codes);

}  // namespace vitq
