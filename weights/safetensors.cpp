#include "weights/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "weights/printable.h"
#include "weights/safetensors_header.h"

namespace vitq {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and is not converted");

constexpr std::uint64_t kMaxHeaderSize = 100'000'000;  // the format's own library sets the same limit

struct DTypeFacts {
  std::string_view name;
  std::int64_t bits;
};
/// Indexed by FileDType.
constexpr std::array<DTypeFacts, 20> kDTypes = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8},
    {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16}, {"BF16", 16}, {"I32", 32},
    {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},    {"I64", 64}, {"U64", 64},
}};
static_assert(static_cast<std::size_t>(FileDType::kU64) + 1 == kDTypes.size());

/// The header's JSON, after the checks on its length.
std::string_view header_text(std::span<const std::uint8_t> file, const std::string& source) {
  check(file.size() >= 8, ErrorCode::kFormat, source, ": has ", file.size(), " bytes, too few for a safetensors file");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  check(length <= kMaxHeaderSize, ErrorCode::kFormat, source, ": the header length is ", length,
        " bytes, expected at most ", kMaxHeaderSize, "; not a safetensors file");
  check(length <= file.size() - 8, ErrorCode::kFormat, source, ": the header length is ", length, " bytes, but only ",
        file.size() - 8, " follow; the file is cut short or is not safetensors");
  return {reinterpret_cast<const char*>(file.data()) + 8, static_cast<std::size_t>(length)};
}

/// One tensor of the header, its own values checked: dtype, shape, byte range inside `data`, and that they agree.
FileTensor checked_tensor(const std::string& name, const HeaderTensor& raw, std::span<const std::uint8_t> data,
                          const std::string& source) {
  const std::string where = source + ": tensor " + printable(name) + ": ";
  const std::optional<FileDType> dtype = dtype_of_name(raw.dtype);
  check(dtype.has_value(), ErrorCode::kFormat, where, "unknown dtype ", printable(raw.dtype));

  Shape shape;
  for (const std::uint64_t extent : raw.shape) {
    check(extent <= std::numeric_limits<std::int64_t>::max(), ErrorCode::kFormat, where, "shape has the extent ",
          extent, ", which does not fit in 63 bits");
    shape.push_back(static_cast<std::int64_t>(extent));
  }
  std::int64_t expected = 0;
  try {
    expected = byte_count(*dtype, shape);
  } catch (const Error& error) {
    fail(ErrorCode::kFormat, where, error.what());
  }

  check(raw.data_offsets.size() == 2, ErrorCode::kFormat, where, "data_offsets has ", raw.data_offsets.size(),
        " entries, expected 2");
  const std::uint64_t begin = raw.data_offsets[0];
  const std::uint64_t end = raw.data_offsets[1];
  check(begin <= end, ErrorCode::kFormat, where, "data_offsets [", begin, ", ", end, "] end before they begin");
  check(end <= data.size(), ErrorCode::kFormat, where, "data_offsets [", begin, ", ", end, "] reach past the ",
        data.size(), " bytes of data; the file is cut short or damaged");
  check(end - begin == static_cast<std::uint64_t>(expected), ErrorCode::kFormat, where, "data_offsets hold ",
        end - begin, " bytes, but ", dtype_name(*dtype), " ", to_string(shape), " takes ", expected);
  return {name, *dtype, std::move(shape), data.subspan(begin, end - begin)};
}

/// The tensors' bytes must follow one another over all of `data`: nothing shared, nothing hidden between them.
void check_coverage(const std::vector<FileTensor>& tensors, std::span<const std::uint8_t> data,
                    const std::string& source) {
  struct Range {
    std::size_t begin, end;
    const std::string* name;
  };
  std::vector<Range> ranges;
  ranges.reserve(tensors.size());
  for (const FileTensor& tensor : tensors) {
    const auto begin = static_cast<std::size_t>(tensor.bytes.data() - data.data());
    ranges.push_back({begin, begin + tensor.bytes.size(), &tensor.name});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::size_t covered = 0;
  for (const Range& range : ranges) {
    check(range.begin >= covered, ErrorCode::kFormat, source, ": tensor ", printable(*range.name), ": data_offsets [",
          range.begin, ", ", range.end, "] overlap the tensor before, which ends at ", covered);
    check(range.begin == covered, ErrorCode::kFormat, source, ": tensor ", printable(*range.name), ": data_offsets [",
          range.begin, ", ", range.end, "] leave a hole after byte ", covered);
    covered = range.end;
  }
  check(covered == data.size(), ErrorCode::kFormat, source, ": the tensors cover ", covered, " bytes of the ",
        data.size(), " bytes of data; the rest belongs to none");
}

}  // namespace

std::string_view dtype_name(FileDType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).name; }

std::int64_t dtype_bits(FileDType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).bits; }

std::optional<FileDType> dtype_of_name(std::string_view name) {
  const auto* found =
      std::find_if(kDTypes.begin(), kDTypes.end(), [name](const DTypeFacts& facts) { return facts.name == name; });
  if (found == kDTypes.end()) return std::nullopt;
  return static_cast<FileDType>(found - kDTypes.begin());
}

std::int64_t byte_count(FileDType dtype, const Shape& shape) {
  const std::int64_t count = element_count(shape);
  const std::int64_t bits = dtype_bits(dtype);
  check(count <= std::numeric_limits<std::int64_t>::max() / bits, "shape ", to_string(shape),
        ": the number of bytes does not fit in 64 bits");
  check(count * bits % 8 == 0, dtype_name(dtype), " ", to_string(shape), " does not fill whole bytes");
  return count * bits / 8;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path), bytes_(file_->bytes()) {
  read();
}

SafetensorsFile::SafetensorsFile(std::span<const std::uint8_t> bytes, const std::string& name)
    : path_(name), bytes_(bytes) {
  read();
}

void SafetensorsFile::read() {
  const std::string source = path_.string();
  const std::string_view text = header_text(bytes_, source);
  SafetensorsHeader header = parse_safetensors_header(text, source);
  const std::span<const std::uint8_t> data = bytes_.subspan(8 + text.size());
  tensors_.reserve(header.tensors.size());
  for (const auto& [name, raw] : header.tensors) tensors_.push_back(checked_tensor(name, raw, data, source));
  check_coverage(tensors_, data, source);
  metadata_ = std::move(header.metadata);
}

const FileTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                      [](const FileTensor& tensor, std::string_view key) { return tensor.name < key; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace vitq
