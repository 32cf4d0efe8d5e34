#pragma once
// What `vitq embed` writes, read back in another way.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "weights/half.h"

namespace vitq::test {

inline std::string bytes_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

struct NpyArray {
  std::string type;  ///< "<f4" or "<f2"
  std::vector<std::int64_t> shape;
  std::vector<float> values;

  [[nodiscard]] std::vector<float> row(std::int64_t index) const {
    const auto size = std::ssize(values) / shape.front();
    return {values.begin() + index * size, values.begin() + (index + 1) * size};
  }
};

inline NpyArray read_npy(const std::filesystem::path& path) {
  const std::string bytes = bytes_of_file(path);
  REQUIRE(bytes.starts_with(std::string("\x93NUMPY\x01\0", 8)));
  const std::size_t begin = 10 + static_cast<unsigned char>(bytes.at(8)) + 256 * static_cast<unsigned char>(bytes[9]);
  CHECK(begin % 64 == 0);
  REQUIRE(begin <= bytes.size());
  const std::string header = bytes.substr(10, begin - 10);
  CHECK(header.ends_with('\n'));
  CHECK(header.find("'fortran_order': False") != std::string::npos);
  NpyArray array;
  array.type = header.substr(header.find("'descr': '") + 10, 3);
  std::istringstream shape(header.substr(header.find("'shape': (") + 10));
  std::int64_t total = 1;
  for (std::int64_t extent = 0; shape >> extent; shape.ignore(1)) {
    array.shape.push_back(extent);
    total *= extent;
  }
  const std::size_t element = array.type == "<f2" ? 2 : 4;
  REQUIRE(bytes.size() == begin + element * static_cast<std::size_t>(total));
  for (std::size_t at = begin; at < bytes.size(); at += element) {
    if (element == 2) {
      std::uint16_t half = 0;
      std::memcpy(&half, &bytes[at], sizeof(half));
      array.values.push_back(half_to_float(half));
    } else {
      std::memcpy(&array.values.emplace_back(), &bytes[at], sizeof(float));
    }
  }
  return array;
}

}  // namespace vitq::test
