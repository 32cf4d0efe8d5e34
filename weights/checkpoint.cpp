#include "weights/checkpoint.h"

#include <algorithm>
#include <bit>

#include "engine/error.h"
#include "weights/names.h"
#include "weights/printable.h"
#include "weights/seeded.h"
#include "weights/shards.h"

namespace vitq {
namespace {

bool is_float_aligned(const std::uint8_t* address) {
  return reinterpret_cast<std::uintptr_t>(address) % alignof(float) == 0;
}

/// Index of the first NaN or infinity, or values.size(). The common case is one vectorised pass without a branch.
std::size_t first_non_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  const auto is_non_finite = [](float value) { return (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent; };
  std::uint32_t any = 0;
  for (const float value : values) any |= is_non_finite(value) ? 1u : 0u;
  if (any == 0) return values.size();
  return static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_non_finite) - values.begin());
}

/// The first tensor of a kind of fault, told in full, and how many more there are.
struct Faults {
  std::string first;
  int count = 0;

  void add(const std::string& text) {
    if (count++ == 0) first = text;
  }
  /// "PREFIX first and 3 more", after a "; " where something stands before.
  void append_to(std::string& message, const std::string& prefix) const {
    if (count == 0) return;
    if (!message.empty()) message += "; ";
    message += prefix + first;
    if (count > 1) message += " (and " + std::to_string(count - 1) + " more)";
  }
};

}  // namespace

MemoryTensor::MemoryTensor(std::string name, FileDType dtype, Shape shape, std::vector<std::uint8_t> bytes)
    : bytes_(std::move(bytes)), tensor_{std::move(name), dtype, std::move(shape), bytes_} {
  const std::int64_t expected = byte_count(dtype, tensor_.shape);
  check(std::ssize(bytes_) == expected, "tensor ", printable(tensor_.name), " has ", bytes_.size(), " bytes, but ",
        dtype_name(dtype), " ", to_string(tensor_.shape), " takes ", expected);
}

Checkpoint Checkpoint::open(const std::filesystem::path& path, const std::optional<std::string>& wrapper) {
  return of_files(open_files(path), path.string(), wrapper);
}

Checkpoint Checkpoint::from_bytes(std::span<const std::byte> bytes, const std::string& name) {
  std::vector<SafetensorsFile> files;
  files.emplace_back(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), name);
  return of_files(std::move(files), name, std::nullopt);
}

Checkpoint Checkpoint::of_files(std::vector<SafetensorsFile> files, std::string source,
                                const std::optional<std::string>& wrapper) {
  Checkpoint checkpoint;
  checkpoint.source_ = std::move(source);
  checkpoint.files_ = std::move(files);
  std::vector<std::string> published;
  std::map<std::string_view, const FileTensor*> stored;
  for (const SafetensorsFile& file : checkpoint.files_) {
    for (const auto& [key, value] : file.metadata()) checkpoint.metadata_.emplace(key, value);
    for (const FileTensor& tensor : file.tensors()) {
      published.push_back(tensor.name);
      stored.emplace(tensor.name, &tensor);
    }
  }
  const SortedNames names = sort_names_of(checkpoint.source_, published, wrapper);
  for (const auto& [name, published_name] : names.buffers) {
    checkpoint.buffers_[name] = stored.at(published_name)->shape;
  }
  checkpoint.put_together(names, stored);
  return checkpoint;
}

Checkpoint Checkpoint::of_published(std::vector<std::shared_ptr<const MemoryTensor>> tensors, const SortedNames& names,
                                    std::map<std::string, Shape> buffers, std::string source) {
  Checkpoint checkpoint;
  checkpoint.source_ = std::move(source);
  checkpoint.memory_ = std::move(tensors);
  checkpoint.buffers_ = std::move(buffers);
  std::map<std::string_view, const FileTensor*> stored;
  for (const auto& owner : checkpoint.memory_) stored.emplace(owner->tensor().name, &owner->tensor());
  checkpoint.put_together(names, stored);
  return checkpoint;
}

