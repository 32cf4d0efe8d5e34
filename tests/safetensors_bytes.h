#pragma once
// A safetensors file as bytes, right or wrong.

#include <cstdint>
#include <cstring>
#include <string>

namespace vitq::test {

/// The bytes of a file with this header, whatever it says, and `data_size` bytes of data 0, 1, 2, ...
inline std::string file_bytes(const std::string& header, std::size_t data_size, std::uint64_t length) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  bytes += header;
  for (std::size_t i = 0; i < data_size; ++i) bytes += static_cast<char>(i);
  return bytes;
}
inline std::string file_bytes(const std::string& header, std::size_t data_size) {
  return file_bytes(header, data_size, header.size());
}

}  // namespace vitq::test
