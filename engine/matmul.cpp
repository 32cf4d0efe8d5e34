#include "engine/matmul.h"

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <map>
#include <utility>

#include "engine/error.h"
#include "engine/gelu.h"

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

memory::desc descriptor(const Tensor& tensor) {
  const memory::dims dims(tensor.dims.begin(), tensor.dims.begin() + tensor.rank);
  const memory::dims strides(tensor.strides.begin(), tensor.strides.begin() + tensor.rank);
  return {dims, memory::data_type::f32, strides};
}

// One primitive with the memory objects it is run on; only their addresses change from call to call.
struct Product {
  dnnl::matmul primitive;
  memory src, weights, bias, dst, scratch;
  std::size_t scratch_size = 0;
};

// Shapes, strides and epilogue; whatever tells two products apart.
using Key = std::array<std::int64_t, 26>;

class KeyWriter {
 public:
  KeyWriter& add(std::int64_t value) {
    key_[size_++] = value;
    return *this;
  }
  KeyWriter& add(const Tensor& tensor) {
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

struct MatmulContext::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  Buffer scratch;
  std::map<Key, Product> products;

  // The product for `key`, made on first use.
  Product& product(const Key& key, const memory::desc& src, const memory::desc& weights, const memory::desc* bias,
                   const memory::desc& dst, Epilogue epilogue) {
    const auto made = translated("creating a matmul", [&] {
      const auto description = describe(engine, src, weights, bias, dst, attributes_of(epilogue));
      const auto view = [&](const memory::desc& shape) { return memory(shape, engine, DNNL_MEMORY_NONE); };
      return Product{.primitive = dnnl::matmul(description),
                     .src = view(src),
                     .weights = view(description.weights_desc()),
                     .bias = bias != nullptr ? view(*bias) : memory(),
                     .dst = view(dst),
                     .scratch = view(description.scratchpad_desc()),
                     .scratch_size = description.scratchpad_desc().get_size()};
    });
    if (made.scratch_size > scratch.size()) scratch = Buffer(made.scratch_size);
    return products.emplace(key, made).first->second;
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

MatmulContext::MatmulContext() : impl_(translated("starting", [] { return std::make_unique<Impl>(); })) {}
MatmulContext::~MatmulContext() = default;
MatmulContext::MatmulContext(MatmulContext&&) noexcept = default;
MatmulContext& MatmulContext::operator=(MatmulContext&&) noexcept = default;

void MatmulContext::multiply(const Tensor& a, const Tensor& b, const Tensor& dst) {
  check(a.rank == 4 && b.rank == 4 && dst.rank == 4 && a.dims[3] == b.dims[2] && dst.dims[2] == a.dims[2] &&
            dst.dims[3] == b.dims[3],
        "multiply: shapes do not fit");
  const Key key = KeyWriter().add(a).add(b).add(dst).key();
  const auto found = impl_->products.find(key);
  Product& product = found != impl_->products.end()
                         ? found->second
                         : impl_->product(key, descriptor(a), descriptor(b), nullptr, descriptor(dst), Epilogue::kNone);
  impl_->run(product, a.data, b.data, nullptr, dst.data);
}

struct Linear::Packed {
  memory weights;
  memory bias;
};

Linear::Linear(MatmulContext& context, std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
               std::int64_t inputs)
    : context_(&context), packed_(std::make_unique<Packed>()), outputs_(outputs), inputs_(inputs) {
  check(std::ssize(weight) == outputs * inputs, "linear: weight has ", weight.size(), " elements, expected [", outputs,
        ", ", inputs, "]");
  check(bias.empty() || std::ssize(bias) == outputs, "linear: bias has ", bias.size(), " elements, expected ", outputs);
  translated("packing weights", [&] {
    using Tag = memory::format_tag;
    constexpr auto kF32 = memory::data_type::f32;
    // The layout depends on inputs and outputs, not on the number of rows: any likely number will do to ask for it.
    constexpr std::int64_t kRows = 256;
    const auto& engine = context.impl().engine;
    const memory::desc plain({inputs, outputs}, kF32, Tag::ba);  // [outputs, inputs] read as its transpose
    const memory::desc bias_shape({1, outputs}, kF32, Tag::ab);
    const auto description = describe(engine, {{kRows, inputs}, kF32, Tag::ab}, {{inputs, outputs}, kF32, Tag::any},
                                      bias.empty() ? nullptr : &bias_shape, {{kRows, outputs}, kF32, Tag::ab},
                                      attributes_of(Epilogue::kNone));
    packed_->weights = memory(description.weights_desc(), engine);
    memory source(plain, engine, const_cast<float*>(weight.data()));  // only read by the reorder
    dnnl::reorder(source, packed_->weights).execute(context.impl().stream, source, packed_->weights);
    if (!bias.empty()) {
      packed_->bias = memory(bias_shape, engine);
      std::ranges::copy(bias, static_cast<float*>(packed_->bias.get_data_handle()));
    }
  });
}

Linear::~Linear() = default;
Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;

void Linear::run(const Tensor& src, const Tensor& dst, Epilogue epilogue) const {
  check(src.encoding == kFloat && dst.encoding == kFloat, "linear: expected f32, found ", name_of(src.encoding.dtype),
        " -> ", name_of(dst.encoding.dtype));
  check(src.columns() == inputs_ && dst.columns() == outputs_ && src.rows() == dst.rows(), "linear: expected [rows, ",
        inputs_, "] -> [rows, ", outputs_, "], found [", src.rows(), ", ", src.columns(), "] -> [", dst.rows(), ", ",
        dst.columns(), "]");
  auto& context = context_->impl();
  const bool biased = static_cast<bool>(packed_->bias);
  // GELU is a pass of its own, so its product is the plain one: on 2.6.3 the post-op made fc1 30 % slower, this pass 10
  // %.
  const Epilogue fused = epilogue == Epilogue::kAccumulate ? epilogue : Epilogue::kNone;
  const Key key = KeyWriter().add(src).add(dst).add(static_cast<std::int64_t>(fused)).add(biased).key();
  auto found = context.products.find(key);
  if (found == context.products.end()) {
    const memory::desc weights = packed_->weights.get_desc();
    const memory::desc bias = biased ? packed_->bias.get_desc() : memory::desc();
    context.product(key, descriptor(src), weights, biased ? &bias : nullptr, descriptor(dst), fused);
    found = context.products.find(key);
  }
  context.run(found->second, src.data, packed_->weights.get_data_handle(),
              biased ? packed_->bias.get_data_handle() : nullptr, dst.data);
  if (epilogue == Epilogue::kGelu) gelu(dst);
}

}  // namespace vitq
