#include <cmath>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

/// Blobs of 8x8 pixels at random places, 64 of them.
void write_images(const std::string& folder, int seed) {
  std::filesystem::create_directories(folder);
  cv::RNG rng(seed);
  for (int i = 0; i < 64; ++i) {
    cv::Mat image(8, 8, CV_8UC1);
    rng.fill(image, cv::RNG::UNIFORM, 0, 40);
    image(cv::Rect(rng.uniform(0, 5), rng.uniform(0, 5), 3, 3)) = cv::Scalar(rng.uniform(120, 255));
    cv::imwrite(folder + "/" + std::to_string(100 + i) + ".png", image);
  }
}

std::string run(const std::string& arguments) {
  const auto outcome = run_program(arguments + " --run.threads 1");
  INFO("halcyon " << arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == 0);
  return outcome.output;
}

nlohmann::json evaluate(const std::string& arguments, const std::string& out) {
  run("evaluate " + arguments + " --out " + out);
  return nlohmann::json::parse(slurp(out + "/evaluation.json"));
}

double value(const nlohmann::json& report, const char* metric) {
  return report.at("metrics").at(metric).at("value").get<double>();
}

void refuses(const std::string& arguments, const std::string& part) {
  const auto outcome = run_program("evaluate " + arguments);
  INFO(arguments << "\n" << outcome.output);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.output, Contains(part));
}

}  // namespace

TEST_CASE("samples in a folder, an archive and drawn at once have the same figures", "[cli]") {
  const TemporaryDirectory dir;
  write_images(dir / "data", 1);
  const auto model = "--checkpoint empirical:" + dir / "data" + " --sampler.steps 6";
  run("sample " + model + " --count 70 --out " + dir / "folder");
  run("sample " + model + " --count 70 --out " + dir / "x.zip");
  run("sample " + model + " --count 70 --out " + dir / "x.safetensors");
  const auto against = " --data.path " + dir / "data";
  REQUIRE(std::filesystem::exists(dir / "folder/grid.png"));  // which is no sample
  const auto folder = evaluate("--samples " + dir / "folder" + against, dir / "of_folder");
  const auto archive = evaluate("--samples " + dir / "x.zip" + against, dir / "of_archive");
  const auto tensors = evaluate("--samples " + dir / "x.safetensors" + against, dir / "of_tensors");
  const auto drawn = evaluate(model + " --draw 70", dir / "drawn");
  for (const auto* report : {&folder, &archive, &tensors, &drawn}) {
    CHECK(report->at("count") == 70);
    CHECK(report->at("reference_count") == 64);
    CHECK(report->at("metrics") == folder.at("metrics"));
  }
  CHECK(std::filesystem::exists(dir / "drawn/samples.zip"));

  // The exact denoiser of 64 images draws those.
  CHECK(value(folder, "copies") > 0.9);
  CHECK(value(folder, "precision") == 1);
  CHECK(folder.at("skipped").contains("inception"));
  const auto picture = cv::imread(dir / "of_folder/nearest.png");
  CHECK(picture.rows > 12 * 64);
  const auto csv = slurp(dir / "of_folder/nearest.csv");
  CHECK(csv.rfind("sample,training_image,distance,ratio\n", 0) == 0);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 71);
  for (const auto& [name, metric] : folder.at("metrics").items()) {
    INFO(name);
    CHECK(std::isfinite(metric.at("value").get<double>()));
    CHECK(std::isfinite(metric.at("se").get<double>()));
    CHECK(metric.at("n").get<int>() > 0);
  }
}

TEST_CASE("a toy's samples are at no distance, by their errors, and others are",
          "[cli][statistical]") {
  const TemporaryDirectory dir;
  const std::string data = " --data.path toy:mixture --data.limit 2000 --metrics kernel,manifold";
  run("sample --checkpoint toy:mixture --sampler.steps 40 --count 1000 --out " +
      dir / "a.safetensors");
  const auto own = evaluate("--samples " + dir / "a.safetensors" + data, dir / "own");
  const auto kernel = own.at("metrics").at("kernel");
  CHECK(std::abs(kernel.at("value").get<double>()) < 4 * kernel.at("se").get<double>());
  const auto density = own.at("metrics").at("density");
  CHECK(std::abs(density.at("value").get<double>() - 1) < 5 * density.at("se").get<double>());
  run("sample --checkpoint toy:mixture --sampler.name euler --sampler.steps 2 --count 1000 --out " +
      dir / "b.safetensors");  // far too few steps
  const auto other = evaluate("--samples " + dir / "b.safetensors" + data, dir / "other");
  CHECK(value(other, "kernel") > 10 * other.at("metrics").at("kernel").at("se").get<double>());
}

TEST_CASE("a reference's statistics are written, kept to and read without data", "[cli]") {
  const TemporaryDirectory dir;
  write_images(dir / "data", 1);
  write_images(dir / "samples", 2);
  const auto samples = "--samples " + dir / "samples ";
  const auto data = "--data.path " + dir / "data ";
  const auto small = "--reference " + dir / "small.npz ";
  const auto full = "--reference " + dir / "full.npz ";
  const auto first = evaluate(samples + data + small + "--metrics frechet", dir / "a");
  evaluate(samples + data + full + "--keep_features --metrics frechet", dir / "b");
  const auto again = evaluate(samples + data + small + "--metrics frechet", dir / "c");
  const auto alone = evaluate(samples + small, dir / "d");
  const auto kernel = evaluate(samples + full, dir / "e");
  CHECK_THAT(value(again, "frechet"), WithinRel(value(first, "frechet"), 1e-9));
  CHECK_THAT(value(alone, "frechet"), WithinRel(value(first, "frechet"), 1e-9));
  CHECK(alone.at("reference_count") == 64);
  CHECK(alone.at("skipped").contains("kernel"));
  CHECK_THAT(value(kernel, "frechet"), WithinRel(value(first, "frechet"), 1e-9));
  CHECK_THAT(
      value(kernel, "kernel"),
      WithinRel(value(evaluate(samples + data + "--metrics kernel", dir / "f"), "kernel"), 1e-9));
  refuses(samples + small + "--metrics kernel", "--keep_features");
  refuses(samples + "--data.path " + dir / "samples " + small, "other data");
  refuses(samples + "--reference " + dir / "none.npz", "none.npz");
  spill(dir / "bad.npz", "PK");
  refuses(samples + "--reference " + dir / "bad.npz", "bad.npz");
}

TEST_CASE("options of sample metrics out of range are refused", "[cli][error]") {
  const TemporaryDirectory dir;
  write_images(dir / "data", 1);
  const auto sets =
      "--samples " + dir / "data" + " --data.path " + dir / "data" + " --out " + dir / "out" + " ";
  refuses(sets + "--metrics fid", "frechet");
  refuses(sets + "--metrics inception", "features.network");
  refuses(sets + "--metric.neighbours 1", "metric.neighbours");
  refuses(sets + "--metric.parts 40 --metrics manifold", "at least");
  refuses(sets + "--count 65", "64 samples");
  refuses(sets + "--reference_count 65", "64 images");
  refuses(sets + "--draw 5", "--draw");
  refuses(sets + "--features.network " + dir / "none.pt", "none.pt");
  refuses("--samples " + dir / "none --data.path " + dir / "data", "none");
  refuses("--samples " + dir / "data --out " + dir / "out", "data.path");
  refuses("--draw 5", "--checkpoint");
  refuses("--checkpoint toy:mixture --metrics frechet", "--samples");
  spill(dir / "x.safetensors", "nothing");
  refuses("--samples " + dir / "x.safetensors --data.path " + dir / "data", "x.safetensors");
}
