#include "interop/foreign_weights.h"

#include "core/error.h"
#include "interop/diffusers_folder.h"
#include "io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

TensorMap small_network() {
  return {{"map.weight", torch::zeros({2, 3})},
          {"map.bias", torch::zeros({2})},
          {"embedding.class_table.weight", torch::ones({4, 2})}};
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("tensors are filled by a map of names, from any float type, 1x1 convolutions too",
          "[interop][roundtrip]") {
  const TemporaryDirectory dir;
  const auto weight = torch::arange(6, torch::kFloat32).view({2, 3, 1, 1});
  const auto table = torch::arange(6, torch::kFloat64).view({3, 2});
  write_safetensors(dir / "a.safetensors",
                    {{"proj.w", weight.to(torch::kHalf)}, {"step", torch::zeros({1})}}, {});
  write_safetensors(dir / "b.safetensors", {{"proj.b", torch::ones({2})}, {"classes", table}}, {});
  const ForeignWeights weights({dir / "a.safetensors", dir / "b.safetensors"});
  auto own = small_network();
  const auto map = read_name_map(
      "# theirs, ours\nproj.w,map.weight\nproj.b   map.bias  # spaces do\n\n"
      "classes, embedding.class_table.weight\nstep -\n",
      "map.txt", own);
  weights.fill(own, map);
  REQUIRE(torch::equal(own["map.weight"], weight.view({2, 3})));
  REQUIRE(torch::equal(own["map.bias"], torch::ones({2})));
  const auto classes = own["embedding.class_table.weight"];
  REQUIRE(torch::equal(classes.narrow(0, 0, 3), table.to(torch::kFloat32)));
  REQUIRE(classes[3].count_nonzero().item<int64_t>() == 0);
}

TEST_CASE("what does not fit is listed whole, and nothing is filled", "[interop][error]") {
  const TemporaryDirectory dir;
  write_safetensors(dir / "w.safetensors",
                    {{"map.weight", torch::ones({3, 2})},
                     {"map.bias", torch::ones({2}, torch::kInt64)},
                     {"extra", torch::ones({5})}},
                    {});
  const ForeignWeights weights({dir / "w.safetensors"});
  auto own = small_network();
  const auto said = refusal([&] { weights.fill(own, {}); });
  for (const auto* part :
       {"missing (1)", "embedding.class_table.weight [4, 2]", "left over (1)", "extra [5]",
        "misshapen (2)", "map.weight: want [2, 3]", "got [3, 2] Float", "got [2] Long"}) {
    REQUIRE_THAT(said, Contains(part));
  }
  REQUIRE(own["map.weight"].count_nonzero().item<int64_t>() == 0);
  REQUIRE_THAT(refusal([&] {
                 ForeignWeights({dir / "w.safetensors", dir / "w.safetensors"});
               }),
               Contains("in another file"));
}

TEST_CASE("a map of names is refused by line", "[interop][error]") {
  const auto own = small_network();
  const auto said = [&](const char* text) {
    return refusal([&] { read_name_map(text, "map.txt", own); });
  };
  REQUIRE(said("a map.bias\n") == "accepted");
  REQUIRE_THAT(said("a map.bias\nb"), Contains("map.txt, line 2: want the name in the file"));
  REQUIRE_THAT(said("a map.bais"), Contains("'map.bais'") && Contains("'map.bias'"));
  REQUIRE_THAT(said("a map.bias\na map.weight"), Contains("line 2: 'a' is named twice"));
  REQUIRE_THAT(said("a map.bias\nb map.bias"), Contains("line 2: 'map.bias' is filled twice"));
}

TEST_CASE("a diffusers folder is found in each of its forms", "[interop][property]") {
  const TemporaryDirectory dir;
  const auto put = [&](const std::string& name, const std::string& text) {
    require_file_place(dir / name);
    write_file_atomically(dir / name, text);
  };
  const auto said = [&](const std::string& folder) {
    return refusal([&] { find_diffusers_folder(dir / folder); });
  };
  put("bare/config.json", "{}");
  REQUIRE_THAT(said("bare"), Contains("diffusion_pytorch_model.safetensors"));
  put("bare/diffusion_pytorch_model.bin", "PK");
  REQUIRE_THAT(said("bare"), Contains("diffusion_pytorch_model.bin: it is a pickle") &&
                                 Contains("python3 -c 'import torch, safetensors.torch"));
  put("bare/diffusion_pytorch_model.safetensors", "x");
  const auto bare = find_diffusers_folder(dir / "bare");
  REQUIRE(bare.unet == dir / "bare/config.json");
  REQUIRE(bare.scheduler.empty());
  put("bare/scheduler_config.json", "{}");  // the first pipelines lie in one folder
  REQUIRE(find_diffusers_folder(dir / "bare").scheduler == dir / "bare/scheduler_config.json");

  put("pipe/model_index.json",
      R"({"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"],
          "scheduler": ["diffusers", "DDPMScheduler"]})");
  put("pipe/scheduler/scheduler_config.json", "{}");
  put("pipe/unet/config.json", "{}");
  const auto shards = R"({"weight_map": {"a": "s-1.safetensors", "b": "s-2.safetensors",
                                         "c": "s-1.safetensors"}})";
  put("pipe/unet/diffusion_pytorch_model.safetensors.index.json", shards);
  const auto pipe = find_diffusers_folder(dir / "pipe");
  REQUIRE(pipe.unet == dir / "pipe/unet/config.json");
  REQUIRE(pipe.scheduler == dir / "pipe/scheduler/scheduler_config.json");
  REQUIRE(pipe.weights == std::vector<std::string>{dir / "pipe/unet/s-1.safetensors",
                                                   dir / "pipe/unet/s-2.safetensors"});

  put("pipe/unet/diffusion_pytorch_model.safetensors.index.json",
      R"({"weight_map": {"a": "../../secret"}})");
  REQUIRE_THAT(said("pipe"), Contains("../../secret") && Contains("a file beside it"));
  put("pipe/model_index.json", R"({"unet": ["diffusers", "UNet2DModel"],
                                   "vqvae": ["diffusers", "VQModel"]})");
  REQUIRE_THAT(said("pipe"), Contains("vqvae") && Contains("VQModel"));
  REQUIRE_THAT(said("nowhere"), Contains("nowhere"));
  REQUIRE_THAT(refusal([&] { find_diffusers_folder(dir / "net.ckpt"); }),
               Contains("it is a pickle"));
}
