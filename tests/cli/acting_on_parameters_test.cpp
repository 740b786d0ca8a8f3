#include <filesystem>
#include <sstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/curvature_file.h"
#include "core/random.h"
#include "io/csv_reader.h"
#include "io/image_grid.h"
#include "io/safetensors.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;
namespace fs = std::filesystem;

namespace {

void train(const std::string& dir, const std::string& more = "") {
  succeeds(
      "train --run.threads 1 --data.path toy:mixture --data.limit 300 --model.name mlp "
      "--model.mlp.depth 2 --training.steps 60 --training.batch 32 --optimizer.warmup_steps 0 "
      "--run.sample_every 0 --run.fisher_every 0 --run.dir " +
      dir + (more.find("width") == more.npos ? " --model.mlp.width 16 " : " ") + more);
}

std::string curvature(const std::string& dir, const std::string& kind) {
  succeeds(
      "fisher --space parameters --only curvature --run.threads 1 --parameters.bands 2 "
      "--parameters.draws 16 --parameters.images 16 --parameters.curvature " +
      kind + " --checkpoint " + dir + " --out " + dir + "/" + kind);
  return dir + "/" + kind + "/curvature.safetensors";
}

torch::Tensor theta_of(const std::string& checkpoint) {
  const auto model = load_model(checkpoint);
  const ParameterSpace space(*model.network);
  return space.flat(space.parameters()).detach().to(torch::kFloat64);
}

Curvature curvature_of(const std::string& checkpoint, const std::string& file) {
  const auto model = load_model(checkpoint);
  return read_curvature(file, ParameterSpace(*model.network)).to(torch::kFloat64);
}

/// The number after `label` in a text.
double number_after(const std::string& text, const std::string& label) {
  const auto at = text.find(label);
  INFO(text);
  REQUIRE(at != text.npos);
  return std::stod(text.substr(at + label.size()));
}

}  // namespace

TEST_CASE("a Fisher merge costs its parents least, and is a checkpoint like them", "[cli]") {
  const auto kind = GENERATE(as<std::string>(), "diagonal", "ekfac");
  const TemporaryDirectory dir;
  const auto a = dir / "a", b = dir / "b";
  train(a);
  train(b, "--run.seed 1 --training.init " + a);
  const auto fisher_a = curvature(a, kind), fisher_b = curvature(b, kind);
  const auto merge = "merge " + a + " " + b + " --run.threads 1 --images 64 --bands 2 ";
  const auto text = succeeds(merge + "--curvature " + fisher_a + "," + fisher_b + " --out " +
                             dir / "fisher.safetensors");
  CHECK_THAT(text, Contains("uniform merge") && Contains("Fisher merge") &&
                       Contains("on the data of " + b));
  succeeds(merge + "--weights uniform --out " + dir / "uniform.safetensors");

  const auto at_a = theta_of(a), at_b = theta_of(b);
  const auto uniform = theta_of(dir / "uniform.safetensors");
  CHECK(relative_error(uniform, (at_a + at_b) / 2) < 1e-6);
  const auto of_a = curvature_of(a, fisher_a), of_b = curvature_of(b, fisher_b);
  const auto cost = [&](const torch::Tensor& theta) {
    return ((theta - at_a).dot(of_a.matvec(theta - at_a)) +
            (theta - at_b).dot(of_b.matvec(theta - at_b)))
        .item<double>();
  };
  CHECK(cost(theta_of(dir / "fisher.safetensors")) < 0.99 * cost(uniform));
  succeeds("sample --count 2 --sampler.steps 3 --checkpoint " + dir / "fisher.safetensors" +
           " --out " + dir / "samples");
}

TEST_CASE("merges of what does not fit are refused by name", "[cli][error]") {
  const TemporaryDirectory dir;
  train(dir / "a");
  train(dir / "wide", "--model.mlp.width 24");
  train(dir / "other", "--preconditioning.sigma_data 0.3");
  const auto with = [&](const std::string& rest) {
    return "merge " + dir / "a" + " " + rest + " --out " + dir / "m.safetensors";
  };
  refuses(with(dir / "wide" + " --weights uniform"), {"wide", "want Float [32], got Float [48]"});
  refuses(with(dir / "other" + " --weights uniform"), {"preconditioning.sigma_data", "0.3"});
  refuses(with(dir / "a"), {"--curvature", "2 files"});
  refuses(with(dir / "a" + " --weights uniform --shares 1"), {"--shares", "2 numbers"});
  refuses(with(dir / "a" + " --weights uniform --shares 1,-1"), {"--shares", "> 0"});
  refuses(with("toy:mixture --weights uniform"), {"toy:mixture", "a trained network"});
  refuses("merge " + dir / "a" + " --out x", {"command line", "two checkpoints"});
  CHECK_FALSE(fs::exists(dir / "m.safetensors"));
}

