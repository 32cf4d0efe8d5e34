// Command lines that make no sense. Each is refused with exit code 2 and a line that says what was expected.
#include <doctest/doctest.h>

#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

struct Refusal {
  std::vector<std::string> args;
  std::vector<std::string> words;
};

void check_all(const Workplace& here, const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) here.refuses(refusal.args, 2, refusal.words);
}

TEST_CASE("unknown commands and options are refused with the nearest spelling") {
  const Workplace here;
  check_all(here, {
                      {{}, {"a command is missing"}},
                      {{"rnu"}, {"unknown command rnu", "did you mean run?"}},
                      {{"frobnicate"}, {"unknown command frobnicate"}},
                      {{""}, {"unknown command \"\""}},
                      {{"help", "modles"}, {"unknown command modles", "did you mean models?"}},
                      {{"help", "run", "eval"}, {"unexpected argument eval"}},
                      {{"--version", "now"}, {"unexpected argument now"}},
                      {{"--versoin"}, {"unknown option --versoin", "did you mean --version?"}},
                      {{"--model", "x"}, {"unknown option --model"}},
                      {{"run", "--modle", "x"}, {"unknown option --modle", "did you mean --model?"}},
                      {{"run", "--tpok=3", "a.jpg"}, {"unknown option --tpok", "did you mean --topk?"}},
                      {{"run", "a.jpg", "-x"}, {"unknown option -x"}},
                      {{"run", "a.jpg", "--json=yes"}, {"--json takes no value"}},
                      {{"run", "a.jpg", "--\x1b[31m"}, {"unknown option", "\\x1b"}},
                      {{"run", "--\x1b[31m", "a.jpg"}, {"unknown option", "\\x1b"}},
                      {{"run", "--image", "a.jpg", "--\x1b[31m=1"}, {"unknown option", "\\x1b"}},
                      {{"run", "a.jpg", "-\x1b"}, {"unknown option", "-\\x1b"}},
                      {{"run", "a.jpg", "-1"}, {"unknown option -1"}},
                      {{"run", "a.jpg", "--!"}, {"unknown option --!"}},
                      {{"run", "a.jpg", "---"}, {"unknown option ---"}},
                      {{"run", "a.jpg", "--image=b.jpg", "--top k"}, {"unknown option", "--top k"}},
                      {{"models", "--", "-x"}, {"unexpected argument -x"}},
                      {{"info", "-", "b"}, {"unexpected argument b"}},
                      {{"info", "--", "-a", "--b"}, {"unexpected argument --b"}},
                      {{"models", "deit_s"}, {"unexpected argument deit_s"}},
                      {{"info", "a", "b"}, {"unexpected argument b"}},
                      {{"eval", "a.jpg"}, {"unexpected argument a.jpg"}},
                      {{"eval", "--lables", "x.csv"}, {"did you mean --labels?"}},
                  });
}

TEST_CASE("values that are missing or make no sense are refused with what was expected") {
  const Workplace here;
  check_all(here, {
                      {{"run", "--threads"}, {"--threads", "a value is missing"}},
                      {{"run", "--threads="}, {"--threads", "a value is missing"}},
                      {{"run", "--model", "--json"}, {"--model", "a value is missing"}},
                      {{"run", "--image"}, {"--image", "a value is missing"}},
                      {{"run", "--threads", "0"}, {"--threads", "from 1 to 1024", "found 0"}},
                      {{"run", "--threads", "-1"}, {"--threads", "from 1 to 1024", "found -1"}},
                      {{"run", "--threads", "1025"}, {"--threads", "from 1 to 1024"}},
                      {{"run", "--threads", "99999999999999999999"}, {"--threads", "from 1 to 1024"}},
                      {{"run", "--threads", "two"}, {"--threads", "a whole number", "found two"}},
                      {{"run", "--threads", ""}, {"--threads", "a whole number"}},
                      {{"run", "--threads", "1.5"}, {"--threads", "a whole number"}},
                      {{"run", "--threads", "0x10"}, {"--threads", "a whole number"}},
                      {{"run", "--batch", "0"}, {"--batch", "from 1 to 4096"}},
                      {{"run", "--batch", "4097"}, {"--batch", "from 1 to 4096"}},
                      {{"run", "--topk", "0"}, {"--topk", "from 1"}},
                      {{"run", "--resize", "0"}, {"--resize", "none or a whole number"}},
                      {{"run", "--resize", "big"}, {"--resize", "none or a whole number"}},
                      {{"run", "--crop-pct", "0"}, {"--crop-pct", "from 0.0625 to 1"}},
                      {{"run", "--crop-pct", "1.1"}, {"--crop-pct", "from 0.0625 to 1"}},
                      {{"run", "--crop-pct", "nan"}, {"--crop-pct", "a number"}},
                      {{"run", "--mean", "0.5,0.5"}, {"--mean", "three numbers r,g,b"}},
                      {{"run", "--mean", "1,2,3,4"}, {"--mean", "three numbers r,g,b"}},
                      {{"run", "--mean", "a,b,c"}, {"--mean", "three numbers r,g,b"}},
                      {{"run", "--std", "0.2,0,0.2"}, {"--std", "from 0.001"}},
                      {{"run", "--std", "inf,1,1"}, {"--std", "three numbers"}},
                      {{"run", "--precision", "w8a8"}, {"--precision", "expected fp32 or bf16 or int8"}},
                      {{"run", "--precision", "bf61"}, {"--precision", "expected fp32 or bf16 or int8", "found bf61"}},
                      {{"embed", "--tokens", "pool"}, {"--tokens", "cls or patch or all or pooled", "found pool"}},
                      {{"embed", "--dtype", "bf16"}, {"--dtype", "float32 or float16"}},
                      {{"eval", "--format", "xml"}, {"--format", "md or csv or json"}},
                      {{"eval", "--limit", "0"}, {"--limit", "a whole number from 1"}},
                      {{"seed", "--seed", "-1"}, {"--seed", "a whole number from 0"}},
                  });
}

