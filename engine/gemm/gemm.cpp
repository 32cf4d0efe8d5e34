#include "engine/gemm/gemm.h"

#include <algorithm>
#include <array>
#include <map>
#include <variant>
#include <vector>

#include "engine/error.h"
#include "engine/gemm/dnnl_shapes.h"
#include "engine/gemm/isa_cap.h"
#include "engine/gemm/operand_panels.h"
#include "engine/gemm/packed_impl.h"

namespace vitq {

namespace {

using dnnl::memory;

// One primitive with the memory objects it is run on; only their addresses change from call to call.
struct Product {
  dnnl::matmul primitive;
  memory src, weights, bias, dst, scratch;
  std::size_t scratch_size = 0;
  std::uint64_t last_use = 0;
};

// Types, shapes, strides and what is done with the result; whatever tells two products apart.
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

double multiply_accumulates(const Tensor& dst, std::int64_t inner) {
  auto count = static_cast<double>(inner);
  for (int i = 0; i < dst.rank; ++i) count *= static_cast<double>(dst.dims[i]);
  return count;
}

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
  Buffer block;     // results on their way to a row kernel
  Buffer laid_out;  // operands as vitq's own loops take them
  std::map<Key, Product> products;
  std::uint64_t uses = 0;

  // The product for `key`, on first use made for what shapes() returns.
  template <class GetShapes>
  Product& product(const Key& key, bool accumulate, GetShapes&& shapes) {
    auto found = products.find(key);
    if (found == products.end()) {
      Product made = make(shapes(), accumulate);
      if (made.scratch_size > scratch.size()) scratch = Buffer(made.scratch_size);
      if (products.size() >= Gemm::kMostPrimitives) forget_one();
      found = products.emplace(key, std::move(made)).first;
    }
    found->second.last_use = ++uses;
    return found->second;
  }

  [[nodiscard]] Product make(const Shapes& of, bool accumulate) const {
    const ThreadScope scope(is_of_one_thread ? 1 : current_threads());
    return translated("creating a matmul", [&] {
      const bool is_biased = of.bias != memory::desc();
      const auto description = describe_matmul(engine, of.src, of.weights, is_biased ? &of.bias : nullptr, of.dst,
                                               matmul_attributes(accumulate));
      const auto view = [&](const memory::desc& shape) { return memory(shape, engine, DNNL_MEMORY_NONE); };
      return Product{.primitive = dnnl::matmul(description),
                     .src = view(of.src),
                     .weights = view(description.weights_desc()),
                     .bias = is_biased ? view(of.bias) : memory(),
                     .dst = view(of.dst),
                     .scratch = view(description.scratchpad_desc()),
                     .scratch_size = description.scratchpad_desc().get_size()};
    });
  }

  // A rare event: a model of many shapes, or pictures of many sizes.
  void forget_one() {
    products.erase(std::ranges::min_element(
        products, {}, [](const std::pair<const Key, Product>& entry) { return entry.second.last_use; }));
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
    // oneDNN divides by the threads that it may ask for, not by those that it gets: what is left over would be missing.
    const ThreadScope scope(is_of_one_thread ? 1 : current_threads());
    // The C call takes the arguments from the stack; the C++ wrapper would build a map on the heap for each call.
    const auto status = dnnl_primitive_execute(product.primitive.get(), stream.get(), count, arguments.data());
    if (status == dnnl_out_of_memory) throw std::bad_alloc();
    check(status == dnnl_success, ErrorCode::kInternal, "oneDNN ", onednn_version(), " could not run a matmul (status ",
          static_cast<int>(status), ")");
  }
};

}  // namespace

