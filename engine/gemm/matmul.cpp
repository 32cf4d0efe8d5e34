#include "engine/gemm/matmul.h"

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <map>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/gelu.h"
#include "engine/kernels/heads.h"
#include "engine/threads.h"

namespace vitq {

namespace {

using dnnl::memory;

// ---- oneDNN 2.x and 3.x, side by side: all that differs between them stands in this section. ----

dnnl::matmul::primitive_desc describe(const dnnl::engine& engine, const memory::desc& src, const memory::desc& weights,
                                      const memory::desc* bias, const memory::desc& dst,
                                      const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return bias != nullptr ? dnnl::matmul::primitive_desc(engine, src, weights, *bias, dst, attributes)
                         : dnnl::matmul::primitive_desc(engine, src, weights, dst, attributes);
#else
  const auto operation =
      bias != nullptr ? dnnl::matmul::desc(src, weights, *bias, dst) : dnnl::matmul::desc(src, weights, dst);
  return {operation, attributes, engine};
#endif
}

// ---- end of the section ----

// Every dnnl::error becomes ours, with what was being done.
template <class Work>
auto translated(const char* doing, Work&& work) {
  try {
    return work();
  } catch (const dnnl::error& error) {
    fail("oneDNN ", onednn_version(), " failed while ", doing, ": ", error.message);
  }
}

memory::data_type type_of(DType dtype) {
  switch (dtype) {
    case DType::kS32:
      return memory::data_type::s32;
    case DType::kBF16:
      return memory::data_type::bf16;
    case DType::kU8:
      return memory::data_type::u8;
    case DType::kS8:
      return memory::data_type::s8;
    case DType::kF32:
      break;
  }
  return memory::data_type::f32;
}

memory::desc descriptor(const Tensor& tensor) {
  const memory::dims dims(tensor.dims.begin(), tensor.dims.begin() + tensor.rank);
  const memory::dims strides(tensor.strides.begin(), tensor.strides.begin() + tensor.rank);
  return {dims, type_of(tensor.encoding.dtype), strides};
}

// One primitive with the memory objects it is run on; only their addresses change from call to call.
struct Product {
  dnnl::matmul primitive;
  memory src, weights, bias, dst, scratch;
  std::size_t scratch_size = 0;
};

// Types, shapes, strides and epilogue; whatever tells two products apart.
using Key = std::array<std::int64_t, 27>;

class KeyWriter {
 public:
  KeyWriter& add(std::int64_t value) {
    key_[size_++] = value;
    return *this;
  }
  KeyWriter& add(const Tensor& tensor) {
    add(static_cast<std::int64_t>(tensor.encoding.dtype));
    for (int i = 0; i < tensor.rank; ++i) add(tensor.dims[i]).add(tensor.strides[i]);
    return *this;
  }
  [[nodiscard]] const Key& key() const { return key_; }

 private:
  Key key_{};
  std::size_t size_ = 0;
};

dnnl::primitive_attr attributes_of(Epilogue epilogue) {
  dnnl::primitive_attr attributes;
  // Scratch belongs to us: a primitive may then run on another thread than the one that made it.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops operations;
  if (epilogue == Epilogue::kAccumulate) operations.append_sum(1.0F);
  attributes.set_post_ops(operations);
  return attributes;
}

double multiply_accumulates(const Tensor& dst, std::int64_t inner) {
  auto count = static_cast<double>(inner);
  for (int i = 0; i < dst.rank; ++i) count *= static_cast<double>(dst.dims[i]);
  return count;
}

}  // namespace

std::string onednn_version() {
  const auto* version = dnnl::version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

std::string effective_isa() {
  using dnnl::cpu_isa;
  static const std::map<cpu_isa, std::string> kNames = {
      {cpu_isa::sse41, "SSE41"},
      {cpu_isa::avx, "AVX"},
      {cpu_isa::avx2, "AVX2"},
      {cpu_isa::avx2_vnni, "AVX2_VNNI"},
      {cpu_isa::avx512_core, "AVX512_CORE"},
      {cpu_isa::avx512_core_vnni, "AVX512_CORE_VNNI"},
      {cpu_isa::avx512_core_bf16, "AVX512_CORE_BF16"},
      {cpu_isa::avx512_core_amx, "AVX512_CORE_AMX"},
  };
  const cpu_isa isa = dnnl::get_effective_cpu_isa();
  const auto name = kNames.find(isa);
  return name != kNames.end() ? name->second : "ISA_" + std::to_string(static_cast<int>(isa));
}

bool f32_rows_are_independent() { return effective_isa().starts_with("AVX512"); }

bool int8_saturates() {
  using dnnl::cpu_isa;
  const cpu_isa isa = dnnl::get_effective_cpu_isa();
  return isa == cpu_isa::sse41 || isa == cpu_isa::avx || isa == cpu_isa::avx2 || isa == cpu_isa::avx512_core;
}

int second_operand_bits() { return int8_saturates() ? 7 : 8; }

bool has_bf16() {
  // The values of oneDNN's sets are masks: a wider one contains all bits of those it includes.
  constexpr auto kNeeded = static_cast<int>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & kNeeded) == kNeeded;
}

namespace {

// The shapes of a product's operands.
struct Shapes {
  memory::desc src, weights, dst;
  memory::desc bias = {};  // zero: none
};

// What one product at a time needs. Products that use all threads run in a lane of their own, those of a thread in its.
struct Lane {
  Lane(const dnnl::engine& on, bool of_one_thread) : is_of_one_thread(of_one_thread), engine(on), stream(on) {}

