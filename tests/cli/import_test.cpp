#include <cmath>
#include <nlohmann/json.hpp>

#include "data/toy_distribution.h"
#include "interop/diffusers_names.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/interop/diffusers_composition.h"
#include "tests/interop/diffusers_parameters.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The tensors under "weight." of a golden file of a UNet2DModel.
halcyon::TensorMap golden_weights(const testing::TensorMap& golden) {
  halcyon::TensorMap weights;
  for (const auto& [name, tensor] : golden) {
    if (name.rfind("weight.", 0) == 0) weights[name.substr(7)] = tensor;
  }
  return weights;
}

testing::TensorMap golden_file(const std::string& name) {
  return load_golden(std::string(HALCYON_GOLDEN_DIR) + "/" + name + ".safetensors");
}

nlohmann::json golden_config(const std::string& name) {
  return nlohmann::json::parse(slurp(std::string(HALCYON_GOLDEN_DIR) + "/" + name + ".json"));
}

/// A pipeline as save_pretrained leaves it; `shards` files of weights.
void write_pipeline(const std::string& folder, const std::string& name, size_t shards = 1) {
  make_directory(folder + "/unet");
  make_directory(folder + "/scheduler");
  spill(folder + "/model_index.json",
        R"({"_class_name": "DDIMPipeline", "scheduler": ["diffusers", "DDIMScheduler"],
            "unet": ["diffusers", "UNet2DModel"]})");
  spill(folder + "/scheduler/scheduler_config.json",
        R"({"_class_name": "DDIMScheduler", "beta_schedule": "linear", "clip_sample": false,
            "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02})");
  spill(folder + "/unet/config.json", golden_config(name).dump());
  const std::string stem = folder + "/unet/diffusion_pytorch_model";
  const auto weights = golden_weights(golden_file(name));
  if (shards == 1) {
    write_safetensors(stem + ".safetensors", weights, {{"format", "pt"}});
    return;
  }
  std::vector<halcyon::TensorMap> parts(shards);
  nlohmann::json index;
  for (const auto& [tensor, value] : weights) {
    const auto part = index["weight_map"].size() % shards;
    parts[part][tensor] = value;
    index["weight_map"][tensor] = "part-" + std::to_string(part) + ".safetensors";
  }
  for (size_t part = 0; part < shards; ++part) {
    write_safetensors(folder + "/unet/part-" + std::to_string(part) + ".safetensors", parts[part],
                      {{"format", "pt"}});
  }
  spill(stem + ".safetensors.index.json", index.dump());
}

halcyon::TensorMap denoised(const std::string& checkpoint, const halcyon::TensorMap& input,
                            const std::string& more = "") {
  const TemporaryDirectory dir;
  write_safetensors(dir / "in.safetensors", input, {});
  succeeds("denoise --run.threads 1 --checkpoint " + checkpoint + " --input " +
           dir / "in.safetensors" + " --out " + dir / "out.safetensors" + " " + more);
  return read_safetensors(dir / "out.safetensors").tensors;
}

double relative_error(const torch::Tensor& found, const torch::Tensor& wanted) {
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

/// alpha_bar of Ho et al. 2020 at whole timesteps.
torch::Tensor alpha_bar(const torch::Tensor& t) {
  const auto betas = torch::linspace(1e-4, 0.02, 1000, torch::kFloat64);
  return (1 - betas).cumprod(0).index({t}).view({-1, 1, 1, 1});
}

/// Questions for a golden network, at its timesteps.
halcyon::TensorMap questions(const testing::TensorMap& golden) {
  halcyon::TensorMap input = {{"x", golden.at("x")}, {"timestep", golden.at("t")}};
  if (golden.count("class_labels") > 0) input["label"] = golden.at("class_labels");
  return input;
}

/// Of NCSN++, small.
nlohmann::json ncsnpp_config() {
  return {{"_class_name", "UNet2DModel"},
          {"block_out_channels", {32, 64}},
          {"center_input_sample", true},
          {"down_block_types", {"SkipDownBlock2D", "AttnSkipDownBlock2D"}},
          {"in_channels", 3},
          {"layers_per_block", 1},
          {"mid_block_scale_factor", std::sqrt(2.0)},
          {"norm_eps", 1e-06},
          {"norm_num_groups", nullptr},
          {"out_channels", 3},
          {"sample_size", 8},
          {"time_embedding_type", "fourier"},
          {"up_block_types", {"AttnSkipUpBlock2D", "SkipUpBlock2D"}}};
}

/// Its files in one folder, as google/ncsnpp-celebahq-256 and its like have them.
halcyon::TensorMap write_ncsnpp(const std::string& folder) {
  make_directory(folder);
  halcyon::TensorMap weights;
  for (const auto& [name, sizes] : diffusers_parameters(ncsnpp_config())) {
    const bool factor = name.find("norm") != std::string::npos && name.back() == 't';
    weights[name] = factor ? torch::ones(sizes) : 0.2 * torch::randn(sizes);
  }
  spill(folder + "/config.json", ncsnpp_config().dump());
  spill(folder + "/scheduler_config.json",
        R"({"_class_name": "ScoreSdeVeScheduler", "sigma_max": 348, "sigma_min": 0.01,
            "snr": 0.17, "num_train_timesteps": 2000, "sampling_eps": 1e-05})");
  write_safetensors(folder + "/diffusion_pytorch_model.safetensors", weights, {{"format", "pt"}});
  return weights;
}

}  // namespace

