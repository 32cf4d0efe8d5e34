#pragma once
// The fingerprint of an artifact, for the record of a measurement: what `sha256sum` prints. Source: FIPS 180-4.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace vitq {

/// 64 hexadecimal digits.
std::string sha256(std::span<const std::uint8_t> bytes);

/// Of a file's content. Throws Error as MappedFile does.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace vitq
