#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/registry.h"
#include "data/toy_distribution.h"
#include "io/safetensors.h"
#include "io/video.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The images of `halcyon sample`, and what its summary says.
struct Sampled {
  torch::Tensor images;
  nlohmann::json summary;
};

Sampled sampled(const TemporaryDirectory& dir, const std::string& arguments) {
  succeeds("sample --run.threads 1 --out " + dir / "x.safetensors " + arguments);
  return {read_safetensors(dir / "x.safetensors").tensors.at("samples"),
          nlohmann::json::parse(slurp(dir / "x.json"))};
}

/// A network of two classes, black and white images, that has learnt which is which.
std::string two_class_run(const TemporaryDirectory& dir, const std::string& more = "") {
  for (const std::string folder : {"images/black", "images/white"}) {
    std::filesystem::create_directories(dir / folder);
    for (const std::string name : {"a", "b", "c", "d"}) {
      const cv::Mat image(4, 4, CV_8UC1, cv::Scalar(folder == "images/white" ? 250 : 5));
      cv::imwrite(dir / (folder + "/" + name + ".png"), image);
    }
  }
  succeeds(
      "train --data.labels --model.name mlp --model.mlp.width 8 --model.mlp.depth 1 "
      "--training.batch 32 --training.steps 1000 --optimizer.learning_rate 5e-3 "
      "--optimizer.warmup_steps 20 --optimizer.decay cosine --ema.halflife_images 1000 "
      "--loss.p_mean 1 --loss.p_std 1.5 --run.sample_every 0 --run.fisher_every 0 --run.threads 1 "
      "--data.path " +
      dir / "images" + " --run.dir " + dir / "run " + more);
  return dir / "run";
}

double largest(const torch::Tensor& difference) { return difference.abs().max().item<double>(); }

}  // namespace

TEST_CASE("a model guided by itself is itself, at two evaluations a level", "[cli][oracle]") {
  const TemporaryDirectory dir;
  const std::string line = "--checkpoint toy:gaussian --count 3 --sampler.steps 8 ";
  const auto plain = sampled(dir, line);
  const auto guided = sampled(dir, line + "--guidance.checkpoint toy:gaussian --guidance.weight 4");
  REQUIRE(largest(guided.images - plain.images) < 1e-5);
  REQUIRE(plain.summary["nfe"] == 15);
  REQUIRE(guided.summary["nfe"] == 30);
  REQUIRE(guided.summary["guidance"]["weight"] == 4);
  const auto clamped = sampled(
      dir, line + "--guidance.checkpoint toy:gaussian --guidance.weight 4 --clamp.limit 0.1");
  REQUIRE(largest(clamped.images) < 0.1 + 1e-6);
}

TEST_CASE("classifier-free guidance acts in its interval and is counted there", "[cli]") {
  const TemporaryDirectory dir;
  const auto any =
      "--count 4 --sampler.name euler --sampler.steps 8 --checkpoint " + two_class_run(dir);
  const auto line = any + " --class 1 ";
  const auto plain = sampled(dir, line);
  REQUIRE(torch::equal(sampled(dir, any + " --label 1").images, plain.images));
  const auto by_itself =
      sampled(dir, line + "--guidance.weight 3 --guidance.checkpoint " + dir / "run");
  REQUIRE(largest(by_itself.images - plain.images) < 1e-4);  // of the same class
  const auto guided = sampled(dir, line + "--guidance.weight 3");
  REQUIRE(largest(guided.images - plain.images) > 0.1);
  REQUIRE(guided.summary["nfe"] == 16);
  const auto half = sampled(dir, line + "--guidance.weight 3 --guidance.low 1 --guidance.high 10");
  REQUIRE(half.summary["nfe"].get<int>() > 8);
  REQUIRE(half.summary["nfe"].get<int>() < 16);
  const auto nowhere = sampled(dir, line + "--guidance.weight 3 --guidance.low 1000");
  REQUIRE(nowhere.summary["nfe"] == 8);
  REQUIRE(largest(nowhere.images - plain.images) < 1e-5);
}

TEST_CASE("one step from noise draws the denoisers of the class, of none, and what guides between",
          "[cli][oracle]") {
  // From sigma = 80 the noise tells nothing: D is the mean of the class, white, or of all, grey.
  const TemporaryDirectory dir;
  const auto line =
      "--count 4 --sampler.name euler --sampler.steps 1 --precision fp32 "
      "--checkpoint " +
      two_class_run(dir) + " --class 1 --guidance.weight ";
  const auto strong = sampled(dir, line + "1").images;
  const auto weak = sampled(dir, line + "0").images;
  REQUIRE_THAT(strong.mean().item<double>(), WithinAbs(250 / 127.5 - 1, 0.1));
  REQUIRE_THAT(weak.mean().item<double>(), WithinAbs(0, 0.1));
  for (const double weight : {-1.5, 0.5, 3.0}) {
    CAPTURE(weight);
    const auto guided = sampled(dir, line + std::to_string(weight)).images;
    REQUIRE(largest(guided - (weak + weight * (strong - weak))) < 2e-4);  // of 80 n in float32
  }
}

