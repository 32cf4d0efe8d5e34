// Writing safetensors files: what stands on the disk after success, failure, a full disk or a kill.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <iostream>
#include <iterator>
#include <sstream>

#include "engine/error.h"
#include "tests/safetensors_bytes.h"
#include "tests/shared_folder.h"
#include "tests/temporary_folder.h"
#include "weights/atomic_file.h"
#include "weights/printable.h"
#include "weights/safetensors.h"

namespace vitq {
namespace {

using test::file_bytes;
using test::TemporaryFolder;

std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("what is written is read back") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::string data = "0123456789abcdef";
  const std::string name = "caf\xc3\xa9 \"quoted\"\n";
  const std::vector<FileTensor> tensors = {
      {"z", FileDType::kU8, {3}, bytes_of(data).first(3)},
      {"b", FileDType::kF32, {2, 1}, bytes_of(data).first(8)},
      {name, FileDType::kF64, {}, bytes_of(data).last(8)},
      {"a", FileDType::kF32, {4}, bytes_of(data)},
      {"empty", FileDType::kI64, {0, 7}, {}},
  };
  const std::map<std::string, std::string> metadata = {{"format", "vitq"}, {"json", R"({"a": [1]})"}};
  write_safetensors(path, tensors, metadata);
  CHECK(folder.file_count() == 1);

  const SafetensorsFile file(path);
  CHECK(file.metadata() == metadata);
  REQUIRE(file.tensors().size() == tensors.size());
  for (const FileTensor& tensor : tensors) {
    const FileTensor* found = file.find(tensor.name);
    REQUIRE(found != nullptr);
    CHECK(found->dtype == tensor.dtype);
    CHECK(found->shape == tensor.shape);
    CHECK(std::equal(found->bytes.begin(), found->bytes.end(), tensor.bytes.begin(), tensor.bytes.end()));
    CHECK(reinterpret_cast<std::uintptr_t>(found->bytes.data()) % (dtype_bits(tensor.dtype) / 8) == 0);
  }
  // Data from a multiple of 64 on; falling element size, then name.
  const std::uint8_t* begin = file.find(name)->bytes.data();
  CHECK(reinterpret_cast<std::uintptr_t>(begin) % 64 == 0);
  CHECK(file.find("a")->bytes.data() == begin + 8);
  CHECK(file.find("b")->bytes.data() == begin + 24);
  CHECK(file.find("z")->bytes.data() == begin + 32);
}

TEST_CASE("a file without tensors is written as the format wants it") {
  const TemporaryFolder folder;
  write_safetensors(folder.path() / "x", {}, {});
  const std::string bytes = read_all(folder.path() / "x");
  CHECK(bytes == file_bytes(std::string("{}").append(54, ' '), 0));
  CHECK(SafetensorsFile(folder.path() / "x").tensors().empty());
}

TEST_CASE("the writer refuses what no reader would take and leaves no file") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x";
  const auto bytes = bytes_of("0123");
  const FileTensor good = {"a", FileDType::kU8, {4}, bytes};
  CHECK_THROWS_WITH_AS(write_safetensors(path, {good, good}, {}), doctest::Contains("tensor a comes twice"), Error);
  CHECK_THROWS_WITH_AS(write_safetensors(path, {{"__metadata__", FileDType::kU8, {4}, bytes}}, {}),
                       doctest::Contains("may be named __metadata__"), Error);
  CHECK_THROWS_WITH_AS(write_safetensors(path, {{"a", FileDType::kF32, {4}, bytes}}, {}),
                       doctest::Contains("has 4 bytes, but F32 [4] takes 16"), Error);
  CHECK_THROWS_WITH_AS(write_safetensors(path, {{"a\xff", FileDType::kU8, {4}, bytes}}, {}),
                       doctest::Contains("\"a\\xff\" is not valid UTF-8"), Error);
  CHECK_THROWS_WITH_AS(write_safetensors(path, {good}, {{"k", "\xff"}}), doctest::Contains("not valid UTF-8"), Error);
  CHECK(folder.file_count() == 0);
}

TEST_CASE("a full disk is told and leaves the old file") {
  const TemporaryFolder folder;
  const auto path = folder.write("x", "old");
  // The limit on file size stands in for the full disk: both are a write that the system cuts short.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {100'000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string data(1'000'000, 'x');
  std::string message;
  try {
    write_safetensors(path, {{"a", FileDType::kU8, {1'000'000}, bytes_of(data)}}, {});
  } catch (const Error& error) {
    message = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, handler);
  CHECK(message == path.string() + ": cannot be written: File too large; nothing was changed");
  CHECK(read_all(path) == "old");
  CHECK(folder.file_count() == 1);
}