struct Gemm::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  Lane whole{engine, false};
  std::vector<Lane> lanes;  // of threads
  bool packs_floats = operand_panels::take(DType::kF32);
  bool packs_bytes = operand_panels::take(DType::kS8);

  // Whether operands of this type are multiplied by vitq's own loops.
  [[nodiscard]] bool packs(DType a) const { return a == DType::kF32 ? packs_floats : size_of(a) == 1 && packs_bytes; }

  Lane& lane(int index) { return index == Gemm::kAllThreads ? whole : lanes[index]; }

  // Memory for each thread of a product, or for the one of a lane.
  class Shares {
   public:
    Shares(Buffer& memory, std::size_t bytes, int index) : bytes_((bytes + kLine - 1) / kLine * kLine) {
      const std::size_t all = bytes_ * static_cast<std::size_t>(index == Gemm::kAllThreads ? current_threads() : 1);
      if (all > memory.size()) memory = Buffer(all);
      data_ = memory.data();
    }
    std::span<std::byte> operator[](int part) const {
      return {data_ + static_cast<std::size_t>(part) * bytes_, bytes_};
    }

   private:
    static constexpr std::size_t kLine = 64;
    std::size_t bytes_;
    std::byte* data_;
  };

  // By oneDNN.
  void multiply(const ReorderedWeights& weights, const Tensor& src, const Tensor& dst, bool accumulate, int index) {
    const bool is_biased = weights.bias.size() > 0;
    const Key key = KeyWriter()
                        .add(src)
                        .add(dst)
                        .add(static_cast<std::int64_t>(accumulate))
                        .add(static_cast<std::int64_t>(is_biased))
                        .key();
    Lane& on = lane(index);
    Product& product = on.product(key, accumulate, [&] {
      return Shapes{
          .src = descriptor(src), .weights = weights.shape, .dst = descriptor(dst), .bias = weights.bias_shape};
    });
    on.run(product, src.data, weights.bytes.data(), is_biased ? weights.bias.data() : nullptr, dst.data);
  }

  void multiply(const BytePanels& panels, const Tensor& src, const Tensor& dst, int index) {
    const Shares shares(lane(index).laid_out, panels.scratch_bytes(src.rows()), index);
    divide(panels, src, dst, index,
           [&](int part, const Tensor& from, const Tensor& to, std::int64_t first, std::int64_t last) {
             panels.multiply(from, to, shares[part], first, last);
           });
  }

  // By oneDNN.
  void multiply(const Tensor& a, const Tensor& b, const Tensor& dst, int index) {
    const Key key = KeyWriter().add(a).add(b).add(dst).key();
    Lane& on = lane(index);
    Product& product = on.product(
        key, false, [&] { return Shapes{.src = descriptor(a), .weights = descriptor(b), .dst = descriptor(dst)}; });
    on.run(product, a.data, b.data, nullptr, dst.data);
  }

  void multiply_operands(const Tensor& a, const Tensor& b, const Tensor& dst, int index) {
    constexpr std::int64_t kGrain = 48;  // rows that are worth packing b for
    const Shares shares(lane(index).laid_out, operand_panels::scratch_bytes(a, b), index);
    const std::int64_t rows = a.dims[0] * a.dims[1] * a.dims[2];
    if (index != Gemm::kAllThreads) return operand_panels::multiply(a, b, dst, shares[0], 0, rows);
    parallel_lanes(rows, kGrain, [&](int part, std::int64_t begin, std::int64_t end) {
      operand_panels::multiply(a, b, dst, shares[part], begin, end);
    });
  }

  static void multiply(const FloatPanels& panels, const Tensor& src, const Tensor& dst, bool accumulate, int index) {
    divide(panels, src, dst, index,
           [&](int /*part*/, const Tensor& from, const Tensor& to, std::int64_t first, std::int64_t last) {
             panels.multiply(from, to, accumulate, first, last);
           });
  }

  // A product as use(part, src, dst, first panel, last): in a lane by its thread, whole; else each thread takes some of
  // the rows or of the outputs, whichever there are more of: the other operand is read by all.
  template <class Panels, class Use>
  static void divide(const Panels& panels, const Tensor& src, const Tensor& dst, int index, const Use& use) {
    constexpr std::int64_t kGrain = 6;  // rows of a tile
    if (index != Gemm::kAllThreads) {
      use(0, src, dst, 0, panels.panels());
    } else if (dst.columns() < dst.rows()) {
      parallel_lanes(src.rows(), kGrain, [&](int part, std::int64_t begin, std::int64_t end) {
        use(part, rows_of(src, begin, end - begin), rows_of(dst, begin, end - begin), 0, panels.panels());
      });
    } else {
      parallel_lanes(panels.panels(), 1,
                     [&](int part, std::int64_t begin, std::int64_t end) { use(part, src, dst, begin, end); });
    }
  }
};

