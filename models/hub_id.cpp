#include "models/hub_id.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include "models/model_home.h"

namespace vitq {
namespace {

constexpr std::string_view kPrefixes[] = {"hf://", "hf-hub:", "https://huggingface.co/"};
constexpr std::string_view kEndings[] = {".safetensors", ".json", ".pth", ".pt", ".bin", ".onnx"};

bool is_letter_or_digit(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9'); }

bool is_word(std::string_view text) {
  constexpr std::size_t kMost = 96;
  const auto is_plain = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; };
  return !text.empty() && text.size() <= kMost && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, is_plain) && text.find("..") == std::string_view::npos;
}

/// Whether it is more likely a file that is not there.
bool looks_like_file(const HubId& id) {
  std::error_code ignored;
  const auto ends = [&](std::string_view ending) { return id.name.ends_with(ending); };
  return std::ranges::any_of(kEndings, ends) || std::filesystem::is_directory(id.owner, ignored);
}

}  // namespace

std::string HubId::text() const { return owner + '/' + name + (revision.empty() ? "" : '@' + revision); }

std::optional<HubId> hub_id(const std::string& model) {
  std::string_view rest = model;
  const auto* prefix = std::ranges::find_if(kPrefixes, [&](std::string_view one) { return rest.starts_with(one); });
  const bool is_sure = prefix != std::end(kPrefixes);
  if (is_sure) rest.remove_prefix(prefix->size());
  HubId id;
  const std::size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    id.revision = rest.substr(at + 1);
    if (!is_word(id.revision)) return std::nullopt;
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  id.owner = rest.substr(0, slash);
  id.name = rest.substr(slash + 1);
  if (!is_word(id.owner) || !is_word(id.name) || (!is_sure && looks_like_file(id))) return std::nullopt;
  return id;
}

std::filesystem::path hub_folder(const HubId& id) {
  // '@' is in no repository's name.
  return model_home() / "hub" / id.owner / (id.revision.empty() ? id.name : id.name + '@' + id.revision);
}

}  // namespace vitq
