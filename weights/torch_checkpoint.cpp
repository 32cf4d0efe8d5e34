#include "weights/torch_checkpoint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "weights/mapped_file.h"
#include "weights/names.h"
#include "weights/printable.h"
#include "weights/torch_pickle.h"
#include "weights/zip_archive.h"

namespace vitq {
namespace {

static_assert(std::endian::native == std::endian::little, "storages are little-endian and are not converted");

using Bytes = std::span<const std::uint8_t>;

/// Before PyTorch 1.6 a file began with the pickle of the number 0x1950a86a20f9469cfc6c, in any protocol.
bool begins_as_legacy(Bytes bytes) {
  constexpr std::array<std::uint8_t, 12> kMagic = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                                   0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  constexpr std::size_t kProtocol = 2;  // PROTO and its number
  return bytes.size() >= kProtocol + kMagic.size() && bytes[0] == 0x80 &&
         std::equal(kMagic.begin(), kMagic.end(), bytes.begin() + kProtocol);
}

void refuse_legacy(Bytes bytes, const std::string& source) {
  check(!begins_as_legacy(bytes), ErrorCode::kUnsupported, source,
        ": is in the format of PyTorch before 1.6, which vitq does not read; PyTorch turns it into the present one: "
        "python3 -c \"import torch; torch.save(torch.load('OLD.pth', map_location='cpu', weights_only=True), "
        "'NEW.pth')\"");
}

/// What stands in front of the name of every entry: torch.save's "NAME/", of which the pickle is "NAME/data.pkl".
std::string find_prefix(const ZipArchive& zip, const std::string& source) {
  constexpr std::string_view kPickle = "data.pkl";
  std::optional<std::string> prefix;
  for (const std::string& name : zip.names()) {
    check(
        !name.ends_with(".npy"), ErrorCode::kUnsupported, source,
        ": is a NumPy archive (.npz), as the original ViT is published, which vitq does not read; open it in timm and "
        "save its state_dict()");
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || std::string_view(name).substr(slash + 1) != kPickle) continue;
    check(!prefix, ErrorCode::kFormat, source, ": holds ", printable(prefix.value_or("")), kPickle, " and ",
          printable(name), ", expected one pickle");
    prefix = name.substr(0, slash + 1);
  }
  check(prefix.has_value(), ErrorCode::kFormat, source, ": is a zip without NAME/", kPickle,
        "; torch.save did not write it");
  check(!zip.contains(*prefix + "constants.pkl"), ErrorCode::kUnsupported, source,
        ": is a TorchScript archive, which holds a program; save its weights alone: python3 -c \"import torch; "
        "torch.save(torch.jit.load('OLD.pt', map_location='cpu').state_dict(), 'NEW.pth')\"");
  return *prefix;
}

void check_byte_order(const ZipArchive& zip, const std::string& prefix, const std::string& source) {
  const std::string entry = prefix + "byteorder";  // PyTorch 2.1 and newer
  if (!zip.contains(entry)) return;
  constexpr std::uint64_t kMost = 16;
  std::string order;
  if (zip.size(entry) <= kMost) {
    const auto bytes = zip.read(entry);
    order.assign(bytes.begin(), bytes.end());
  }
  check(order == "little", ErrorCode::kUnsupported, source, ": says that its byte order is ", printable(order),
        ", expected little");
}

/// dst: row-major, all of the tensor; storage: all of it. The view has been checked to lie inside.
void gather(const TorchTensor& view, Bytes storage, std::span<std::uint8_t> dst) {
  if (dst.empty()) return;
  const auto size = static_cast<std::size_t>(dtype_bits(view.dtype) / 8);
  const std::uint8_t* src = storage.data() + static_cast<std::size_t>(view.offset) * size;
  if (view.is_contiguous()) {
    std::copy_n(src, dst.size(), dst.begin());
    return;
  }
  Shape index(view.shape.size(), 0);
  std::int64_t at = 0;  // in elements from src
  for (std::uint8_t* to = dst.data(); to != dst.data() + dst.size(); to += size) {
    std::memcpy(to, src + static_cast<std::size_t>(at) * size, size);
    for (std::size_t axis = index.size(); axis > 0;) {
      --axis;
      at += view.strides[axis];
      if (++index[axis] < view.shape[axis]) break;
      at -= view.strides[axis] * view.shape[axis];
      index[axis] = 0;
    }
  }
}

/// A tensor of the file that the model needs.
struct Wanted {
  const TorchTensor* view = nullptr;
  std::int64_t bytes = 0;
};

struct Chosen {
  std::vector<Wanted> wanted;  ///< sorted by storage, so that each is read once
  SortedNames names;
  std::map<std::string, Shape> buffers;
};

Chosen choose(const std::vector<TorchTensor>& tensors, std::size_t file_size, const TorchOptions& options,
              const std::string& source) {
  std::map<std::string_view, const TorchTensor*> by_name;
  std::vector<std::string> published;
  for (const TorchTensor& tensor : tensors) {
    by_name.emplace(tensor.name, &tensor);
    published.push_back(tensor.name);
  }
  Chosen chosen;
  chosen.names = sort_names_of(source, published, options.wrapper);
  for (const auto& [name, published_name] : chosen.names.buffers)
    chosen.buffers[name] = by_name.at(published_name)->shape;
  constexpr std::int64_t kSlack = 1 << 20;
  const std::int64_t most = 2 * static_cast<std::int64_t>(file_size) + kSlack;
  std::int64_t left = most;
  std::set<std::string_view> needed;
  for (const auto& [name, portions] : chosen.names.tensors) {
    for (const Portion& portion : portions) needed.insert(portion.published);
  }
  for (const std::string_view name : needed) {
    const TorchTensor* view = by_name.at(name);
    const std::int64_t bytes = byte_count(view->dtype, view->shape);
    check(bytes <= left, ErrorCode::kFormat, source, ": tensor ", printable(view->name), " ", to_string(view->shape),
          ": the tensors up to this one take more than ", most, " bytes, twice what the file holds");
    left -= bytes;
    chosen.wanted.push_back({view, bytes});
  }
  std::ranges::stable_sort(chosen.wanted, {},
                           [](const Wanted& tensor) { return std::string_view(tensor.view->storage); });
  return chosen;
}

std::vector<std::shared_ptr<const MemoryTensor>> read_tensors(const std::vector<Wanted>& wanted, const ZipArchive& zip,
                                                              const std::string& prefix, const std::string& source,
                                                              const TorchOptions& options) {
  std::vector<std::shared_ptr<const MemoryTensor>> tensors;
  std::vector<std::uint8_t> storage;
  const TorchTensor* last = nullptr;
  for (const auto& [view, bytes] : wanted) {
    const std::string entry = prefix + "data/" + view->storage;
    const std::int64_t claimed = byte_count(view->dtype, {view->storage_elements});
    const std::uint64_t found = zip.size(entry);
    check(static_cast<std::uint64_t>(claimed) == found, ErrorCode::kFormat, source, ": tensor ", printable(view->name),
          ": its storage ", printable(view->storage), " has ", found, " bytes, expected ", view->storage_elements,
          " elements of ", dtype_name(view->dtype), ", ", claimed);
    if (last == nullptr || last->storage != view->storage) storage = zip.read(entry);
    last = view;
    std::vector<std::uint8_t> values(static_cast<std::size_t>(bytes));
    gather(*view, storage, values);
    tensors.push_back(std::make_shared<const MemoryTensor>(view->name, view->dtype, view->shape, std::move(values)));
    if (options.progress) options.progress(wanted.size());
  }
  return tensors;
}

}  // namespace

