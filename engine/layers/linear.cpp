#include "engine/layers/linear.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/heads.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr Encoding kSums{.dtype = DType::kS32};

// Codes and scale of a row for CPUs that saturate: within [-64, 64].
void halve(std::span<std::int8_t> codes, float& scale) {
  if (std::ranges::all_of(codes, [](int code) { return code >= -64 && code <= 64; })) return;
  for (std::int8_t& code : codes) {
    const int half = code / 2;                                                // towards zero
    code = static_cast<std::int8_t>(code % 2 == 0 ? half : half + half % 2);  // x.5 goes to the even side
  }
  scale *= 2.0F;
}

void check_integers(const QuantizedLinear& layer) {
  check(!layer.row_scales || (layer.input_levels.empty() && layer.input_scale == 1),
        "linear: rows that have a scale each have no other, and no levels");
  check(std::ssize(layer.codes) == layer.outputs * layer.inputs, "linear: weight has ", layer.codes.size(),
        " codes, expected [", layer.outputs, ", ", layer.inputs, "]");
  check(std::ssize(layer.scale) == layer.outputs, "linear: ", layer.scale.size(), " scales, expected ", layer.outputs);
  check(layer.bias.empty() || std::ssize(layer.bias) == layer.outputs, "linear: bias has ", layer.bias.size(),
        " elements, expected ", layer.outputs);
}

}  // namespace

struct Linear::Packed {
  PackedWeights weights;
  Encoding source;
  std::vector<float> multiplier = {}, offset = {};  // integer weights only
  std::vector<float> bias = {};                     // where rows have scales, which do not multiply it
  CodeBook code_book = {};                          // where source.code_book points, if anywhere
};

std::shared_ptr<const Linear::Packed> Linear::pack(const LinearDescription& description, const PackOptions& options) {
  if (const auto* floats = std::get_if<FloatLinear>(&description)) {
    return std::make_shared<const Packed>(Packed{
        .weights =
            PackedWeights::of_floats(floats->weight, floats->bias, floats->outputs, floats->inputs, options.floats),
        .source = options.floats == DType::kBF16 ? kBfloat16 : kFloat});
  }
  const auto& layer = std::get<QuantizedLinear>(description);
  check_integers(layer);
  std::vector<std::int8_t> codes = layer.codes;
  std::vector<float> multiplier;
  std::vector<float> offset;
  const bool saturates = int8_saturates();
  for (std::int64_t o = 0; o < layer.outputs; ++o) {
    const std::span row(codes.data() + o * layer.inputs, static_cast<std::size_t>(layer.inputs));
    float scale = layer.scale[o];
    if (saturates) halve(row, scale);
    std::int64_t sum = 0;
    for (const std::int8_t code : row) sum += code;
    const double factor = double{layer.input_scale} * scale;
    const double bias = layer.bias.empty() ? 0.0 : layer.bias[o];
    multiplier.push_back(static_cast<float>(factor));
    const double shift = factor * layer.input_zero_point * static_cast<double>(sum);
    offset.push_back(static_cast<float>(layer.row_scales ? -shift : bias - shift));
  }
  // Levels lie on a grid of eight bits, however few bits their codes have.
  auto packed = std::make_shared<Packed>(Packed{.weights = PackedWeights::of_codes(codes, layer.outputs, layer.inputs),
                                                .source = {.dtype = DType::kU8,
                                                           .scale = layer.input_scale,
                                                           .zero_point = layer.input_zero_point,
                                                           .bits = layer.input_levels.empty() ? layer.input_bits : 8,
                                                           .row_scales = layer.row_scales},
                                                .multiplier = std::move(multiplier),
                                                .offset = std::move(offset)});
  if (layer.row_scales) {
    packed->bias = layer.bias;
    packed->bias.resize(layer.outputs);
  }
  if (!layer.input_levels.empty()) {
    packed->code_book = nearest_levels(layer.input_levels);
    packed->source.code_book = packed->code_book.data();
  }
  return packed;
}

Linear::Linear(const LinearDescription& description, const PackOptions& options)
    : packed_(pack(description, options)) {}

const Encoding& Linear::source() const { return packed_->source; }
std::int64_t Linear::inputs() const { return packed_->weights.inputs(); }
std::int64_t Linear::outputs() const { return packed_->weights.outputs(); }

RowScales Linear::scales_of(const Tensor& src, std::int64_t first) const {
  if (!source().row_scales) return {};
  check(src.row_scales != nullptr, "linear: rows without their scales");
  return {.scale = src.row_scales + first, .bias = packed_->bias};
}