TEST_CASE("an imported pipeline answers as it does in diffusers", "[cli][golden]") {
  const TemporaryDirectory dir;
  const auto [name, shards] = GENERATE(table<std::string, size_t>(
      {{"diffusers_unet", 1}, {"diffusers_unet", 3}, {"diffusers_class", 1}}));
  const auto golden = golden_file(name);
  write_pipeline(dir / "pipeline", name, shards);
  const auto said =
      succeeds("import --from diffusers " + dir / "pipeline" + " --out " + dir / "m.safetensors");
  REQUIRE_THAT(said, Contains("--sampler.name ddim --sampler.steps 50 --sampler.grid leading"));

  const auto at_time = denoised(dir / "m.safetensors", questions(golden), "--batch 1");
  const auto eps = golden.at("out_f64");
  REQUIRE(relative_error(at_time.at("raw"), eps) < 1e-5);
  const auto signal = alpha_bar(golden.at("t"));
  const auto x_t = golden.at("x").to(torch::kFloat64);
  const auto x0 = (x_t - (1 - signal).sqrt() * eps) / signal.sqrt();
  REQUIRE(relative_error(at_time.at("denoised"), x0) < 1e-5);
  REQUIRE(relative_error(at_time.at("score"), -eps / (1 - signal).sqrt()) < 1e-5);

  auto by_sigma = questions(golden);
  by_sigma.erase("timestep");
  by_sigma["x"] = x_t / signal.sqrt();
  by_sigma["sigma"] = ((1 - signal) / signal).sqrt().flatten();
  const auto at_sigma = denoised(dir / "m.safetensors", by_sigma);
  REQUIRE(at_sigma.at("denoised").scalar_type() == torch::kFloat64);
  REQUIRE(relative_error(at_sigma.at("denoised"), x0) < 1e-5);
  REQUIRE(relative_error(at_sigma.at("score"), -eps * (signal / (1 - signal)).sqrt()) < 1e-5);
}

TEST_CASE("an imported checkpoint is one of ours: inspected and sampled", "[cli][golden]") {
  const TemporaryDirectory dir;
  write_pipeline(dir / "pipeline", "diffusers_unet");
  succeeds("import --from diffusers " + dir / "pipeline" + " --out " + dir / "model");
  REQUIRE_THAT(succeeds("inspect " + dir / "model"),
               Contains("halcyon.origin = diffusers UNet2DModel, DDIMScheduler") &&
                   Contains("halcyon.sampler = --sampler.name ddim"));
  succeeds(
      "sample --run.threads 1 --count 2 --batch 2 --sampler.name ddim --sampler.steps 4 "
      "--sampler.grid leading --checkpoint " +
      dir / "model" + " --out " + dir / "samples.safetensors");
  const auto images = read_safetensors(dir / "samples.safetensors").tensors.at("samples");
  REQUIRE(images.sizes() == torch::IntArrayRef({2, 3, 16, 16}));
  REQUIRE(images.isfinite().all().item<bool>());
}

