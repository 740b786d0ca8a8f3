#include "cli/fisher_maps.h"

#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/random.h"
#include "data/toy_distribution.h"
#include "io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/small_networks.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::set<std::string> written(const TemporaryDirectory& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.string())) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

void write(const TemporaryDirectory& folder, Denoiser* conditional, const MapSettings& settings) {
  auto law = find_toy("toy:lowrank").make();
  auto rng = make_generator(1, "test");
  const MapPanel panel = {law.sample(2, rng).view({2, 1, 8, 8}).to(torch::kFloat32), {"a", "b"}};
  write_fisher_maps(folder.string(), law, conditional, panel, settings, [](int64_t) {});
}

/// A model of three classes with random weights.
Model small_model_of_classes() {
  Model model;
  model.network = small_network("mlp", /*num_classes=*/3);
  model.recipe.preconditioning.sigma_data = 0.5;
  model.preconditioning = make_preconditioning(model.recipe.preconditioning);
  model.denoiser = std::make_unique<PreconditionedDenoiser>(*model.network, *model.preconditioning);
  return model;
}

}  // namespace

TEST_CASE("maps are written for every level with their errors", "[cli][maps]") {
  const TemporaryDirectory folder;
  write(folder, nullptr, {.levels = {0.5, 2}, .draws = 4, .seed = 7});
  REQUIRE(written(folder) == std::set<std::string>{"attention.png", "error.png", "fisher.png",
                                                   "fisher_obs.png", "information.safetensors",
                                                   "posterior_variance.png", "sensitivity.png",
                                                   "sigma_0.5000.safetensors",
                                                   "sigma_2.0000.safetensors"});
  const auto file = read_safetensors(folder / "sigma_2.0000.safetensors");
  REQUIRE(file.metadata == Metadata{{"draws", "4"}, {"seed", "7"}, {"sigma", "2"}});
  REQUIRE(file.tensors.size() == 10);
  for (const auto& [name, map] : file.tensors) {
    INFO(name);
    REQUIRE(map.sizes() == torch::IntArrayRef({2, 1, 8, 8}));
    REQUIRE(map.scalar_type() == torch::kFloat32);
    REQUIRE(map.isfinite().all().item<bool>());
  }
  // sigma^2 A_ii and 1 - A_ii of the same probes
  const auto sum = file.tensors.at("posterior_variance") / 4 + file.tensors.at("fisher_obs");
  REQUIRE(torch::allclose(sum, torch::ones_like(sum), 1e-5));
  REQUIRE(read_safetensors(folder / "information.safetensors").tensors.count("nll_se") == 1);
}

TEST_CASE("the class maps come with a conditional denoiser", "[cli][maps]") {
  const TemporaryDirectory folder;
  auto other = find_toy("toy:lowrank").make();
  write(folder, &other, {.levels = {0.5, 2}, .draws = 2});
  REQUIRE(written(folder).count("class.png") == 1);
  const auto file = read_safetensors(folder / "information.safetensors");
  // What knows no more than the denoiser itself has no class information.
  REQUIRE(file.tensors.at("class_information").abs().max().item<double>() == 0);
}

TEST_CASE("settings of maps out of range name the key", "[cli][maps][error]") {
  const TemporaryDirectory folder;
  REQUIRE_THROWS_WITH(write(folder, nullptr, {.draws = 1}), Contains("maps.draws: want"));
  const std::vector<std::vector<double>> bad = {{1}, {2, 1}, {0, 1}, {0.00001, 0.00002}, {}};
  for (const auto& levels : bad) {
    REQUIRE_THROWS_WITH(write(folder, nullptr, {.levels = levels}), Contains("maps.levels: want"));
  }
  REQUIRE(written(folder).empty());
}

TEST_CASE("the conditional denoiser gives each image its own class", "[cli][maps][property]") {
  auto model = small_model_of_classes();
  const torch::NoGradGuard no_grad;
  const auto labels = torch::tensor({2, 0}, torch::kInt64);
  auto rng = make_generator(2, "test");
  const auto x = torch::randn({2, 2, 8, 4}, rng, torch::kFloat64);
  const auto sigma = torch::ones({2}, torch::kFloat64);
  const auto together = conditional_denoiser(model, labels)->denoise(x, sigma);
  for (int64_t i = 0; i < 2; ++i) {
    PreconditionedDenoiser alone(*model.network, *model.preconditioning, labels.narrow(0, i, 1));
    const auto one = alone.denoise(x.narrow(0, i, 1), sigma.narrow(0, i, 1));
    REQUIRE(torch::allclose(together.narrow(0, i, 1), one, 1e-10, 1e-12));
  }
  REQUIRE_FALSE(torch::allclose(together, model.denoiser->denoise(x, sigma)));

  REQUIRE_THROWS_AS(conditional_denoiser(model, labels + 1), DataError);
  REQUIRE(conditional_denoiser(model, {}) == nullptr);
  model.recipe.training.label_dropout = 0;
  REQUIRE(conditional_denoiser(model, labels) == nullptr);
}