  bool is_of_one_thread;
  dnnl::engine engine;
  dnnl::stream stream;
  Buffer scratch;
  Buffer sums;  // results on their way to a row kernel
  std::map<Key, Product> products;

  // The product for `key`, on first use made for what shapes() returns.
  template <class GetShapes>
  Product& product(const Key& key, Epilogue epilogue, GetShapes&& shapes) {
    const auto found = products.find(key);
    if (found != products.end()) return found->second;
    const ThreadScope scope(is_of_one_thread ? 1 : current_threads());
    const auto made = translated("creating a matmul", [&] {
      const Shapes of = shapes();
      const bool biased = of.bias != memory::desc();
      const auto description =
          describe(engine, of.src, of.weights, biased ? &of.bias : nullptr, of.dst, attributes_of(epilogue));
      const auto view = [&](const memory::desc& shape) { return memory(shape, engine, DNNL_MEMORY_NONE); };
      return Product{.primitive = dnnl::matmul(description),
                     .src = view(of.src),
                     .weights = view(description.weights_desc()),
                     .bias = biased ? view(of.bias) : memory(),
                     .dst = view(of.dst),
                     .scratch = view(description.scratchpad_desc()),
                     .scratch_size = description.scratchpad_desc().get_size()};
    });
    if (made.scratch_size > scratch.size()) scratch = Buffer(made.scratch_size);
    return products.emplace(key, made).first->second;
  }

  // A dense matrix in memory that the next call takes back.
  Tensor sums_of(std::int64_t rows, std::int64_t columns, const Encoding& means) {
    const std::size_t size = static_cast<std::size_t>(rows * columns) * size_of(means.dtype);
    if (size > sums.size()) sums = Buffer(size);
    return {sums.data(), {rows, columns}, means};
  }

  void run(Product& product, void* src, void* weights, void* bias, void* dst) {
    std::array<dnnl_exec_arg_t, 5> arguments{};
    int count = 0;
    const auto bind = [&](int role, memory& slot, void* address) {
      slot.set_data_handle(address);
      arguments[count++] = {role, slot.get()};
    };
    bind(DNNL_ARG_SRC, product.src, src);
    bind(DNNL_ARG_WEIGHTS, product.weights, weights);
    if (bias != nullptr) bind(DNNL_ARG_BIAS, product.bias, bias);
    bind(DNNL_ARG_DST, product.dst, dst);
    if (product.scratch_size > 0) bind(DNNL_ARG_SCRATCHPAD, product.scratch, scratch.data());
    // The C call takes the arguments from the stack; the C++ wrapper would build a map on the heap for each call.
    const auto status = dnnl_primitive_execute(product.primitive.get(), stream.get(), count, arguments.data());
    check(status == dnnl_success, "oneDNN ", onednn_version(), " could not run a matmul (status ",
          static_cast<int>(status), ")");
  }
};

}  // namespace

struct MatmulContext::Impl {
  DType floats = DType::kF32;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  Lane whole{engine, false};
  std::vector<Lane> lanes;  // of threads

