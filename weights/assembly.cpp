#include "weights/assembly.h"

#include <algorithm>
#include <cstdint>

#include "engine/error.h"
#include "weights/printable.h"
#include "weights/widen.h"

namespace vitq {
namespace {

/// `shape` behind as many extents of 1 as make three.
Shape three_dims(Shape shape) {
  constexpr std::size_t kThree = 3;
  if (shape.size() < kThree) shape.insert(shape.begin(), kThree - shape.size(), 1);
  return shape;
}

/// A part of `tensor`, whose numbers begin behind those of `before` and are `shape`.
FileTensor slice(const FileTensor& tensor, const Shape& before, const Shape& shape) {
  const auto first = static_cast<std::size_t>(byte_count(tensor.dtype, before));
  const auto count = static_cast<std::size_t>(byte_count(tensor.dtype, shape));
  return {tensor.name, tensor.dtype, shape, tensor.bytes.subspan(first, count)};
}

/// Rows of the first dimension, in thirds.
FileTensor thirds(const FileTensor& tensor, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kAll = 3;
  Shape before = tensor.shape;
  Shape shape = tensor.shape;
  before.front() = tensor.shape.front() / kAll * begin;
  shape.front() = tensor.shape.front() / kAll * (end - begin);
  return slice(tensor, before, shape);
}

}  // namespace

Assembly::Assembly(const FileTensor& whole) : whole_(&whole), pieces_{whole}, shape_(whole.shape) {}

Assembly::Assembly(const std::string& canonical, const Portions& portions, std::span<const FileTensor* const> stored) {
  const FileTensor& first = *stored.front();
  const Shape& shape = first.shape;
  const auto expect = [&](bool ok, const FileTensor& tensor, const std::string& expected) {
    check(ok, ErrorCode::kFormat, "tensor ", printable(tensor.name), " is ", to_string(tensor.shape), ", expected ",
          expected, " (for ", printable(canonical), ")");
  };
  const auto is_positions = [](const FileTensor& tensor) {
    return tensor.shape.size() == 3 && tensor.shape[0] == 1 && tensor.shape[1] >= 1;
  };
  constexpr const char* kPositions = "[1, positions, width]";
  switch (portions.front().share) {
    case Share::kWhole:
      if (portions.size() == 1) {
        *this = Assembly(first);
        return;
      }
      expect(is_positions(*stored[1]) && element_count(shape) == stored[1]->shape[2], *stored[1], kPositions);
      pieces_ = {first, slice(*stored[1], {0}, {stored[1]->shape[2]})};
      how_ = How::kSum;
      shape_ = shape;
      return;
    case Share::kTransposed:
      expect(shape.size() == 2, first, "a matrix");
      pieces_ = {first};
      how_ = How::kTransposed;
      shape_ = {shape[1], shape[0]};
      return;
    case Share::kThreeDims:
      pieces_ = {first};
      shape_ = three_dims(shape);
      return;
    case Share::kFirstThird:
    case Share::kOtherThirds: {
      constexpr int kThirds = 3;
      expect(!shape.empty() && shape.front() % kThirds == 0, first, "rows of queries, keys and values");
      const bool is_first = portions.front().share == Share::kFirstThird;
      pieces_ = {is_first ? thirds(first, 0, 1) : thirds(first, 1, kThirds)};
      shape_ = pieces_.front().shape;
      return;
    }
    case Share::kPositionsBehind:
      expect(is_positions(first), first, kPositions);
      shape_ = {1, shape[1] - 1, shape[2]};
      pieces_ = {slice(first, {1, 1, shape[2]}, shape_)};
      return;
    default:
      break;
  }
  expect(!shape.empty(), first, "rows");
  for (std::size_t i = 0; i < portions.size(); ++i) {
    expect(stored[i]->shape == shape, *stored[i], to_string(shape) + " as " + printable(first.name) + " is");
    // Of the three only the keys' bias can be missing (check_complete): zeros.
    if (portions[i].share == Share::kValue && i == 1) pieces_.push_back({"", first.dtype, shape, {}});
    pieces_.push_back(*stored[i]);
  }
  constexpr std::int64_t kMostRows = std::int64_t{1} << 40;  // a tensor without elements may have any extents
  expect(shape.front() <= kMostRows, first, "fewer rows");
  shape_ = shape;
  shape_.front() *= std::ssize(pieces_);
  element_count(shape_);  // throws where it is beyond all reason
}

std::span<const std::uint8_t> Assembly::bytes() const {
  if (how_ != How::kJoined || pieces_.size() != 1) return {};
  return pieces_.front().bytes;
}

void Assembly::read(std::span<float> dst, const std::string& name, const std::string& source) const {
  // Under the name that is asked for: the file may have another.
  const auto read_piece = [&](const FileTensor& piece, std::span<float> part) {
    widen({name, piece.dtype, piece.shape, piece.bytes}, part, source);
  };
  if (how_ == How::kTransposed) {
    const FileTensor& piece = pieces_.front();
    std::vector<float> values(dst.size());
    read_piece(piece, values);
    const std::int64_t rows = piece.shape[0];
    const std::int64_t columns = piece.shape[1];
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) dst[c * rows + r] = values[r * columns + c];
    }
    return;
  }
  if (how_ == How::kSum) {
    read_piece(pieces_[0], dst);
    std::vector<float> values(dst.size());
    read_piece(pieces_[1], values);
    for (std::size_t i = 0; i < dst.size(); ++i) dst[i] += values[i];
    return;
  }
  for (const FileTensor& piece : pieces_) {
    const auto count = static_cast<std::size_t>(element_count(piece.shape));
    const std::span<float> part = dst.first(count);
    if (piece.bytes.empty()) {
      std::ranges::fill(part, 0.0F);
    } else {
      read_piece(piece, part);
    }
    dst = dst.subspan(count);
  }
}

}  // namespace vitq