TEST_CASE("what is hidden is drawn of the class that is asked for", "[cli][restore]") {
  const TemporaryDirectory dir;
  const auto line = "restore --images 2 --samples 1 --method ddrm --sampler.steps 8 --noise 5 " +
                    ("--run.threads 1 --out " + dir / "r") + " --checkpoint " + two_class_run(dir) +
                    " --class ";
  const auto brightness = [&](const std::string& label) {
    succeeds(line + label);
    const auto drawn = read_safetensors(dir / "r/restored.safetensors").tensors.at("samples");
    return drawn.mean().item<double>();
  };
  REQUIRE(brightness("0") < -0.5);
  REQUIRE(brightness("1") > 0.5);
  const double far = (250 - 5) / 2.0 / 127.5;
  const auto json = nlohmann::json::parse(slurp(dir / "r/restore.json"));
  REQUIRE_THAT(json["data_variance"].get<double>(), WithinRel(far * far, 1e-3));
  refuses(line + "2", {"--class", "0 .. 1"});
}

TEST_CASE("guidance without anything to be guided by is refused", "[cli][error]") {
  const TemporaryDirectory dir;
  const std::string toy = "sample --checkpoint toy:mixture --out " + dir / "s ";
  refuses(toy + "--guidance.weight 2", {"guidance.weight", "--class"});
  refuses(toy + "--class 1", {"--class", "no classes", "toy:mixture"});
  refuses(toy + "--guidance.weight 2 --guidance.checkpoint toy:gaussian",
          {"guidance.checkpoint", "toy:gaussian", "1x4x4"});
  refuses(toy + "--guidance.checkpoint toy:mixture", {"guidance.checkpoint", "guidance.weight"});
  for (const std::string key : {"guidance.low", "guidance.high", "guidance.rescale"}) {
    refuses(toy + "--" + key + " 0.5", {key, "guidance.weight"});
  }
  refuses(toy + "--guidance.weights raw", {"guidance.weights", "guidance.checkpoint"});
  const auto run = two_class_run(dir, "--training.label_dropout 0");
  const auto line = "sample --guidance.weight 2 --out " + dir / "s --checkpoint " + run;
  refuses(line, {"--class"});
  refuses(line + " --class 2", {"--class", "0 .. 1"});
  refuses(line + " --class 1", {"training.label_dropout"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "s"));
}

TEST_CASE("clamped images keep to the limit, whose keys are refused where they make no sense",
          "[cli]") {
  const TemporaryDirectory dir;
  const std::string line =
      "--checkpoint toy:gaussian --count 8 --sampler.name ddpm "
      "--sampler.steps 20 ";
  const auto free = sampled(dir, line);
  const auto clamped = sampled(dir, line + "--clamp.limit 0.4");
  const auto shrunk = sampled(dir, line + "--clamp.limit 0.4 --clamp.quantile 0.5");
  REQUIRE(largest(free.images) > 0.8);
  REQUIRE_THAT(largest(clamped.images), WithinAbs(0.4, 1e-6));
  REQUIRE_THAT(largest(shrunk.images), WithinAbs(0.4, 1e-6));
  REQUIRE(largest(clamped.images - shrunk.images) > 0.01);
  REQUIRE(clamped.summary["clamp"]["limit"] == 0.4);
  const std::string toy = "sample --checkpoint toy:mixture --out " + dir / "s ";
  refuses(toy + "--clamp.quantile 0.9", {"clamp.limit", "> 0"});
  refuses(toy + "--clamp.limit 1 --clamp.quantile 2", {"clamp.quantile", "2"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "s"));
}

TEST_CASE("without the step to sigma 0 an image keeps the noise of the lowest level", "[cli]") {
  const TemporaryDirectory dir;
  const auto noisy = sampled(dir,
                             "--checkpoint toy:gaussian --count 2000 --sampler.name dpmpp_2m "
                             "--sampler.steps 9 --sampler.sigma_min 0.5 --sampler.denoise false");
  REQUIRE(noisy.summary["nfe"] == 8);
  REQUIRE(noisy.summary["steps"] == 9);
  REQUIRE(noisy.summary["denoise"] == false);
  REQUIRE_THAT(noisy.summary["sigma_min"].get<double>(), WithinRel(0.5, 1e-9));
  const auto variance = find_toy("toy:gaussian").make().variances() + 0.25;
  REQUIRE(largest(noisy.images.flatten(1).var(0) / variance - 1) < 0.2);
  refuses(
      "sample --checkpoint toy:gaussian --sampler.denoise false --start.image toy:gaussian "
      "--start.sigma 0.002 --out " +
          dir / "s",
      {"start.sigma", "above the last"});
}

