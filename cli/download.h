#pragma once
// A file from a server, whole: cut transfers go on where they were cut, in this run or a later one, a file that has
// changed meanwhile starts over, and what fails for a moment is tried again.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/download_part.h"

namespace vitq {

struct Download {
  std::string what;              ///< in a word, for people
  std::string address;           ///< http or https
  std::uint64_t most_bytes = 0;  ///< more than this is refused
  std::chrono::seconds timeout{30};
  int retries = 3;  ///< with pauses of half a second, one second, two, ...
};

/// Fills `part` with all of the file; part.origin() says what the server told of it. Checks the length, not the
/// content. Draws a bar on a terminal, logs a line for each retry. Throws Error, one line with what and the address.
void download(const Download& download, DownloadPart& part);

/// The SHA-256 that an ETag of the Hugging Face hub is, for files kept in LFS: 64 hexadecimal digits in quotes. In
/// small letters; empty where it is no such thing.
std::string sha256_of_etag(std::string_view etag);

}  // namespace vitq
