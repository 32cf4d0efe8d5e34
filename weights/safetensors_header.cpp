#include "weights/safetensors_header.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using Json = nlohmann::json;

/// Receives the parser's events. `place_` is where in the header's fixed grammar we are; whatever does not fit there is
/// refused on the spot, so the depth never exceeds three.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& source) : source_(source) {}
  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { refuse("a fraction or a number beyond 64 bits"); }
  bool binary(binary_t&) override { refuse("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kNumbers) refuse("a number");
    check(numbers_->size() < kMaxNumbers, ErrorCode::kFormat, source_, ": tensor ", printable(name_), ": ", field_,
          " has more than ", kMaxNumbers, " entries");
    numbers_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[field_] = std::move(value);
    } else if (place_ == Place::kTensor && field_ == "dtype") {
      tensor_->dtype = std::move(value);
    } else {
      refuse("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = tensor_ != nullptr ? Place::kTensor : Place::kMetadata;
      seen_dtype_ = seen_shape_ = seen_offsets_ = false;
    } else {
      refuse("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      const char* missing = !seen_dtype_ ? "dtype" : !seen_shape_ ? "shape" : !seen_offsets_ ? "data_offsets" : nullptr;
      check(missing == nullptr, ErrorCode::kFormat, source_, ": tensor ", printable(name_), ": has no ",
            missing ? missing : "");
    }
    place_ = Place::kTop;  // after the outermost brace the parser sends nothing more
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || field_ == "dtype") refuse("an array");
    numbers_ = field_ == "shape" ? &tensor_->shape : &tensor_->data_offsets;
    place_ = Place::kNumbers;
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::kTop) {
      enter(value);
    } else if (place_ == Place::kMetadata) {
      check(!header_.metadata.contains(value), ErrorCode::kFormat, source_, ": __metadata__ key ", printable(value),
            " comes twice");
      field_ = value;
    } else {
      enter_field(value);
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::kFormat, source_, ": the header is not valid UTF-8 JSON: it goes wrong at its byte ", position,
         "; the file is damaged or is not safetensors");
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kNumbers };
  static constexpr std::size_t kMaxNumbers = 64;  // no framework has tensors of more dimensions

  void enter(const std::string& name) {
    name_ = name;
    tensor_ = nullptr;
    if (name == "__metadata__") {
      check(!seen_metadata_, ErrorCode::kFormat, source_, ": __metadata__ comes twice");
      seen_metadata_ = true;
      return;
    }
    const auto [entry, is_new] = header_.tensors.try_emplace(name);
    check(is_new, ErrorCode::kFormat, source_, ": tensor ", printable(name), " comes twice");
    tensor_ = &entry->second;
  }

  void enter_field(const std::string& field) {
    bool* seen = field == "dtype"          ? &seen_dtype_
                 : field == "shape"        ? &seen_shape_
                 : field == "data_offsets" ? &seen_offsets_
                                           : nullptr;
    check(seen != nullptr, ErrorCode::kFormat, source_, ": tensor ", printable(name_), ": unknown field ",
          printable(field), ", expected dtype, shape, data_offsets");
    check(!*seen, ErrorCode::kFormat, source_, ": tensor ", printable(name_), ": ", field, " comes twice");
    *seen = true;
    field_ = field;
  }

  [[noreturn]] void refuse(const char* found) const {
    const std::string tensor = source_ + ": tensor " + printable(name_) + ": ";
    switch (place_) {
      case Place::kStart:
        fail(ErrorCode::kFormat, source_, ": the header must be a JSON object, found ", found);
      case Place::kTop:
        if (tensor_ == nullptr)
          fail(ErrorCode::kFormat, source_, ": __metadata__ must be an object of strings, found ", found);
        fail(ErrorCode::kFormat, tensor, "expected an object with dtype, shape, data_offsets, found ", found);
      case Place::kMetadata:
        fail(ErrorCode::kFormat, source_, ": __metadata__ key ", printable(field_), " must be a string, found ", found);
      case Place::kTensor:
        if (field_ == "dtype") fail(ErrorCode::kFormat, tensor, "dtype must be a string, found ", found);
        [[fallthrough]];
      case Place::kNumbers:
        fail(ErrorCode::kFormat, tensor, field_, " must be an array of non-negative integers, found ", found);
    }
    fail(ErrorCode::kFormat, tensor, "found ", found);
  }

  const std::string& source_;
  SafetensorsHeader header_;
  Place place_ = Place::kStart;
  std::string name_;                               ///< the entry of the top object that we are in
  std::string field_;                              ///< its field, or the key of __metadata__
  HeaderTensor* tensor_ = nullptr;                 ///< null in __metadata__
  std::vector<std::uint64_t>* numbers_ = nullptr;  ///< the array that is being filled
  bool seen_metadata_ = false, seen_dtype_ = false, seen_shape_ = false, seen_offsets_ = false;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& source) {
  check(json.starts_with('{'), ErrorCode::kFormat, source,
        ": the header must begin with '{'; the file is damaged or is not safetensors");
  // The parser takes a zero byte for the end and would not look at what follows.
  check(json.find('\0') == std::string_view::npos, ErrorCode::kFormat, source,
        ": the header holds a zero byte, which is not valid JSON");
  HeaderReader reader(source);
  Json::sax_parse(json.begin(), json.end(), &reader);
  return reader.take();
}

}  // namespace vitq