TEST_CASE("images drawn from a start have the law of closed form", "[cli][oracle][statistical]") {
  const TemporaryDirectory dir;
  const double start = 0.8;
  const auto x0 = load_image_set({.path = "toy:gaussian", .limit = 2}).images.flatten(1);
  const auto drawn = sampled(dir,
                             "--checkpoint toy:gaussian --start.image toy:gaussian "
                             "--start.sigma 0.8 --start.limit 2 --start.copies 800 "
                             "--sampler.name dopri5");
  REQUIRE(drawn.summary["count"] == 1600);
  REQUIRE(drawn.summary["sigma_max"] == start);
  REQUIRE(drawn.summary["start"]["image"] == "toy:gaussian");
  const auto variance = find_toy("toy:gaussian").make().variances();
  const auto gain = (variance / (variance + start * start)).sqrt();
  for (const int64_t i : {0, 1}) {
    const auto images = drawn.images.narrow(0, 800 * i, 800).flatten(1);
    const auto mean = 0.3 + gain * (x0[i] - 0.3), deviation = gain * start;
    const auto residual = (images - mean) / deviation;
    REQUIRE(largest(residual.mean(0)) < 5 / std::sqrt(800));
    REQUIRE(largest(residual.var(0) - 1) < 5 * std::sqrt(2.0 / 800));
  }
}

TEST_CASE("a picture is made of the model's size, and little noise leaves it as it is", "[cli]") {
  const TemporaryDirectory dir;
  cv::imwrite(dir / "x.png", cv::Mat(12, 9, CV_8UC3, cv::Scalar(200, 200, 200)));
  const auto drawn = sampled(dir, "--checkpoint toy:mixture --start.image " + dir / "x.png" +
                                      " --start.sigma 0.003 --start.copies 3");
  REQUIRE(drawn.images.sizes() == torch::IntArrayRef({3, 1, 4, 4}));
  REQUIRE(largest(drawn.images - (200 / 127.5 - 1)) < 0.02);
}

TEST_CASE("starts that make no sense are refused", "[cli][error]") {
  const TemporaryDirectory dir;
  const std::string toy = "sample --checkpoint toy:mixture --out " + dir / "s ";
  refuses(toy + "--start.sigma 2", {"start.sigma", "start.image"});
  const auto from = toy + "--start.image toy:mixture ";
  refuses(from, {"start.sigma", "> 0"});
  refuses(from + "--start.sigma 81", {"start.sigma", "80", "81"});
  refuses(from + "--start.sigma 2 --count 5", {"--count", "start.copies"});
  refuses(from + "--start.sigma 2 --start.copies 0", {"start.copies"});
  refuses(toy + "--start.sigma 2 --start.image " + dir / "absent", {"absent"});
  refuses(toy + "--start.sigma 2 --start.image toy:gaussian", {"1x4x4"});
  REQUIRE_FALSE(std::filesystem::exists(dir / "s"));
}

TEST_CASE("the way of the first images is shown as a film strip and a video", "[cli]") {
  const TemporaryDirectory dir;
  const std::string line = "sample --checkpoint toy:mixture --run.threads 1 ";
  succeeds(line + "--trajectory 3 --count 5 --sampler.steps 40 --out " + dir / "s");
  const auto strip = cv::imread(dir / "s/trajectory.png");
  const int cell = 64;  // of 4 pixels, enlarged
  REQUIRE(strip.rows > 3 * cell);
  REQUIRE(strip.rows < 4 * cell);
  REQUIRE(strip.cols > 17 * cell);
  REQUIRE(strip.cols < 26 * cell);  // with captions and gaps
  REQUIRE(std::filesystem::exists(dir / "s/trajectory.avi") == can_write_video());
  succeeds(line + "--count 5 --sampler.steps 4 --out " + dir / "s");
  REQUIRE_FALSE(std::filesystem::exists(dir / "s/trajectory.png"));
  succeeds(line + "--trajectory 9 --count 2 --sampler.steps 4 --out " + dir / "x.zip");
  REQUIRE(std::filesystem::exists(dir / "x.trajectory.png"));
  refuses(line + "--trajectory -1 --out " + dir / "s", {"--trajectory"});
}