TEST_CASE("export writes the pipeline that was imported", "[cli][golden][roundtrip]") {
  const TemporaryDirectory dir;
  const std::string name = GENERATE("diffusers_unet", "diffusers_class");
  const auto golden = golden_file(name);
  write_pipeline(dir / "in", name);
  succeeds("import --from diffusers " + dir / "in" + " --out " + dir / "a.safetensors");
  succeeds("export --to diffusers --checkpoint " + dir / "a.safetensors" + " --out " + dir / "out");
  succeeds("import --from diffusers " + dir / "out" + " --out " + dir / "b.safetensors");

  const auto written = read_safetensors(dir / "out/unet/diffusion_pytorch_model.safetensors");
  REQUIRE(written.metadata.at("format") == "pt");
  const auto wanted = golden_weights(golden);
  REQUIRE(written.tensors.size() == wanted.size());
  for (const auto& [tensor, value] : wanted) {
    CAPTURE(tensor);
    REQUIRE(torch::equal(written.tensors.at(tensor), value));
  }
  auto config = nlohmann::json::parse(slurp(dir / "out/unet/config.json"));
  auto original = golden_config(name);
  config.erase("_diffusers_version");
  original.erase("_diffusers_version");
  REQUIRE(config == original);
  const auto index = nlohmann::json::parse(slurp(dir / "out/model_index.json"));
  REQUIRE(index.at("unet").at(1) == "UNet2DModel");
  const auto first = denoised(dir / "a.safetensors", questions(golden));
  const auto second = denoised(dir / "b.safetensors", questions(golden));
  for (const auto& [tensor, value] : first) REQUIRE(torch::equal(second.at(tensor), value));

  REQUIRE_THAT(refused("export --to diffusers --checkpoint " + dir / "a.safetensors" + " --out " +
                       dir / "out"),
               Contains("it is there already"));
}

TEST_CASE("Python reads an exported pipeline", "[cli]") {
  if (std::system("python3 -c 'import safetensors.numpy' 2>/dev/null") != 0) {
    WARN("skipped: no python3-safetensors here");
    return;
  }
  const TemporaryDirectory dir;
  write_pipeline(dir / "in", "diffusers_unet");
  succeeds("import --from diffusers " + dir / "in" + " --out " + dir / "a.safetensors");
  succeeds("export --to diffusers --checkpoint " + dir / "a.safetensors" + " --out " + dir / "out");
  const auto file = dir / "out/unet/diffusion_pytorch_model.safetensors";
  const auto program = "python3 -c \"from safetensors.numpy import load_file as f; t = f('" + file +
                       "'); assert sum(v.size for v in t.values()) == 177427\"";
  REQUIRE(std::system(program.c_str()) == 0);
}

TEST_CASE("any network comes in by a map of names", "[cli][golden]") {
  const TemporaryDirectory dir;
  write_pipeline(dir / "pipeline", "diffusers_unet");
  succeeds("import --from diffusers " + dir / "pipeline" + " --out " + dir / "a.safetensors");
  std::string map = "# theirs, ours\n";
  for (const auto& [ours, tensor] : read_safetensors(dir / "a.safetensors").tensors) {
    map += diffusers_names(ours).front() + "," + ours + "\n";
  }
  spill(dir / "map.csv", map);
  spill(dir / "recipe.ini",
        "[data]\nchannels = 3\nsize = 16\n[preconditioning]\nname = epsilon\n[model.unet]\n"
        "channels = 16\nchannel_mult = 1,2\nblocks = 1\nattention_resolutions = 8\n"
        "norm_groups = 8\n");
  const auto weights = dir / "pipeline/unet/diffusion_pytorch_model.safetensors";
  const auto import = "import --from safetensors " + weights + " --config " + dir / "recipe.ini" +
                      " --out " + dir / "b.safetensors";
  REQUIRE_THAT(refused(import), Contains("missing (1") && Contains("left over (1") &&
                                    Contains("conv_norm_out.weight"));
  succeeds(import + " --map " + dir / "map.csv");
  const auto golden = golden_file("diffusers_unet");
  REQUIRE(torch::equal(denoised(dir / "a.safetensors", questions(golden)).at("raw"),
                       denoised(dir / "b.safetensors", questions(golden)).at("raw")));
  REQUIRE_THAT(refused("import --from safetensors net.pt --config c.ini --out x.safetensors"),
               Contains("net.pt: it is a pickle") && Contains("weights_only=True"));
  REQUIRE_THAT(refused("import --from diffuser x --out y"), Contains("'diffusers'"));
}