bool looks_like_torch(const std::filesystem::path& path) {
  const MappedFile file(path);
  return ZipArchive::begins_like_one(file.bytes()) || begins_as_legacy(file.bytes());
}

Checkpoint read_torch_checkpoint(const std::filesystem::path& path, const TorchOptions& options) {
  const std::string source = path.string();
  const MappedFile file(path);
  refuse_legacy(file.bytes(), source);
  check(ZipArchive::begins_like_one(file.bytes()), ErrorCode::kFormat, source,
        ": is no PyTorch checkpoint, which begins as a zip");
  const ZipArchive zip(file.bytes(), source);
  const std::string prefix = find_prefix(zip, source);
  check_byte_order(zip, prefix, source);
  TorchStateDict state = read_torch_pickle(zip.read(prefix + "data.pkl"), options.key, source);
  Chosen chosen = choose(state.tensors, file.bytes().size(), options, source);
  auto tensors = read_tensors(chosen.wanted, zip, prefix, source, options);
  std::vector<std::string> left_behind = std::move(state.others);
  std::ranges::move(chosen.names.left_behind, std::back_inserter(left_behind));
  std::ranges::move(state.around, std::back_inserter(left_behind));
  chosen.names.left_behind = std::move(left_behind);
  return Checkpoint::of_published(std::move(tensors), chosen.names, std::move(chosen.buffers), source);
}

}  // namespace vitq
