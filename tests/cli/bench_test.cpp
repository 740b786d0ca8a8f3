#include <ATen/record_function.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cli/network_flops.h"
#include "cli/operator_profile.h"
#include "cli/stopwatch.h"
#include "core/torch.h"
#include "io/process_memory.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

double counted_flops = 0;

/// Adds up what the operators of LibTorch compute, from their arguments.
void count_product(const at::RecordFunction& function, at::ObserverContext*) {
  const std::string name = function.name();
  const auto in = [&](size_t i) { return function.inputs()[i].toTensor(); };
  const auto out = [&] { return static_cast<double>(function.outputs()[0].toTensor().numel()); };
  if (name == "aten::convolution") {
    counted_flops += 2 * out() * static_cast<double>(in(1).numel() / in(1).size(0));
  } else if (name == "aten::addmm") {
    counted_flops += 2 * out() * static_cast<double>(in(1).size(1));
  } else if (name == "aten::mm" || name == "aten::bmm") {
    counted_flops += 2 * out() * static_cast<double>(in(0).sizes().back());
  }
}

/// Of one image, in float64, where only LibTorch's own operators work.
double operator_flops(ScoreNetwork& network, const ImageShape& shape) {
  counted_flops = 0;
  network.to(torch::kFloat64);
  const auto x = torch::randn({1, shape.channels, shape.height, shape.width}, torch::kFloat64);
  const auto ignore = [](const at::RecordFunction&) {
    return std::unique_ptr<at::ObserverContext>();
  };
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(ignore, count_product).needsInputs(true).needsOutputs(true));
  network.forward(x, torch::ones({1}, torch::kFloat64), {});
  at::removeCallback(handle);
  return counted_flops;
}

void take_milliseconds(int count) { std::this_thread::sleep_for(std::chrono::milliseconds(count)); }

}  // namespace

TEST_CASE("operations of a network are those that its operators do", "[cli][oracle]") {
  torch::manual_seed(1);
  ModelOptions options;
  SECTION("a U-Net with every kind of layer") {
    options.unet = {.channels = 8,
                    .channel_mult = {1, 2, 3},
                    .blocks = 2,
                    .attention_resolutions = {4},
                    .attention_heads = 2,
                    .norm_groups = 4,
                    .scale_shift = true,
                    .patch = 2};
    const ImageShape shape{3, 16, 24};
    const auto network = make_network(options, shape, /*num_classes=*/0);
    REQUIRE(forward_flops(*network, options, shape) == operator_flops(*network, shape));
  }
  SECTION("a fully connected network") {
    options.name = "mlp";
    options.mlp.width = 16;
    const ImageShape shape{1, 4, 4};
    const auto network = make_network(options, shape, /*num_classes=*/0);
    REQUIRE(forward_flops(*network, options, shape) == operator_flops(*network, shape));
  }
  SECTION("the CIFAR-10 network of Ho et al. 2020 takes 12.44 GFLOP") {
    const ImageShape shape{3, 32, 32};
    const auto network = make_network(options, shape, /*num_classes=*/0);
    REQUIRE(std::round(forward_flops(*network, options, shape) / 1e7) == 1244);
  }
}

TEST_CASE("a stopwatch tells medians of work done in turn", "[cli]") {
  std::string order;
  const auto slow = [&] {
    order += 's';
    take_milliseconds(60);
  };
  const auto slower = [&] {
    order += 'S';
    take_milliseconds(120);
  };
  const auto times = time_in_turn({slow, slower}, {.repeats = 3});
  REQUIRE(order == "sSsSsSsS");  // the first of each warms up
  REQUIRE(times[0].seconds >= 0.06);
  REQUIRE(times[1].seconds >= 0.12);
  REQUIRE(times[1].samples == 3);
  REQUIRE(times[0].spread >= 0);
}

TEST_CASE("short work is repeated within a measurement", "[cli]") {
  int64_t runs = 0;
  const auto times = time_in_turn({[&] {
                                    ++runs;
                                    take_milliseconds(5);
                                  }},
                                  {.repeats = 2});
  REQUIRE(runs > 10);
  REQUIRE(times[0].seconds >= 0.005);
}

TEST_CASE("page faults are those of the memory that work touches", "[cli]") {
  constexpr int64_t kPages = 10000;  // more than malloc keeps
  const auto touch = [] { torch::zeros({4096 * kPages}, torch::kUInt8); };
  const auto nothing = [] { take_milliseconds(60); };
  const auto times = time_in_turn({touch, nothing}, {.repeats = 1});
  REQUIRE(times[0].page_faults > times[1].page_faults);
  REQUIRE(times[1].page_faults < 100);
}

TEST_CASE("the peak of memory can be forgotten", "[io]") {
  { const auto large = torch::ones({100'000'000}, torch::kUInt8); }
  const auto with_large = peak_memory();
  reset_peak_memory();
  REQUIRE(with_large > 100'000'000);
  REQUIRE(peak_memory() < with_large - 80'000'000);
}