TEST_CASE("exact denoisers are asked by sigma, and have nothing raw", "[cli][oracle]") {
  auto toy = find_toy("toy:mixture").make();
  const auto x = torch::randn({5, 1, 4, 4}, torch::kFloat64);
  const auto sigma = torch::tensor({0.1, 0.5, 1.0, 3.0, 20.0}, torch::kFloat64);
  const auto found = denoised("toy:mixture", {{"x", x}, {"sigma", sigma}}, "--batch 2");
  REQUIRE(relative_error(found.at("denoised"), toy.denoise(x, sigma)) < 1e-12);
  REQUIRE(relative_error(found.at("score"), score(toy, x, sigma)) < 1e-12);
  REQUIRE(found.count("raw") == 0);

  const TemporaryDirectory dir;
  const auto said = [&](const halcyon::TensorMap& input) {
    write_safetensors(dir / "in.safetensors", input, {});
    return refused("denoise --checkpoint toy:mixture --input " + dir / "in.safetensors" +
                   " --out " + dir / "out.safetensors");
  };
  REQUIRE_THAT(said({{"x", x}, {"timestep", sigma}}), Contains("no timesteps"));
  REQUIRE_THAT(said({{"x", x}}), Contains("sigma: want it or timestep, got nothing"));
  REQUIRE_THAT(said({{"x", x}, {"sigma", -sigma}}), Contains("in.safetensors: sigma"));
  REQUIRE_THAT(said({{"x", x}, {"sigma", sigma.slice(0, 1)}}), Contains("[5] finite numbers"));
  REQUIRE_THAT(said({{"x", x.slice(2, 1)}, {"sigma", sigma}}), Contains("[N, 1, 4, 4]"));
  REQUIRE_THAT(said({{"x", x}, {"sigma", sigma}, {"label", torch::zeros({5}, torch::kInt64)}}),
               Contains("no classes"));
  REQUIRE_FALSE(std::filesystem::exists(dir / "out.safetensors"));
}

TEST_CASE("NCSN++ comes in and answers as its composition does and goes back bit for bit",
          "[cli][oracle][roundtrip]") {
  const TemporaryDirectory dir;
  const auto weights = write_ncsnpp(dir / "in");
  const auto said =
      succeeds("import --from diffusers " + dir / "in" + " --out " + dir / "a.safetensors");
  REQUIRE_THAT(said, Contains("--sampler.name pc --sampler.steps 2000 --sampler.grid geometric "
                              "--sampler.pc.snr 0.17"));

  // x = 2 x_u - 1, and the composition's D_u = x_u + sigma_u^2 score.
  const auto u = torch::randn({3, 3, 8, 8}, torch::kFloat64);
  const auto sigma = torch::tensor({0.02, 2.0, 200.0}, torch::kFloat64);
  const auto column = sigma.view({-1, 1, 1, 1});
  auto in_double = weights;
  for (auto& [name, tensor] : in_double) tensor = tensor.to(torch::kFloat64);
  const auto score = DiffusersComposition(ncsnpp_config(), in_double)(u, sigma);
  const halcyon::TensorMap input = {{"x", 2 * u - 1}, {"sigma", 2 * sigma}};
  const auto first = denoised(dir / "a.safetensors", input);
  const auto wanted = 2 * (u + column.square() * score) - 1;
  for (int64_t k = 0; k < 3; ++k) {
    REQUIRE(relative_error(first.at("denoised")[k], wanted[k]) < 1e-5);
    REQUIRE(relative_error(first.at("score")[k], score[k] / 2) < 1e-4);
  }

  succeeds("export --to diffusers --checkpoint " + dir / "a.safetensors" + " --out " + dir / "out");
  succeeds("import --from diffusers " + dir / "out" + " --out " + dir / "b.safetensors");
  const auto written = read_safetensors(dir / "out/unet/diffusion_pytorch_model.safetensors");
  REQUIRE(written.tensors.size() == weights.size());
  for (const auto& [name, value] : weights) {
    CAPTURE(name);
    REQUIRE(torch::equal(written.tensors.at(name), value));
  }
  const auto index = nlohmann::json::parse(slurp(dir / "out/model_index.json"));
  REQUIRE(index.at("_class_name") == "ScoreSdeVePipeline");
  REQUIRE(index.at("scheduler").at(1) == "ScoreSdeVeScheduler");
  const auto second = denoised(dir / "b.safetensors", input);
  for (const auto& [name, value] : first) REQUIRE(torch::equal(second.at(name), value));
}

