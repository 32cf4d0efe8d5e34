#pragma once
// A tensor as a model wants it, put together of what a file stores: as it stands, or of pieces (Share). Nothing is
// copied until the values are read.

#include <span>
#include <string>
#include <vector>

#include "engine/shape.h"
#include "weights/names.h"
#include "weights/safetensors.h"

namespace vitq {

class Assembly {
 public:
  /// Nothing: of a tensor that is stored nowhere.
  Assembly() = default;
  /// The one tensor as it stands.
  explicit Assembly(const FileTensor& whole);
  /// `stored[i]` is the tensor of `portions[i]`; they must outlive it. Throws Error (kFormat), naming `canonical` and
  /// the stored tensor, for shapes that cannot be put together so.
  Assembly(const std::string& canonical, const Portions& portions, std::span<const FileTensor* const> stored);

  [[nodiscard]] const Shape& shape() const { return shape_; }
  /// The stored tensor that it is as it stands; else null.
  [[nodiscard]] const FileTensor* whole() const { return whole_; }
  /// What it is made of, in order; a piece without bytes is zeros.
  [[nodiscard]] std::span<const FileTensor> pieces() const { return pieces_; }
  /// The bytes of all values in their order, where they lie together; else none.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const;
  /// All values, row-major, as floats; dst: element_count(shape()). Throws Error that begins with `source` and names
  /// the tensor as `name` where a piece is of a type that is no float (widen).
  void read(std::span<float> dst, const std::string& name, const std::string& source) const;

 private:
  enum class How : std::uint8_t { kJoined, kTransposed, kSum };

  const FileTensor* whole_ = nullptr;
  std::vector<FileTensor> pieces_;
  How how_ = How::kJoined;
  Shape shape_;
};

}  // namespace vitq