template <class Use>
void Linear::for_each_block(Gemm& gemm, const Tensor& src, const Encoding& means, Use&& use) const {
  // So many rows stay in a core's cache until the row kernel comes for them: 8 % faster than 256 (DeiT-S, one thread).
  constexpr std::int64_t kRows = 64;
  // A few rows at the end are no block of their own, which would read all weights once more.
  constexpr std::int64_t kMostRows = 80;
  constexpr std::int64_t kGrain = 16;  // rows of an AMX tile
  // Of fewer rows each thread would read all weights for next to nothing: all multiply together and divide the outputs.
  constexpr std::int64_t kFewRows = 48;
  const int threads = current_threads();
  if (threads > 1 && src.rows() < kFewRows * threads) {
    const Tensor all = gemm.block(Gemm::kAllThreads, src.rows(), outputs(), means);
    gemm.product(src, packed_->weights, all);
    gemm.parallel(src.rows(), 1, [&](int lane, std::int64_t begin, std::int64_t end) {
      use(begin, rows_of(all, begin, end - begin));
      if (lane == 0) gemm.clock().other();
    });
    return;
  }
  // Each thread multiplies its rows and makes of them what they become: half the parallel regions, and no sums from
  // another core's cache.
  gemm.parallel(src.rows(), kGrain, [&](int lane, std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin; first < end;) {
      const Tensor block = rows_of(src, first, end - first <= kMostRows ? end - first : kRows);
      const Tensor sums = gemm.block(lane, block.rows(), outputs(), means);
      gemm.product(block, packed_->weights, sums, false, lane);
      use(first, sums);
      first += block.rows();
      if (lane == 0) gemm.clock().other();
    }
  });
}

void Linear::run(Gemm& gemm, const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  check(src.encoding == source(), "linear: expected ", source(), ", found ", src.encoding, " -> ",
        name_of(dst.encoding.dtype));
  check(src.columns() == inputs() && dst.columns() == outputs() && src.rows() == dst.rows(), "linear: expected [rows, ",
        inputs(), "] -> [rows, ", outputs(), "], found [", src.rows(), ", ", src.columns(), "] -> [", dst.rows(), ", ",
        dst.columns(), "]");
  if (is_integer()) {
    run_integers(gemm, src, dst, epilogue);
  } else {
    run_floats(gemm, src, dst, epilogue);
  }
}

void Linear::run_integers(Gemm& gemm, const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  const PerColumn values{packed_->multiplier, packed_->offset};
  for_each_block(gemm, src, kSums, [&](std::int64_t first, const Tensor& sums) {
    requantize(sums, values, scales_of(src, first), rows_of(dst, first, sums.rows()), epilogue);
  });
}

// An activation is a pass of its own, so its product is the plain one: on 2.6.3 the post-op made fc1 30 % slower, this
// pass 10
// %.
void Linear::run_floats(Gemm& gemm, const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  const bool rounds = dst.encoding == kBfloat16;
  check(dst.encoding == kFloat || (rounds && source() == kBfloat16), "linear: ", name_of(source().dtype),
        " weights write f32", source() == kBfloat16 ? " or bf16, not " : ", not ", name_of(dst.encoding.dtype));
  check(!rounds || epilogue != Epilogue::kAccumulate, "linear: only f32 can be added to, not bf16");
  const std::optional<Activation> f = activation_of(epilogue);
  if (rounds && f) {
    for_each_block(gemm, src, kFloat, [&](std::int64_t first, const Tensor& block) {
      activate(block, *f, rows_of(dst, first, block.rows()));
    });
    return;
  }
  gemm.product(src, packed_->weights, dst, epilogue == Epilogue::kAccumulate);
  if (f) activate(dst, *f);
}

void Linear::run_blocks(Gemm& gemm, const Tensor& src, BlockFunction use, void* context) const {
  check(src.encoding == source() && src.columns() == inputs(), "linear: expected [rows, ", inputs(), "] as ", source(),
        ", found [", src.rows(), ", ", src.columns(), "] as ", src.encoding);
  if (!is_integer()) {
    for_each_block(gemm, src, kFloat, [&](std::int64_t first, const Tensor& values) { use(context, first, values); });
    return;
  }
  const PerColumn values{packed_->multiplier, packed_->offset};
  for_each_block(gemm, src, kSums, [&](std::int64_t first, const Tensor& sums) {
    const Tensor rows(sums.data, {sums.rows(), sums.columns()}, {sums.strides[0], 1});
    requantize(sums, values, scales_of(src, first), rows);  // each in its place: a float is as wide as a sum
    use(context, first, rows);
  });
}

void Linear::run_split(Gemm& gemm, const Tensor& src, const Tensor& q, const Tensor& k, const Tensor& v) const {
  check(src.encoding == source(), "linear: expected ", source(), ", found ", src.encoding);
  check(src.columns() == inputs() && src.rows() == q.dims[0] * q.dims[2], "linear: expected [", q.dims[0] * q.dims[2],
        ", ", inputs(), "] -> q, k, v, found [", src.rows(), ", ", src.columns(), "]");
  if (!is_integer()) {
    for_each_block(gemm, src, source(),
                   [&](std::int64_t first, const Tensor& values) { split_heads(values, first, q, k, v); });
    return;
  }
  check(!source().row_scales, "linear: rows with scales are split by way of floats");
  const PerColumn values{packed_->multiplier, packed_->offset};
  for_each_block(gemm, src, kSums,
                 [&](std::int64_t first, const Tensor& sums) { split_heads(sums, values, first, q, k, v); });
}

}  // namespace vitq