TEST_CASE("quantize refuses what makes no sense") {
  const Workplace here;
  const auto with = [](const std::string& option, const std::string& value) {
    return std::vector<std::string>{"quantize", option, value};
  };
  check_all(here, {
                      {with("--weight-bits", "2"), {"--weight-bits", "from 3 to 8", "found 2"}},
                      {with("--weight-bits", "9"), {"--weight-bits", "from 3 to 8"}},
                      {with("--activation-bits", "0"), {"--activation-bits", "from 3 to 8"}},
                      {with("--edge-bits", "16"), {"--edge-bits", "from 3 to 8"}},
                      {with("--preset", "w2a2"), {"--preset", "w8a8 or w6a6 or w4a8 or w4a4 or w3a3"}},
                      {with("--softmax", "tan"), {"--softmax", "tanq or uniform or log2 or logsqrt2", "found tan"}},
                      {with("--scale-factor", "mode"), {"--scale-factor", "median or mean or mad"}},
                      {with("--count", "0"), {"--count", "from 1 to 1024"}},
                      {with("--count", "1025"), {"--count", "from 1 to 1024"}},
                      {with("--seed", "-1"), {"--seed", "a whole number from 0"}},
                      {with("--precision", "int8"), {"unknown option --precision"}},
                      {with("--keep-flaot", "head"), {"did you mean --keep-float?"}},
                      {with("--out", "x"), {"--images is missing"}},
                      {with("--images", "x"), {"--out is missing"}},
                      {{"quantize", "x"}, {"unexpected argument x"}},
                      {{"quantize", "--model", "deti_s", "--images", "x", "--out", here("x")}, {"deit_s?"}},
                  });
}

TEST_CASE("options that are needed or exclude each other are named") {
  const Workplace here;
  const std::string& model = here.model();
  check_all(here, {
                      {{"run"}, {"--image is missing"}},
                      {{"run", here.picture(), "--model", "deti_s"}, {"no model named deti_s", "did you mean deit_s?"}},
                      {{"run", here.picture(), "--model", ""}, {"--model", "expected some text"}},
                      {{"run", here.picture(), "--model", model, "--resize", "40", "--crop-pct", "0.9"},
                       {"--resize and --crop-pct exclude each other"}},
                      {{"run", here.picture(), "--model", model, "--resize", "31"},
                       {"resize is 31", "expected 0 (none) or 32 to"}},
                      {{"eval", "--model", model}, {"--images is missing"}},
                      {{"eval", "--images", "x", "--against", "fp32", "--reference", "y"},
                       {"--against and --reference exclude each other"}},
                      {{"embed", "--out", "x.npy"}, {"--images is missing"}},
                      {{"embed", "a.jpg"}, {"--out is missing"}},
                      {{"embed", "a.jpg", "--out", "x.csv"}, {"--out", "ends in .npy", "x.csv"}},
                      {{"eval", "--images", "x", "--knn", "--zero-shot", "y"}, {"--zero-shot is of classes", "--knn"}},
                      {{"eval", "--images", "x", "--embeddings"}, {"--embeddings needs --against"}},
                      {{"eval", "--images", "x", "--embeddings", "--against", "y", "--zero-shot", "z"},
                       {"--zero-shot is of classes", "--embeddings"}},
                      {{"eval", "--model", model, "--images", "x", "--knn", "--logits", "y"},
                       {"--logits and --reference are of logits", "--knn"}},
                      {{"eval", "--model", here.headless(), "--images", "x", "--against", model, "--logits", "y"},
                       {"--logits and --reference are of logits", "without a head"}},
                      {{"eval", "--images", "x", "--knn", "0"}, {"--knn", "from 1 to 1000", "found 0"}},
                      {{"eval", "--images", "x", "--knn="}, {"--knn", "a value is missing"}},
                      {{"seed", "--out", here("x")}, {"--model is missing"}},
                      {{"seed", "--model", "deit_t"}, {"--out is missing"}},
                      {{"seed", "--model", "deit-t", "--out", here("x")}, {"no model named", "did you mean deit_t?"}},
                      {{"pull"}, {"a model is missing"}},
                      {{"pull", "deti_s"}, {"no model named deti_s", "did you mean deit_s?"}},
                      {{"pull", "deit_s", "deit_t"}, {"unexpected argument deit_t"}},
                      {{"pull", "deit_s", "--timeout", "0"}, {"--timeout", "from 1 to 3600"}},
                      {{"pull", "deit_s", "--retries", "-1"}, {"--retries", "from 0 to 100"}},
                      {{"pull", "deit_s", "--froce"}, {"did you mean --force?"}},
                      {{"info", "--tensors"}, {"--tensors needs a FILE"}},
                  });
}

}  // namespace
}  // namespace vitq::test