Gemm::Gemm()
    : clock_(std::make_unique<StepClock>()), impl_(translated("starting", [] {
        cap_onednn();
        return std::make_unique<Impl>();
      })) {}
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;
Gemm& Gemm::operator=(Gemm&&) noexcept = default;

void Gemm::need_lanes() {
  while (std::ssize(impl_->lanes) < current_threads()) {
    translated("starting", [&] { impl_->lanes.emplace_back(impl_->engine, true); });
  }
}

std::size_t Gemm::primitives() const {
  std::size_t count = impl_->whole.products.size();
  for (const Lane& lane : impl_->lanes) count += lane.products.size();
  return count;
}

std::size_t Gemm::scratch_bytes() const {
  std::size_t most = impl_->whole.scratch.size();
  for (const Lane& lane : impl_->lanes) most = std::max(most, lane.scratch.size() + lane.laid_out.size());
  return most;
}

Tensor Gemm::block(int lane_index, std::int64_t rows, std::int64_t columns, const Encoding& means) {
  Lane& lane = impl_->lane(lane_index);
  const std::size_t size = static_cast<std::size_t>(rows * columns) * size_of(means.dtype);
  if (size > lane.block.size()) lane.block = Buffer(size);
  return {lane.block.data(), {rows, columns}, means};
}

void Gemm::multiply(const Tensor& a, const Tensor& b, const Tensor& dst, int lane_index) {
  check(a.rank == 4 && b.rank == 4 && dst.rank == 4 && a.dims[0] == b.dims[0] && a.dims[1] == b.dims[1] &&
            dst.dims[0] == a.dims[0] && dst.dims[1] == a.dims[1] && a.dims[3] == b.dims[2] &&
            dst.dims[2] == a.dims[2] && dst.dims[3] == b.dims[3] && dst.strides[3] == 1,
        "multiply: shapes do not fit");
  const DType from = a.encoding.dtype;
  const bool is_float = from == DType::kF32 || from == DType::kBF16;
  const bool floats =
      is_float && b.encoding.dtype == from && (dst.encoding.dtype == from || dst.encoding.dtype == DType::kF32);
  const bool integers = size_of(from) == 1 && b.encoding.dtype == DType::kS8 && dst.encoding.dtype == DType::kS32;
  check(floats || integers,
        "multiply: expected f32 x f32 -> f32, bf16 x bf16 -> f32 or bf16, or u8 or s8 x s8 -> s32, found ",
        name_of(from), " x ", name_of(b.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  if (impl_->packs(from)) {
    impl_->multiply_operands(a, b, dst, lane_index);
  } else {
    impl_->multiply(a, b, dst, lane_index);
  }
  if (lane_index <= 0) clock_->product(multiply_accumulates(dst, a.dims[3]));
}

bool Gemm::wants_padding(DType a) const { return !impl_->packs(a); }

void Gemm::product(const Tensor& src, const PackedWeights& weights, const Tensor& dst, bool accumulate,
                   int lane_index) {
  const auto& form = weights.impl().form;
  if (const auto* bytes = std::get_if<BytePanels>(&form)) {
    impl_->multiply(*bytes, src, dst, lane_index);
  } else if (const auto* floats = std::get_if<FloatPanels>(&form)) {
    Impl::multiply(*floats, src, dst, accumulate, lane_index);
  } else {
    impl_->multiply(std::get<ReorderedWeights>(form), src, dst, accumulate, lane_index);
  }
  if (lane_index <= 0) clock_->product(multiply_accumulates(dst, weights.inputs()));
}

}  // namespace vitq