void Checkpoint::put_together(const SortedNames& names, const std::map<std::string_view, const FileTensor*>& stored) {
  for (const auto& [name, portions] : names.tensors) {
    std::vector<const FileTensor*> tensors;
    for (const Portion& portion : portions) tensors.push_back(stored.at(portion.published));
    try {
      Assembly assembly(name, portions, tensors);
      Shape shape = assembly.shape();
      entries_.emplace(name, Entry{std::move(shape), std::move(assembly), {}, nullptr, false});
    } catch (const Error& error) {
      fail(error.code(), source_, ": ", error.what());
    }
  }
  naming_ = names.who;
  left_behind_ = names.left_behind;
  fold_layer_scales();
}

Checkpoint Checkpoint::seeded(const std::vector<TensorSpec>& specs, std::uint64_t seed) {
  Checkpoint checkpoint;
  checkpoint.source_ = "seeded weights";
  checkpoint.seed_ = seed;
  checkpoint.metadata_ = {{"seed", std::to_string(seed)}};
  for (const TensorSpec& spec : specs) {
    element_count(spec.shape);  // throws on a shape that means nothing
    const bool is_new = checkpoint.entries_.try_emplace(spec.name, Entry{spec.shape, {}, {}, nullptr, true}).second;
    check(is_new, checkpoint.source_, ": tensor ", printable(spec.name), " is asked for twice");
  }
  checkpoint.fold_layer_scales();
  return checkpoint;
}

Checkpoint Checkpoint::in_memory(std::vector<std::shared_ptr<const MemoryTensor>> tensors,
                                 std::map<std::string, std::string> metadata, std::string source) {
  Checkpoint checkpoint;
  checkpoint.source_ = std::move(source);
  checkpoint.metadata_ = std::move(metadata);
  checkpoint.memory_ = std::move(tensors);
  for (const auto& owner : checkpoint.memory_) {
    const FileTensor& tensor = owner->tensor();
    const bool is_new =
        checkpoint.entries_.try_emplace(tensor.name, Entry{tensor.shape, Assembly(tensor), {}, nullptr, false}).second;
    check(is_new, checkpoint.source_, ": tensor ", printable(tensor.name), " comes twice");
  }
  checkpoint.fold_layer_scales();
  return checkpoint;
}

const Shape* Checkpoint::buffer(const std::string& name) const {
  const auto found = buffers_.find(name);
  return found != buffers_.end() ? &found->second : nullptr;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const Checkpoint::Entry& Checkpoint::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  check(found != entries_.end(), source_, ": has no tensor ", printable(name));
  return found->second;
}

std::span<const float> Checkpoint::f32(const std::string& name) const {
  const Entry& wanted = entry(name);
  const auto count = static_cast<std::size_t>(element_count(wanted.shape));
  const std::span<const std::uint8_t> bytes = wanted.stored.bytes();
  const bool is_direct = wanted.scale.empty() && !bytes.empty() &&
                         wanted.stored.pieces().front().dtype == FileDType::kF32 && is_float_aligned(bytes.data());
  if (!is_direct && wanted.owned == nullptr) materialize(name, wanted);
  const float* data = is_direct ? reinterpret_cast<const float*>(bytes.data()) : wanted.owned.get();
  const std::span<const float> values(data, count);
  if (!wanted.is_checked) {
    const std::size_t bad = first_non_finite(values);
    check(bad == count, ErrorCode::kFormat, source_, ": tensor ", printable(name), " ", to_string(wanted.shape),
          ": element ", bad, " is ", bad < count ? values[bad] : 0, ", expected a finite number; the file is damaged");
    wanted.is_checked = true;
  }
  return values;
}

const FileTensor* Checkpoint::raw(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second.stored.whole();
}

