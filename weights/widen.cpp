#include "weights/widen.h"

#include <cstring>

#include "engine/error.h"
#include "weights/half.h"
#include "weights/printable.h"

namespace vitq {
namespace {

/// dst[i] = widen(element i of bytes). By memcpy, because the file may hold the element at any address.
template <class Stored, class Widen>
void convert(std::span<const std::uint8_t> bytes, std::span<float> dst, Widen widen) {
  for (std::size_t i = 0; i < dst.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    dst[i] = widen(stored);
  }
}

}  // namespace

void widen(const FileTensor& tensor, std::span<float> dst, const std::string& source) {
  const std::span<const std::uint8_t> bytes = tensor.bytes;
  switch (tensor.dtype) {
    case FileDType::kF32:
      convert<float>(bytes, dst, [](float value) { return value; });
      break;
    case FileDType::kF64:
      convert<double>(bytes, dst, [](double value) { return static_cast<float>(value); });
      break;
    case FileDType::kF16:
      convert<std::uint16_t>(bytes, dst, half_to_float);
      break;
    case FileDType::kBF16:
      convert<std::uint16_t>(bytes, dst, bfloat16_to_float);
      break;
    default:
      fail(ErrorCode::kFormat, source, ": tensor ", printable(tensor.name), " is ", dtype_name(tensor.dtype),
           ", expected F32, F16, BF16 or F64");
  }
}

}  // namespace vitq