TEST_CASE("a profile accounts for the time of all operators by pass", "[cli]") {
  const auto weight = torch::randn({64, 64}).requires_grad_(true);
  const auto start = std::chrono::steady_clock::now();
  const auto operators = profile_operators([&] {
    torch::mm(weight, weight).sum().backward();
    const torch::NoGradGuard no_grad;
    torch::Tensor(weight).add_(weight.grad(), 0.1);
    take_milliseconds(20);
  });
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;

  const auto calls = [&](const std::string& name, const std::string& pass) {
    int64_t count = 0;
    for (const auto& time : operators) {
      if (time.name == name && time.pass == pass) count += time.calls;
    }
    return count;
  };
  REQUIRE(calls("aten::mm", "forward") == 1);
  REQUIRE(calls("aten::mm", "backward") == 2);
  REQUIRE(calls("aten::add_", "update") == 1);
  REQUIRE(operators.front().name == "(between operators)");
  REQUIRE(operators.front().seconds > 0.02);
  double sum = 0;
  for (const auto& time : operators) {
    REQUIRE(time.seconds >= 0);
    sum += time.seconds;
  }
  REQUIRE(sum <= passed.count());
  REQUIRE(sum > 0.02);
}

TEST_CASE("halcyon bench measures all parts of a step and writes them down", "[cli]") {
  const TemporaryDirectory dir;
  const auto outcome = run_program(
      "bench --shape 1,8,8 --batch 4 --repeats 2 --only step,nfe,data,optimizer,kernels --profile "
      "--model.unet.channels 8 --model.unet.channel_mult 1,2 --model.unet.norm_groups 4 "
      "--model.unet.attention_resolutions 4 --run.threads 1 --out " +
      dir / "bench.json");
  INFO(outcome.output);
  REQUIRE(outcome.code == 0);
  for (const char* word : {"GFLOP/s", "training step of 4 images", "Operators", "backward"}) {
    REQUIRE_THAT(outcome.output, Contains(word));
  }
  const auto json = nlohmann::json::parse(slurp(dir / "bench.json"));
  std::set<std::string> parts;
  for (const auto& row : json["rows"]) {
    parts.insert(row["part"]);
    REQUIRE(row["seconds"].get<double>() > 0);
    REQUIRE(row["samples"] == 2);
    REQUIRE(row["peak_memory_bytes"].get<double>() > 1e7);
  }
  REQUIRE(parts == std::set<std::string>{"step", "nfe", "data", "optimizer", "kernels"});
  REQUIRE(json["parameters"].get<int64_t>() > 1000);
  std::map<std::string, int> operators;
  for (const auto& time : json["operators"]) ++operators[time["work"]];
  REQUIRE(operators.size() == 2);
  REQUIRE(operators["training step"] > 10);
  REQUIRE(operators["network evaluation of 1 image"] > 5);
}

TEST_CASE("the program takes as many threads as run.threads, or else OMP_NUM_THREADS, says",
          "[cli]") {
  const auto threads = [](const std::string& before, const std::string& arguments) {
    const auto outcome = run_program(
        "bench --only data --repeats 1 --batch 1 --shape 1,8,8 --model.name mlp " + arguments,
        before);
    INFO(outcome.output);
    REQUIRE(outcome.code == 0);
    const auto end = outcome.output.find(" threads\n");
    REQUIRE(end != std::string::npos);
    return std::stoi(outcome.output.substr(outcome.output.rfind(' ', end - 1)));
  };
  REQUIRE(threads("env OMP_NUM_THREADS=3", "") == 3);
  REQUIRE(threads("env OMP_NUM_THREADS=3", "--run.threads 2") == 2);
  REQUIRE(threads("env -u OMP_NUM_THREADS taskset 1", "") == 1);
}

TEST_CASE("the ceilings of the machine are what the rest is a share of", "[cli][slow]") {
  const TemporaryDirectory dir;
  REQUIRE(run_program("bench --only ceilings,nfe --run.threads 1 --repeats 1 --batch 2 "
                      "--training.precision fp32 --out " +
                      dir / "b.json")
              .code == 0);
  const auto json = nlohmann::json::parse(slurp(dir / "b.json"));
  REQUIRE(json["ceilings"]["bytes_per_second"].get<double>() > 0);
  for (const auto& row : json["rows"]) {
    if (row["part"] != "nfe") continue;
    REQUIRE(row["share_of_ceiling"]["fp32"].get<double>() > 0);
    REQUIRE(row["share_of_ceiling"]["fp32"].get<double>() < 1.5);
  }
}

TEST_CASE("halcyon bench refuses what it cannot measure by name", "[cli][error]") {
  const auto refuses = [](const std::string& arguments, const std::string& part) {
    const auto outcome = run_program("bench " + arguments);
    INFO(outcome.output);
    REQUIRE(outcome.code == 2);
    REQUIRE_THAT(outcome.output, Contains(part));
  };
  refuses("--only stepp", "'step'");
  refuses("--batch 0", "batch: want");
  refuses("--repeats 0", "repeats: want");
  refuses("--shape 3,32", "shape: want C,H,W");
  refuses("--config none.ini", "none.ini");
  refuses("--model.unet.channels 7", "model.unet.channels");
}