TEST_CASE("an imported NCSN++ is sampled and trained on", "[cli]") {
  const TemporaryDirectory dir;
  write_ncsnpp(dir / "in");
  succeeds("import --from diffusers " + dir / "in" + " --out " + dir / "a.safetensors");
  succeeds(
      "sample --run.threads 1 --count 2 --batch 2 --sampler.name pc --sampler.steps 3 "
      "--sampler.grid geometric --checkpoint " +
      dir / "a.safetensors" + " --out " + dir / "samples.safetensors");
  const auto images = read_safetensors(dir / "samples.safetensors").tensors.at("samples");
  REQUIRE(images.isfinite().all().item<bool>());
  refused("import --from diffusers " + dir / "in" + " --preconditioning.name score --out " +
          dir / "b.safetensors");
  std::filesystem::remove(dir / "in/scheduler_config.json");
  REQUIRE_THAT(refused("import --from diffusers " + dir / "in" + " --out " + dir / "b.safetensors"),
               Contains("time_embedding_type is \"fourier\": want a ScoreSdeVeScheduler"));
  succeeds("import --from diffusers " + dir / "in" + " --preconditioning.name score --out " +
           dir / "b.safetensors");
  auto config = ncsnpp_config();
  config["time_embedding_type"] = "positional";
  spill(dir / "in/config.json", config.dump());
  spill(dir / "in/scheduler_config.json", R"({"_class_name": "ScoreSdeVeScheduler"})");
  REQUIRE_THAT(refused("import --from diffusers " + dir / "in" + " --out " + dir / "b.safetensors"),
               Contains("ScoreSdeVeScheduler") && Contains("want time_embedding_type \"fourier\""));
}

TEST_CASE("clip_sample comes along as the key that clamps", "[cli]") {
  const TemporaryDirectory dir;
  write_pipeline(dir / "in", "diffusers_unet");
  spill(dir / "in/scheduler/scheduler_config.json",
        R"({"_class_name": "DDPMScheduler", "clip_sample": true, "clip_sample_range": 0.5})");
  const auto said =
      succeeds("import --from diffusers " + dir / "in" + " --out " + dir / "a.safetensors");
  REQUIRE_THAT(said, Contains("--sampler.grid leading --clamp.limit 0.5"));
  REQUIRE_THAT(succeeds("inspect " + dir / "a.safetensors"), Contains("--clamp.limit 0.5"));
  // The keys are those of `halcyon sample`.
  succeeds(
      "sample --run.threads 1 --count 2 --batch 2 --sampler.name ddpm --sampler.steps 4 "
      "--sampler.grid leading --clamp.limit 0.5 --checkpoint " +
      dir / "a.safetensors" + " --out " + dir / "samples.safetensors");
  const auto images = read_safetensors(dir / "samples.safetensors").tensors.at("samples");
  REQUIRE(images.abs().max().item<double>() <= 0.5 + 1e-6);
}

TEST_CASE("a full-size folder of google/ddpm-cifar10-32 comes in", "[cli][slow]") {
  const TemporaryDirectory dir;
  const auto config = cifar_config();
  halcyon::TensorMap weights;
  for (const auto& [name, sizes] : diffusers_parameters(config)) {
    weights[name] = 0.02 * torch::randn(sizes);
  }
  spill(dir / "config.json", config.dump());
  spill(dir / "scheduler_config.json",
        R"({"_class_name": "DDPMScheduler", "beta_end": 0.02, "beta_schedule": "linear",
            "beta_start": 0.0001, "clip_sample": true, "num_train_timesteps": 1000,
            "timestep_values": null, "trained_betas": null, "variance_type": "fixed_small"})");
  write_safetensors(dir / "diffusion_pytorch_model.safetensors", weights, {{"format", "pt"}});
  const auto said =
      succeeds("import --from diffusers " + dir.string() + " --out " + dir / "m.safetensors");
  REQUIRE_THAT(said, Contains("35746307 parameters on images of 3x32x32"));
  REQUIRE_THAT(said, Contains("--sampler.name ddpm --sampler.steps 1000 --sampler.grid leading"));
  const auto answer = denoised(dir / "m.safetensors", {{"x", torch::randn({1, 3, 32, 32})},
                                                       {"timestep", torch::tensor({500})}});
  REQUIRE(answer.at("raw").isfinite().all().item<bool>());
}
