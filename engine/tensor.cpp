#include "engine/tensor.h"

#include <algorithm>
#include <new>
#include <ostream>

#include "engine/error.h"

namespace vitq {

namespace {
constexpr std::align_val_t kAlignment{64};
}

std::ostream& operator<<(std::ostream& to, const Encoding& encoding) { return to << to_string(encoding); }

std::string to_string(const Encoding& encoding) {
  if (size_of(encoding.dtype) > 1) return std::string(name_of(encoding.dtype));
  return text_of(name_of(encoding.dtype), " of ", encoding.bits, " bits (scale ", encoding.scale, ", zero point ",
                 encoding.zero_point, ")", encoding.code_book != nullptr ? ", with a code book" : "",
                 encoding.row_scales ? ", a scale for each row" : "");
}

Buffer::Buffer(std::size_t size)
    : bytes_(static_cast<std::byte*>(::operator new(size, kAlignment, std::nothrow))), size_(size) {
  check(bytes_ != nullptr, ErrorCode::kMemory, "out of memory: no ", size, " bytes for a buffer");
}

void Buffer::Free::operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }

Tensor::Tensor(void* at, std::initializer_list<std::int64_t> shape, Encoding means)
    : data(at), encoding(means), rank(static_cast<int>(shape.size())) {
  std::copy(shape.begin(), shape.end(), dims.begin());
  std::int64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= dims[i];
  }
}

Tensor::Tensor(void* at, std::initializer_list<std::int64_t> shape, std::initializer_list<std::int64_t> steps,
               Encoding means)
    : data(at), encoding(means), rank(static_cast<int>(shape.size())) {
  std::copy(shape.begin(), shape.end(), dims.begin());
  std::copy(steps.begin(), steps.end(), strides.begin());
}

Tensor rows_of(const Tensor& matrix, std::int64_t first, std::int64_t count) {
  Tensor part = matrix;
  const auto step = static_cast<std::int64_t>(size_of(matrix.encoding.dtype)) * matrix.strides[0];
  part.data = static_cast<std::byte*>(matrix.data) + first * step;
  part.dims[0] = count;
  if (part.row_scales != nullptr) part.row_scales += first;
  return part;
}

}  // namespace vitq