void Checkpoint::materialize(const std::string& name, const Entry& entry) const {
  const auto count = static_cast<std::size_t>(element_count(entry.shape));
  auto memory = std::make_unique_for_overwrite<float[]>(count);
  const std::span<float> dst(memory.get(), count);
  if (entry.stored.pieces().empty()) {
    fill_seeded(name, entry.shape, seed_, dst);
  } else {
    entry.stored.read(dst, name, source_);
  }
  if (!entry.scale.empty()) {
    const Entry& scale = scales_.at(entry.scale);
    if (scale.owned == nullptr) materialize(entry.scale, scale);
    const std::int64_t rows = entry.shape.front();
    const std::int64_t columns = rows == 0 ? 0 : static_cast<std::int64_t>(count) / rows;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) dst[r * columns + c] *= scale.owned[r];
    }
  }
  entry.owned = std::move(memory);
}

// LayerScale multiplies what attn.proj and mlp.fc2 add to the stream (Touvron et al., arXiv 2103.17239); so may their
// weights and biases be, and there is no such layer.
void Checkpoint::fold_layer_scales() {
  constexpr std::pair<std::string_view, std::string_view> kScaled[] = {{".ls1.gamma", ".attn.proj"},
                                                                       {".ls2.gamma", ".mlp.fc2"}};
  for (auto scale = entries_.begin(); scale != entries_.end();) {
    const std::string& name = scale->first;
    const auto* kind = std::ranges::find_if(kScaled, [&](const auto& pair) { return name.ends_with(pair.first); });
    const auto layer = [&] { return name.substr(0, name.size() - kind->first.size()) + std::string(kind->second); };
    const auto weight = kind != std::end(kScaled) ? entries_.find(layer() + ".weight") : entries_.end();
    if (weight == entries_.end() || weight->second.shape.empty() ||
        scale->second.shape != Shape{weight->second.shape.front()}) {
      ++scale;
      continue;
    }
    weight->second.scale = name;
    if (const auto bias = entries_.find(layer() + ".bias");
        bias != entries_.end() && bias->second.shape == scale->second.shape) {
      bias->second.scale = name;
    }
    scales_.emplace(name, std::move(scale->second));
    scale = entries_.erase(scale);
  }
}

void Checkpoint::require(const std::vector<TensorSpec>& expected, const std::string& hint) const {
  Faults misshapen, missing, surplus, left_behind;
  std::map<std::string, const Shape*> wanted;
  for (const TensorSpec& spec : expected) {
    wanted[spec.name] = &spec.shape;
    const auto found = entries_.find(spec.name);
    if (found == entries_.end()) {
      missing.add(spec.name + " " + to_string(spec.shape));
    } else if (found->second.shape != spec.shape) {
      misshapen.add(spec.name + " " + to_string(spec.shape) + ", found " + to_string(found->second.shape));
    }
  }
  for (const auto& [name, entry] : entries_) {
    if (!wanted.contains(name)) surplus.add(printable(name) + " " + to_string(entry.shape));
  }
  for (const std::string& name : left_behind_) left_behind.add(printable(name));
  std::string message;
  misshapen.append_to(message, "expected ");
  missing.append_to(message, "missing ");
  surplus.append_to(message, "unexpected ");
  if (!message.empty()) left_behind.append_to(message, "outside of the model: ");
  check(message.empty(), ErrorCode::kFormat, source_, ": ", message, hint.empty() ? "" : "; ", hint);
}

void Checkpoint::release_pages() const {
  for (const SafetensorsFile& file : files_) file.drop_pages();
}

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint,
                     const std::map<std::string, std::string>& metadata) {
  std::vector<FileTensor> tensors;
  for (const std::string& name : checkpoint.names()) {
    const std::span<const float> values = checkpoint.f32(name);
    tensors.push_back({name,
                       FileDType::kF32,
                       checkpoint.shape(name),
                       {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()}});
  }
  write_safetensors(path, tensors, metadata);
}

}  // namespace vitq
