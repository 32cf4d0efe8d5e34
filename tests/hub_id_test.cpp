#include "models/hub_id.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "models/model_home.h"

using namespace vitq;

namespace {

std::string read_back(const std::string& text) {
  const auto id = hub_id(text);
  return id ? id->text() : "none";
}

}  // namespace

TEST_CASE("a repository of the hub is named by owner and name, with a revision or without") {
  for (const std::string text : {"openai/clip-vit-base-patch32", "timm/vit_base_patch16_224.augreg_in21k_ft_in1k",
                                 "a/b@main", "a/b@3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"}) {
    CHECK(read_back(text) == text);
    CHECK(read_back("hf://" + text) == text);
    CHECK(read_back("hf-hub:" + text) == text);
    CHECK(read_back("https://huggingface.co/" + text) == text);
  }
  CHECK(read_back("hf://some/model.safetensors") == "some/model.safetensors");
}

TEST_CASE("what could leave the folder of models, or is a file, names no repository") {
  for (const std::string text : {"",           "/",
                                 "a",          "a/",
                                 "/a",         "a/b/c",
                                 "../b",       "a/..",
                                 "a/.b",       ".a/b",
                                 "a/b..c",     "-a/b",
                                 "a/b@",       "a/b@../c",
                                 "a/b@.x",     "a/b@x/y",
                                 "a/b@x@y",    "a b/c",
                                 "a/b\n",      "a/b%2e",
                                 "a\\b/c",     "http://huggingface.co/a/b",
                                 "hf://a",     "hf:///a/b",
                                 "hf://a/b/c", "a/model.safetensors",
                                 "a/m.pth",    "a/index.json"}) {
    CAPTURE(text);
    CHECK(read_back(text) == "none");
  }
  CHECK(read_back("a/" + std::string(96, 'x')) != "none");
  CHECK(read_back("a/" + std::string(97, 'x')) == "none");
}

TEST_CASE("each revision has a folder of its own") {
  ::setenv("VITQ_HOME", "/home-of-models", 1);
  CHECK(hub_folder({.owner = "a", .name = "b"}) == "/home-of-models/hub/a/b");
  CHECK(hub_folder({.owner = "a", .name = "b", .revision = "v1.0"}) == "/home-of-models/hub/a/b@v1.0");
  ::unsetenv("VITQ_HOME");
}