  Lane& lane(int index) { return index == MatmulContext::kAllThreads ? whole : lanes[index]; }
};

MatmulContext::MatmulContext(DType floats)
    : clock_(std::make_unique<StepClock>()), impl_(translated("starting", [] { return std::make_unique<Impl>(); })) {
  check(floats == DType::kF32 || floats == DType::kBF16, "matmul: floats as ", name_of(floats),
        ", expected f32 or bf16");
  check(floats != DType::kBF16 || has_bf16(), "bf16: this CPU's instruction set is ", effective_isa(),
        " (effective in oneDNN ", onednn_version(),
        "), expected AVX512_CORE_BF16 or AVX512_CORE_AMX; run the model in float32 (--precision fp32) instead");
  impl_->floats = floats;
}
MatmulContext::~MatmulContext() = default;
MatmulContext::MatmulContext(MatmulContext&&) noexcept = default;
MatmulContext& MatmulContext::operator=(MatmulContext&&) noexcept = default;

void MatmulContext::need_lanes() {
  while (std::ssize(impl_->lanes) < current_threads()) impl_->lanes.emplace_back(impl_->engine, true);
}

void MatmulContext::multiply(const Tensor& a, const Tensor& b, const Tensor& dst, int lane_index) {
  check(a.rank == 4 && b.rank == 4 && dst.rank == 4 && a.dims[3] == b.dims[2] && dst.dims[2] == a.dims[2] &&
            dst.dims[3] == b.dims[3],
        "multiply: shapes do not fit");
  const DType from = a.encoding.dtype;
  const bool is_float = from == DType::kF32 || from == DType::kBF16;
  const bool floats =
      is_float && b.encoding.dtype == from && (dst.encoding.dtype == from || dst.encoding.dtype == DType::kF32);
  const bool integers = size_of(from) == 1 && b.encoding.dtype == DType::kS8 && dst.encoding.dtype == DType::kS32;
  check(floats || integers,
        "multiply: expected f32 x f32 -> f32, bf16 x bf16 -> f32 or bf16, or u8 or s8 x s8 -> s32, found ",
        name_of(from), " x ", name_of(b.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  const Key key = KeyWriter().add(a).add(b).add(dst).key();
  Lane& lane = impl_->lane(lane_index);
  Product& product = lane.product(key, Epilogue::kNone, [&] {
    return Shapes{.src = descriptor(a), .weights = descriptor(b), .dst = descriptor(dst)};
  });
  lane.run(product, a.data, b.data, nullptr, dst.data);
  if (lane_index <= 0) clock_->product(multiply_accumulates(dst, a.dims[3]));
}

namespace {
constexpr Encoding kSums{.dtype = DType::kS32};
}

struct Linear::Packed {
  memory weights;
  memory bias;                            // float weights only
  std::vector<float> multiplier, offset;  // integer weights only
  CodeBook code_book{};                   // where source().code_book points, if anywhere
};

namespace {

// `from`, row-major [outputs, inputs] of `from_type`, as `type` in the layout that oneDNN wants for a source and a
// destination of these types.
memory pack(MatmulContext::Impl& context, const void* from, memory::data_type from_type, memory::data_type type,
            memory::data_type src_type, memory::data_type dst_type, const memory::desc* bias, std::int64_t outputs,
            std::int64_t inputs) {
  using Tag = memory::format_tag;
  // The layout depends on inputs and outputs, not on the number of rows: any likely number will do to ask for it.
  constexpr std::int64_t kRows = 256;
  const memory::desc plain({inputs, outputs}, from_type, Tag::ba);  // [outputs, inputs] read as its transpose
  const auto description =
      describe(context.engine, {{kRows, inputs}, src_type, Tag::ab}, {{inputs, outputs}, type, Tag::any}, bias,
               {{kRows, outputs}, dst_type, Tag::ab}, attributes_of(Epilogue::kNone));
  memory packed(description.weights_desc(), context.engine);
  memory source(plain, context.engine, const_cast<void*>(from));  // only read by the reorder
  dnnl::reorder(source, packed).execute(context.whole.stream, source, packed);
  return packed;
}

// Codes and scale of a row for CPUs that saturate: within [-64, 64].
void halve(std::span<std::int8_t> codes, float& scale) {
  if (std::ranges::all_of(codes, [](int code) { return code >= -64 && code <= 64; })) return;
  for (std::int8_t& code : codes) {
    const int half = code / 2;                                                // towards zero
    code = static_cast<std::int8_t>(code % 2 == 0 ? half : half + half % 2);  // x.5 goes to the even side
  }
  scale *= 2.0F;
}

}  // namespace

Linear::Linear(MatmulContext& context, std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
               std::int64_t inputs)
    : context_(&context),
      packed_(std::make_unique<Packed>()),
      source_(context.impl().floats == DType::kBF16 ? kBfloat16 : kFloat),
      outputs_(outputs),
      inputs_(inputs) {
  check(std::ssize(weight) == outputs * inputs, "linear: weight has ", weight.size(), " elements, expected [", outputs,
        ", ", inputs, "]");
  check(bias.empty() || std::ssize(bias) == outputs, "linear: bias has ", bias.size(), " elements, expected ", outputs);
  translated("packing weights", [&] {
    constexpr auto kF32 = memory::data_type::f32;
    const memory::desc bias_shape({1, outputs}, kF32, memory::format_tag::ab);
    const auto type = type_of(source_.dtype);
    packed_->weights = pack(context.impl(), weight.data(), kF32, type, type, kF32, bias.empty() ? nullptr : &bias_shape,
                            outputs, inputs);
    if (!bias.empty()) {
      packed_->bias = memory(bias_shape, context.impl().engine);
      std::ranges::copy(bias, static_cast<float*>(packed_->bias.get_data_handle()));
    }
  });
}

Linear::Linear(MatmulContext& context, const IntegerWeights& weights)
    : context_(&context),
      packed_(std::make_unique<Packed>()),
      source_(weights.source),
      outputs_(weights.outputs),
      inputs_(weights.inputs) {
  constexpr std::int64_t kMostInputs = 65536;  // 255 * 128 * 65536 < 2^31
  check(inputs_ > 0 && inputs_ <= kMostInputs, "linear: ", inputs_, " inputs; integers take 1 to ", kMostInputs);
  check(std::ssize(weights.codes) == outputs_ * inputs_, "linear: weight has ", weights.codes.size(),
        " codes, expected [", outputs_, ", ", inputs_, "]");
  check(std::ssize(weights.scale) == outputs_, "linear: ", weights.scale.size(), " scales, expected ", outputs_);
  check(weights.bias.empty() || std::ssize(weights.bias) == outputs_, "linear: bias has ", weights.bias.size(),
        " elements, expected ", outputs_);
  check(source_.dtype == DType::kU8, "linear: integer weights expect a u8 source, found ", name_of(source_.dtype));
  check(source_.code_book == nullptr, "linear: found a source with a code book, expected its levels instead");
  if (!weights.levels.empty()) {
    check(source_.bits == 8, "linear: levels for a source of ", source_.bits, " bits, expected 8");
    packed_->code_book = nearest_levels(weights.levels);
    source_.code_book = packed_->code_book.data();
  }
  std::vector<std::int8_t> codes(weights.codes.begin(), weights.codes.end());
  for (std::int64_t o = 0; o < outputs_; ++o) {
    const std::span row(codes.data() + o * inputs_, static_cast<std::size_t>(inputs_));
    float scale = weights.scale[o];
    if (int8_saturates()) halve(row, scale);
    std::int64_t sum = 0;
    for (const std::int8_t code : row) sum += code;
    const double multiplier = double{source_.scale} * scale;
    const double bias = weights.bias.empty() ? 0.0 : weights.bias[o];
    packed_->multiplier.push_back(static_cast<float>(multiplier));
    packed_->offset.push_back(static_cast<float>(bias - multiplier * source_.zero_point * static_cast<double>(sum)));
  }
  translated("packing weights", [&] {
    using Type = memory::data_type;
    packed_->weights =
        pack(context.impl(), codes.data(), Type::s8, Type::s8, Type::u8, Type::s32, nullptr, outputs_, inputs_);
  });
}

Linear::~Linear() = default;
Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;

void Linear::product(const Tensor& src, const Tensor& dst, Epilogue epilogue, int lane_index) const {
  Lane& lane = context_->impl().lane(lane_index);
  const bool biased = static_cast<bool>(packed_->bias);
  const Key key = KeyWriter().add(src).add(dst).add(static_cast<std::int64_t>(epilogue)).add(biased).key();
  Product& product = lane.product(key, epilogue, [&] {
    return Shapes{.src = descriptor(src),
                  .weights = packed_->weights.get_desc(),
                  .dst = descriptor(dst),
                  .bias = biased ? packed_->bias.get_desc() : memory::desc()};
  });
  lane.run(product, src.data, packed_->weights.get_data_handle(), biased ? packed_->bias.get_data_handle() : nullptr,
           dst.data);
  if (lane_index <= 0) context_->clock().product(multiply_accumulates(dst, inputs_));
}

template <class Use>
void Linear::for_each_block(const Tensor& src, const Encoding& means, Use&& use) const {
  // So many rows stay in a core's cache until the row kernel comes for them: 8 % faster than 256 (DeiT-S, one thread).
  constexpr std::int64_t kRows = 64;
  // A few rows at the end are no block of their own, which would read all weights once more.
  constexpr std::int64_t kMostRows = 80;
  constexpr std::int64_t kGrain = 16;  // rows of an AMX tile
  // Each thread multiplies its rows and makes of them what they become: half the parallel regions, and no sums from
  // another core's cache.
  context_->parallel(src.rows(), kGrain, [&](int lane, std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = begin; first < end;) {
      const Tensor block = rows_of(src, first, end - first <= kMostRows ? end - first : kRows);
      const Tensor sums = context_->impl().lanes[lane].sums_of(block.rows(), outputs_, means);
      product(block, sums, Epilogue::kNone, lane);
      use(first, sums);
      first += block.rows();
      if (lane == 0) context_->clock().other();
    }
  });
}

void Linear::run(const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  check(src.encoding == source_, "linear: expected ", source_, ", found ", src.encoding, " -> ",
        name_of(dst.encoding.dtype));
  check(src.columns() == inputs_ && dst.columns() == outputs_ && src.rows() == dst.rows(), "linear: expected [rows, ",
        inputs_, "] -> [rows, ", outputs_, "], found [", src.rows(), ", ", src.columns(), "] -> [", dst.rows(), ", ",
        dst.columns(), "]");
  if (source_.dtype == DType::kU8) {
    run_integers(src, dst, epilogue);
  } else {
    run_floats(src, dst, epilogue);
  }
}

void Linear::run_integers(const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  const PerColumn values{packed_->multiplier, packed_->offset};
  for_each_block(src, kSums, [&](std::int64_t first, const Tensor& sums) {
    requantize(sums, values, rows_of(dst, first, sums.rows()), epilogue);
  });
}

// GELU is a pass of its own, so its product is the plain one: on 2.6.3 the post-op made fc1 30 % slower, this pass 10
// %.
void Linear::run_floats(const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  const bool rounds = dst.encoding == kBfloat16;
  check(dst.encoding == kFloat || (rounds && source_ == kBfloat16), "linear: ", name_of(source_.dtype),
        " weights write f32", source_ == kBfloat16 ? " or bf16, not " : ", not ", name_of(dst.encoding.dtype));
  check(!rounds || epilogue != Epilogue::kAccumulate, "linear: only f32 can be added to, not bf16");
  if (rounds && epilogue == Epilogue::kGelu) {
    for_each_block(src, kFloat,
                   [&](std::int64_t first, const Tensor& block) { gelu(block, rows_of(dst, first, block.rows())); });
    return;
  }
  product(src, dst, epilogue == Epilogue::kAccumulate ? epilogue : Epilogue::kNone, MatmulContext::kAllThreads);
  if (epilogue == Epilogue::kGelu) gelu(dst);
}

void Linear::run_split(const Tensor& src, const Tensor& q, const Tensor& k, const Tensor& v) const {
  check(src.encoding == source_, "linear: expected ", source_, ", found ", src.encoding);
  check(src.columns() == inputs_ && src.rows() == q.dims[0] * q.dims[2], "linear: expected [", q.dims[0] * q.dims[2],
        ", ", inputs_, "] -> q, k, v, found [", src.rows(), ", ", src.columns(), "]");
  if (source_.dtype != DType::kU8) {
    for_each_block(src, source_,
                   [&](std::int64_t first, const Tensor& values) { split_heads(values, first, q, k, v); });
    return;
  }
  const PerColumn values{packed_->multiplier, packed_->offset};
  for_each_block(src, kSums,
                 [&](std::int64_t first, const Tensor& sums) { split_heads(sums, values, first, q, k, v); });
}

}  // namespace vitq