TEST_CASE("a Fisher matrix of other weights, or of another likelihood, is refused",
          "[cli][error]") {
  const TemporaryDirectory dir;
  train(dir / "a");
  train(dir / "b", "--run.seed 9");
  const auto a = curvature(dir / "a", "diagonal"), b = curvature(dir / "b", "diagonal");
  const std::initializer_list<std::string> other = {b, "other weights", dir / "b"};
  refuses("prune --checkpoint " + dir / "a" + " --curvature " + b + " --out " + dir / "p", other);
  refuses("uncertainty --checkpoint " + dir / "a" + " --curvature " + b + " --out " + dir / "u",
          other);
  refuses("influence --checkpoint " + dir / "a" + " --curvature " + b + " --out " + dir / "i",
          other);
  const auto merge = "merge " + dir / "a" + " " + dir / "b" + " --images 0 --out " + dir / "m";
  refuses(merge + " --curvature " + b + "," + a, other);
  const auto ewc = "train --data.path toy:mixture --run.dir " + dir / "run" + " --training.init " +
                   dir / "a" + " --ewc.checkpoint " + dir / "a" + " --ewc.curvature ";
  refuses(ewc + b, other);

  succeeds(
      "fisher --space parameters --only curvature --run.threads 1 --parameters.bands 2 "
      "--parameters.weighting likelihood --parameters.draws 2 --parameters.images 16 "
      "--parameters.curvature diagonal --checkpoint " +
      dir / "a" + " --out " + dir / "likelihood");
  const auto likelihood = dir / "likelihood/curvature.safetensors";
  refuses(ewc + likelihood, {likelihood, "weighting"});
  refuses(merge + " --curvature " + likelihood + "," + b, {"--curvature", "one weighting"});
  refuses(ewc + a + " --optimizer.name ekfac", {"ewc.checkpoint", "ekfac"});
}

TEST_CASE("pruning zeroes the share asked for, and by its own count at the least cost", "[cli]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  train(run);
  const auto file = curvature(run, "diagonal");
  const auto prune = [&](const std::string& kind) {
    const auto out = dir / kind + ".safetensors";
    const auto text = succeeds("prune --share 0.2 --images 0 --checkpoint " + run +
                               " --curvature " + file + " --kind " + kind + " --out " + out);
    const auto zeros = (theta_of(out) == 0).sum().item<int64_t>();
    const auto before = (theta_of(run) == 0).sum().item<int64_t>();
    const double removed = number_after(text, "): ");
    CHECK(static_cast<double>(zeros - before) == removed);
    const double all = number_after(text, " of ");
    CHECK(removed <= 0.2 * all);
    CHECK(removed > 0.15 * all);
    return number_after(text, "foretold: ");
  };
  const double best = prune("unstructured");
  CHECK(best > 0);
  CHECK(best < 0.9 * prune("magnitude"));
  CHECK(best < prune("structured"));

  const auto text = succeeds("prune --share 0.2 --images 256 --checkpoint " + run +
                             " --curvature " + file + " --run.threads 1 --out " + dir / "measured");
  CHECK_THAT(text, Contains("foretold") && Contains("eps mse after"));
  CHECK(fs::exists(dir / "measured/ema.safetensors"));

  const auto asked = "prune --out " + dir / "none.safetensors" + " --checkpoint ";
  refuses(asked + run, {"--curvature", "file of `halcyon fisher"});
  refuses(asked + run + " --share 1 --curvature " + file, {"--share", "(0, 1)"});
  const auto measured = asked + run + " --curvature " + file;
  refuses(measured + " --images 15", {"--images", "2 for each of 8 bands", "15"});
  refuses(measured + " --data.path " + dir / "nowhere", {"data.path", "nowhere"});
  refuses("prune --checkpoint " + run + " --curvature " + file + " --out " + run,
          {"--out", run, "into a run"});
  for (const std::string name : {"", "/new.safetensors"}) {
    refuses("prune --checkpoint " + run + " --curvature " + file + " --out " + run +
                "/checkpoints/step-00000060" + name,
            {"--out", run, "into a run"});
  }
  refuses(asked + "toy:mixture --curvature " + file, {"toy:mixture", "a trained network"});
  refuses(asked + run + " --curvature " + run + "/checkpoints/step-00000060/ema.safetensors",
          {"ema.safetensors", "want a file of curvature"});
  CHECK_FALSE(fs::exists(dir / "none.safetensors"));
}

