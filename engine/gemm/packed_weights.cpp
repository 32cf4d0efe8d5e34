#include "engine/gemm/packed_weights.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/gemm/dnnl_shapes.h"
#include "engine/gemm/isa_cap.h"
#include "engine/gemm/onednn.h"
#include "engine/gemm/packed_impl.h"

namespace vitq {

namespace {

using dnnl::memory;

// What a product takes and writes, for which weights are laid out.
struct Types {
  memory::data_type from, weights, src, dst;
};

// `from`, row-major [outputs, inputs], in the layout that oneDNN wants.
void pack(const void* from, const Types& types, std::int64_t outputs, std::int64_t inputs, ReorderedWeights& into) {
  using Tag = memory::format_tag;
  // The layout depends on inputs and outputs, not on the number of rows: any likely number will do to ask for it.
  constexpr std::int64_t kRows = 256;
  cap_onednn();
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const bool is_biased = into.bias_shape != memory::desc();
  const auto description = describe_matmul(
      engine, {{kRows, inputs}, types.src, Tag::ab}, {{inputs, outputs}, types.weights, Tag::any},
      is_biased ? &into.bias_shape : nullptr, {{kRows, outputs}, types.dst, Tag::ab}, matmul_attributes(false));
  into.shape = description.weights_desc();
  into.bytes = Buffer(into.shape.get_size());
  memory packed(into.shape, engine, into.bytes.data());
  // [outputs, inputs] read as its transpose; only read by the reorder.
  memory plain({{inputs, outputs}, types.from, Tag::ba}, engine, const_cast<void*>(from));
  dnnl::reorder(plain, packed).execute(stream, plain, packed);
}

}  // namespace

PackedWeights PackedWeights::of_floats(std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
                                       std::int64_t inputs, DType as) {
  check(as == DType::kF32 || as == DType::kBF16, "linear: float weights as ", name_of(as), ", expected f32 or bf16");
  check(as != DType::kBF16 || has_bf16(), ErrorCode::kUnsupported, "bf16: this CPU's instruction set is ",
        effective_isa(), " (effective in oneDNN ", onednn_version(),
        "), expected AVX512_CORE_BF16 or AVX512_CORE_AMX; run the model in float32 instead");
  check(std::ssize(weight) == outputs * inputs, "linear: weight has ", weight.size(), " elements, expected [", outputs,
        ", ", inputs, "]");
  check(bias.empty() || std::ssize(bias) == outputs, "linear: bias has ", bias.size(), " elements, expected ", outputs);
  if (as == DType::kF32 && FloatPanels::are_used()) {
    return {std::make_shared<Impl>(Impl{FloatPanels(weight, bias, outputs, inputs)}), as, outputs, inputs};
  }
  ReorderedWeights packed;
  translated("packing weights", [&] {
    constexpr auto kF32 = memory::data_type::f32;
    if (!bias.empty()) {
      packed.bias_shape = memory::desc({1, outputs}, kF32, memory::format_tag::ab);
      packed.bias = Buffer(bias.size_bytes());
      std::ranges::copy(bias, reinterpret_cast<float*>(packed.bias.data()));
    }
    pack(weight.data(), {.from = kF32, .weights = type_of(as), .src = type_of(as), .dst = kF32}, outputs, inputs,
         packed);
  });
  return {std::make_shared<Impl>(Impl{std::move(packed)}), as, outputs, inputs};
}

PackedWeights PackedWeights::of_codes(std::span<const std::int8_t> codes, std::int64_t outputs, std::int64_t inputs) {
  constexpr std::int64_t kMostInputs = 65536;  // 255 * 128 * 65536 < 2^31
  check(inputs > 0 && inputs <= kMostInputs, "linear: ", inputs, " inputs; integers take 1 to ", kMostInputs);
  check(std::ssize(codes) == outputs * inputs, "linear: weight has ", codes.size(), " codes, expected [", outputs, ", ",
        inputs, "]");
  if (BytePanels::are_used()) {
    return {std::make_shared<Impl>(Impl{BytePanels(codes, outputs, inputs)}), DType::kS8, outputs, inputs};
  }
  ReorderedWeights packed;
  translated("packing weights", [&] {
    using Type = memory::data_type;
    pack(codes.data(), {.from = Type::s8, .weights = Type::s8, .src = Type::u8, .dst = Type::s32}, outputs, inputs,
         packed);
  });
  return {std::make_shared<Impl>(Impl{std::move(packed)}), DType::kS8, outputs, inputs};
}

}  // namespace vitq