TEST_CASE("an atomic file replaces only on commit and only regular files") {
  const TemporaryFolder folder;
  const auto path = folder.write("x", "old");
  {
    AtomicFile file(path);
    file.write("new");
    CHECK(folder.file_count() <= 2);  // it has a name by now only where the file system insists
  }
  CHECK(read_all(path) == "old");
  CHECK(folder.file_count() == 1);

  // Through a symbolic link the file behind it is replaced and the link stays.
  std::filesystem::create_symlink("x", folder.path() / "link");
  AtomicFile file(folder.path() / "link");
  file.write("new");
  file.commit();
  CHECK(read_all(path) == "new");
  CHECK(std::filesystem::is_symlink(folder.path() / "link"));
  CHECK(folder.file_count() == 2);

  std::filesystem::create_symlink("nowhere", folder.path() / "dangling");
  CHECK_THROWS_WITH_AS(AtomicFile(folder.path() / "dangling"), doctest::Contains("leads nowhere"), Error);
  CHECK_THROWS_WITH_AS(AtomicFile("/dev/null"), doctest::Contains("not a regular file"), Error);
  CHECK_THROWS_WITH_AS(AtomicFile(folder.path()), doctest::Contains("is a directory"), Error);
  CHECK_THROWS_WITH_AS(AtomicFile(folder.path() / "no" / "x"), doctest::Contains("No such file"), Error);
  CHECK_THROWS_WITH_AS(AtomicFile(""), doctest::Contains("expected a file name"), Error);
}

TEST_CASE("a process that is killed while it writes leaves the old file and nothing else") {
  const TemporaryFolder folder;
  const auto path = folder.write("x", "old");
  const int probe = ::open(folder.path().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
  if (probe < 0) {
    MESSAGE("SKIPPED: this file system has no files without a name");
    return;
  }
  ::close(probe);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AtomicFile file(path);
    file.write("new");
    ::raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(read_all(path) == "old");
  CHECK(folder.file_count() == 1);
}

TEST_CASE("a replaced file stays readable where it is open") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x";
  write_safetensors(path, {{"a", FileDType::kU8, {3}, bytes_of("old")}}, {});
  const SafetensorsFile open(path);
  write_safetensors(path, {{"a", FileDType::kU8, {3}, bytes_of("new")}}, {});
  open.drop_pages();
  CHECK(open.find("a")->bytes[0] == 'o');
  CHECK(SafetensorsFile(path).find("a")->bytes[0] == 'n');
}

TEST_CASE("the real and the golden files open") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: no shared folder with real files\n";
    return;
  }
  const SafetensorsFile deit(*shared / "assets/deit_t.safetensors");
  CHECK(deit.tensors().size() == 152);
  std::int64_t parameters = 0;
  for (const FileTensor& tensor : deit.tensors()) parameters += element_count(tensor.shape);
  CHECK(parameters == 5'717'416);
  CHECK(deit.find("blocks.0.attn.qkv.weight")->shape == Shape{576, 192});

  const SafetensorsFile golden(*shared / "golden/seeded_fp32.safetensors");
  CHECK(golden.find("deit_s/logits")->shape == Shape{1000});
  float first = 0;
  std::memcpy(&first, golden.find("deit_s/logits")->bytes.data(), sizeof(first));
  CHECK(first == doctest::Approx(-0.69608).epsilon(1e-5));
  CHECK(SafetensorsFile(*shared / "golden/deit_t_photo_logits.safetensors").metadata().contains("files"));
  CHECK(SafetensorsFile(*shared / "golden/deit_t_eval_logits.safetensors").find("logits")->shape == Shape{336, 1000});
}

TEST_CASE("atomic file: names up to the longest that the file system takes") {
  const TemporaryFolder folder;
  std::string umlauts;
  for (int i = 0; i < 127; ++i) umlauts += "\xC3\xA4";
  for (const std::string& name : {std::string(200, 'n'), std::string(243, 'n'), std::string(255, 'n'), umlauts}) {
    CAPTURE(name.size());
    AtomicFile file(folder.path() / name);
    file.write("whole");
    file.commit();
    CHECK(std::filesystem::file_size(folder.path() / name) == 5);
  }
  CHECK(folder.file_count() == 4);
  const std::filesystem::path longer = folder.path() / std::string(256, 'n');
  CHECK_THROWS_WITH_AS(AtomicFile{longer}, doctest::Contains("File name too long"), Error);
  CHECK_THROWS_WITH_AS(check_writable(longer), doctest::Contains("File name too long"), Error);
  CHECK_NOTHROW(check_writable(folder.path() / "later"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "later"));
}

TEST_CASE("atomic file: of several writers to one name each writes a whole file, and the last one stays") {
  const TemporaryFolder folder;
  AtomicFile first(folder.path() / "x");
  AtomicFile second(folder.path() / "x");
  first.write("first");
  second.write("second one");
  second.commit();
  CHECK(std::filesystem::file_size(folder.path() / "x") == 10);
  first.commit();
  CHECK(std::filesystem::file_size(folder.path() / "x") == 5);
}

}  // namespace vitq