TEST_CASE("uncertainty is of the samples that `sample` draws, and goes as the prior grows",
          "[cli]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  train(run);
  const auto file = curvature(run, "kfac");
  const auto ask =
      "uncertainty --count 3 --draws 5 --run.threads 1 --sampler.steps 5 "
      "--checkpoint " +
      run + " --curvature " + file;
  const auto text = succeeds(ask + " --out " + dir / "wide");
  // Of so few images and steps a draw is far away, and that is said.
  const std::string beyond = "beyond where the quadratic form holds";
  CHECK_THAT(text, Contains(beyond));
  CHECK(number_after(text, "step 60): ") == 300);
  const auto wide = read_safetensors(dir / "wide/uncertainty.safetensors").tensors;
  succeeds(
      "sample --count 3 --tensors --precision fp32 --run.threads 1 --sampler.steps 5 "
      "--checkpoint " +
      run + " --out " + dir / "samples");
  const auto samples = read_safetensors(dir / "samples/samples.safetensors").tensors.at("samples");
  CHECK(relative_error(wide.at("sample"), samples.to(torch::kFloat64)) < 1e-5);
  const auto sd = [](const TensorMap& found) {
    return found.at("standard_deviation").square().mean().sqrt().item<double>();
  };
  CHECK(sd(wide) > 0);
  const auto table = read_csv(dir / "wide/uncertainty.csv");
  const auto spread = column_numbers(table, "standard_deviation");
  REQUIRE(spread.size() == 3);
  const auto first = wide.at("standard_deviation")[0].to(torch::kFloat64);
  CHECK_THAT(spread[0], WithinRel(first.square().mean().sqrt().item<double>(), 1e-5));
  CHECK(fs::exists(dir / "wide/uncertainty.png"));

  // (N F + p)^-1/2 -> p^-1/2.
  CHECK_THAT(succeeds(ask + " --prior 1e10 --out " + dir / "sure"), !Contains(beyond));
  CHECK(sd(read_safetensors(dir / "sure/uncertainty.safetensors").tensors) < 1e-3 * sd(wide));
  const auto last = succeeds(ask + " --layers last --images 50 --out " + dir / "last");
  CHECK(number_after(last, "step 60): ") == 50);
  CHECK(number_after(last, " determine ") < number_after(text, " determine "));
  refuses(ask + " --draws 2", {"--draws", ">= 3"});
}

TEST_CASE("a training image owes most to itself", "[cli]") {
  constexpr int64_t kImages = 24;
  const TemporaryDirectory dir;
  const auto run = dir / "run", images = dir / "images";
  fs::create_directory(images);
  auto rng = make_generator(1, "images");
  for (int64_t i = 0; i < kImages; ++i) {
    write_png(images + "/" + std::to_string(100 + i) + ".png",
              torch::randint(256, {1, 6, 6}, rng, torch::kUInt8));
  }
  train(run, "--data.limit 0 --data.path " + images);
  const auto file = curvature(run, "ekfac");
  const auto ask = "influence --run.threads 1 --checkpoint " + run + " --curvature " + file;
  const auto text =
      succeeds(ask + " --input " + images + " --count 4 --draws 32 --out " + dir / "own");
  CHECK_THAT(text, Contains("24 of 24 training images") && Contains("rank by pixels"));
  const auto table = read_csv(dir / "own/influence.csv");
  REQUIRE(table.rows.size() == 4 * kImages);
  const auto sample = column_numbers(table, "sample"), rank = column_numbers(table, "rank");
  const auto image = column_numbers(table, "training_image");
  const auto distance = column_numbers(table, "pixel_distance");
  for (size_t i = 0; i < table.rows.size(); ++i) {
    INFO("sample " << sample[i] << ", image " << image[i] << ", rank " << rank[i]);
    CHECK((distance[i] == 0) == (sample[i] == image[i]));
    if (sample[i] == image[i]) CHECK(rank[i] == 1);
  }
  CHECK(fs::exists(dir / "own/influence.png"));

  succeeds(ask + " --count 2 --images 20 --sampler.steps 3 --out " + dir / "drawn");
  CHECK(read_csv(dir / "drawn/influence.csv").rows.size() == 40);
  refuses(ask + " --ridge 0", {"--ridge", "> 0"});
  refuses(ask + " --input " + dir / "none", {"none", ""});
}
