#pragma once
// Memory and views of it: Buffer owns aligned bytes, Tensor says how to read them. A Tensor is a value of a few words,
// passed around freely; it never owns and never allocates.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "engine/encoding.h"

namespace vitq {

/// Owner of `size` bytes, 64-byte aligned (a cache line, and one AVX-512 register), contents undefined.
class Buffer {
 public:
  Buffer() = default;
  /// Throws Error, naming the size, when the memory is not to be had.
  explicit Buffer(std::size_t size);

  [[nodiscard]] std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const;
  };
  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t size_ = 0;
};

/// A view of up to four dimensions, outermost first; strides count elements, not bytes. Matrices are [rows, columns].
struct Tensor {
  static constexpr int kMaxRank = 4;

  void* data = nullptr;
  Encoding encoding = kFloat;
  int rank = 0;
  std::array<std::int64_t, kMaxRank> dims{};
  std::array<std::int64_t, kMaxRank> strides{};
  float* row_scales = nullptr;  ///< [rows] of a matrix whose encoding says so

  Tensor() = default;
  /// Row-major and dense.
  Tensor(void* at, std::initializer_list<std::int64_t> shape, Encoding means = kFloat);
  /// With strides of its own, one per dimension.
  Tensor(void* at, std::initializer_list<std::int64_t> shape, std::initializer_list<std::int64_t> steps,
         Encoding means = kFloat);

  [[nodiscard]] std::int64_t rows() const { return dims[0]; }
  [[nodiscard]] std::int64_t columns() const { return dims[1]; }
  [[nodiscard]] float* f32() const { return static_cast<float*>(data); }
  [[nodiscard]] std::uint16_t* bf16() const { return static_cast<std::uint16_t*>(data); }  ///< their bits
  [[nodiscard]] std::uint8_t* u8() const { return static_cast<std::uint8_t*>(data); }
  [[nodiscard]] std::int8_t* s8() const { return static_cast<std::int8_t*>(data); }
  [[nodiscard]] std::int32_t* s32() const { return static_cast<std::int32_t*>(data); }
  /// Start of row `i` of a float matrix.
  [[nodiscard]] float* row(std::int64_t i) const { return f32() + i * strides[0]; }
};

/// Rows [first, first + count) of a matrix.
Tensor rows_of(const Tensor& matrix, std::int64_t first, std::int64_t count);

}  // namespace vitq
