#include "training/train_step.h"

#include <torch/nn/modules/embedding.h>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "kernels/cuda/recorded_work.h"
#include "models/layers/linear.h"
#include "tests/support/catch.h"
#include "tests/support/cuda.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The smallest network with all that a run must keep: weights, a buffer, labels and dropout.
class TinyNetwork final : public ScoreNetwork {
 public:
  TinyNetwork() {
    torch::manual_seed(5);
    linear_ = register_module("linear", Linear(5, 16));
    label_ = register_module("label", torch::nn::Embedding(4, 16));
    out_ = register_module("out", Linear(16, 4));
    scale_ = register_buffer("scale", torch::full({1}, 0.5));
  }

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label) override {
    const auto in = torch::cat({x.flatten(1), (scale_ * c_noise).unsqueeze(1)}, 1);
    auto h = linear_->forward(in.to(linear_->weight.scalar_type())).to(x.scalar_type());
    if (label.defined()) h = h + label_->forward(label);
    if (is_training()) h = h * torch::bernoulli(torch::full_like(h, 0.9), rng_) / 0.9;
    return out_->forward(torch::silu(h)).view(x.sizes());
  }

  int64_t num_classes() const override { return 3; }
  void use_generator(const at::Generator& rng) override { rng_ = rng; }
  void use_type(at::ScalarType type) override {
    for (auto& parameter : linear_->parameters()) parameter.set_data(parameter.detach().to(type));
  }

 private:
  Linear linear_{nullptr};
  torch::nn::Embedding label_{nullptr};
  Linear out_{nullptr};
  torch::Tensor scale_;
  at::Generator rng_;
};

struct Run {
  Run() {
    preconditioning_options.sigma_data = 0.5;
    preconditioning = make_preconditioning(preconditioning_options);
    objective = std::make_unique<DenoisingScoreMatching>(loss, preconditioning_options);
    training.steps = 40;
    training.batch = 12;
    optimizer.learning_rate = 0.01;
    optimizer.warmup_steps = 5;
    ema.halflife_images = {50, 200};
  }

  TrainingState fresh() const {
    TrainingState state(std::make_shared<TinyNetwork>(), ema, /*seed=*/3, device, loss.adaptive,
                        optimizer.name);
    state.network->use_type(scalar_type(training.precision));
    return state;
  }

  /// The batch at the state's position of one endless data stream.
  TrainingBatch batch_at(int64_t images) const {
    auto rng = make_generator(8, "data", images);
    return {(0.5 * torch::randn({training.batch, 1, 2, 2}, rng)).to(device),
            torch::randint(0, 3, {training.batch}, rng, torch::kInt64).to(device)};
  }

  void advance(TrainingState& state, int64_t until) const {
    const TrainingTask task{training, optimizer, *objective, *preconditioning};
    train(
        state, task, [&] { return batch_at(state.images); },
        [&](const StepReport& report) { return report.step < until; });
  }

  torch::Device device = torch::kCPU;
  PreconditioningOptions preconditioning_options;
  std::unique_ptr<Preconditioning> preconditioning;
  std::unique_ptr<DenoisingScoreMatching> objective;
  LossOptions loss;
  TrainingOptions training;
  OptimizerOptions optimizer;
  EmaOptions ema;
};

TensorMap copy_of(const TensorMap& tensors) {
  TensorMap copy;
  for (const auto& [name, tensor] : tensors) copy[name] = tensor.clone();
  return copy;
}

bool same(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!torch::equal(tensor, b.at(name))) return false;
  }
  return true;
}

}  // namespace

namespace {

void require_resumable(const Run& run) {
  auto whole = run.fresh();
  run.advance(whole, 40);

  auto first = run.fresh();
  run.advance(first, 20);
  auto second = run.fresh();
  second.load_weights(copy_of(first.weights(first.parameters.values())),
                      second.parameters.values());
  for (size_t k = 0; k < 2; ++k) {
    second.load_weights(copy_of(first.weights(first.emas[k].average)), second.emas[k].average);
  }
  second.load_training_tensors(copy_of(first.training_tensors()));
  REQUIRE(second.step == 20);
  run.advance(second, 40);

  REQUIRE(second.images == 40 * 12);
  REQUIRE(
      same(whole.weights(whole.parameters.values()), second.weights(second.parameters.values())));
  REQUIRE(same(whole.weights(whole.emas[1].average), second.weights(second.emas[1].average)));
  REQUIRE(same(whole.training_tensors(), second.training_tensors()));
}

}  // namespace

TEST_CASE("2N steps equal N steps then a load into fresh objects then N bit for bit",
          "[training][roundtrip]") {
  Run run;
  run.training.precision = GENERATE(Precision::fp32, Precision::bf16);
  run.training.accumulate = GENERATE(1, 3);
  run.loss.adaptive.adaptive =
      GENERATE(NoiseAdaptation::none, NoiseAdaptation::information, NoiseAdaptation::divergence);
  run.loss.adaptive.adaptive_bins = 3;  // of 64 images: the density moves from step 16 on
  require_resumable(run);
}

TEST_CASE("a run with any optimiser goes on bit for bit", "[training][optimizer][roundtrip]") {
  Run run;
  const auto& entry = GENERATE(from_range(optimizer_registry()));
  INFO(entry.name);
  run.optimizer.name = entry.name;
  run.training.precision = GENERATE(Precision::fp32, Precision::bf16);
  run.training.accumulate = GENERATE(1, 3);
  run.loss.adaptive.adaptive = NoiseAdaptation::information;
  run.loss.adaptive.adaptive_bins = 3;
  run.optimizer.weight_decay = 0.01;
  run.optimizer.natural.factor_every = 3;  // the halves meet between both
  run.optimizer.natural.inverse_every = 6;
  run.optimizer.natural.images = 8;
  run.optimizer.natural.damping_rule =
      GENERATE(DampingRule::fixed, DampingRule::levenberg_marquardt);
  require_resumable(run);
}

TEST_CASE("training lowers the loss of a Gaussian towards its floor of 1", "[training]") {
  Run run;
  run.training.steps = 600;
  run.training.batch = 64;
  auto state = run.fresh();
  double first = 0, last = 0;
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning};
  train(
      state, task, [&] { return run.batch_at(state.images); },
      [&](const StepReport& report) {
        const double loss = report.loss.weighted.mean().item<double>();
        if (report.step <= 20) first += loss / 20;
        if (report.step > 500) last += loss / 100;
        return true;
      });
  INFO("from " << first << " to " << last);
  REQUIRE(last - 1 < 0.3 * (first - 1));  // of what can be lowered
  // The mean over 6400 samples of a loss whose floor is 1 and whose spread is about 0.7.
  REQUIRE(last > 1 - 5 * 0.7 / 80);
}

TEST_CASE("parts of a batch cover the noise levels of the whole batch", "[training][property]") {
  Run run;
  run.training.accumulate = 4;
  auto state = run.fresh();
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning};
  const auto report = train_step(state, task, run.batch_at(0));
  REQUIRE(report.loss.sigma.size(0) == 12);
  const auto thirds = report.loss.sigma.argsort().argsort().div(4, "floor").view({4, 3});
  CHECK(torch::equal(std::get<0>(thirds.sort(1)), torch::arange(3).expand({4, 3})));
  REQUIRE(report.images == 12);
}

TEST_CASE("a loss that is not finite stops with step and sigma and changes nothing",
          "[training][error]") {
  Run run;
  auto state = run.fresh();
  run.advance(state, 3);
  const auto before = state.parameters.values().clone();
  auto batch = run.batch_at(state.images);
  batch.x0[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning};
  REQUIRE_THROWS_AS(train_step(state, task, batch), NonFiniteError);
  REQUIRE_THROWS_WITH(train_step(state, task, batch), Contains("step 4") && Contains("sigma"));
  REQUIRE(torch::equal(state.parameters.values(), before));
  REQUIRE(state.step == 3);
}

TEST_CASE("weights that do not fit are refused by name and change nothing", "[training][error]") {
  Run run;
  auto state = run.fresh();
  auto tensors = copy_of(state.weights(state.parameters.values()));
  const auto load = [&] { state.load_weights(tensors, state.parameters.values()); };
  const auto weight = tensors.at("out.weight");
  tensors.erase("out.weight");
  REQUIRE_THROWS_WITH(load(), Contains("'out.weight' is missing"));
  tensors["out.weight"] = torch::zeros({4, 15});
  REQUIRE_THROWS_WITH(load(), Contains("out.weight") && Contains("[4, 16]") && Contains("[4, 15]"));
  tensors["out.weight"] = weight;
  tensors["extra"] = weight;
  REQUIRE_THROWS_WITH(load(), Contains("unknown tensor 'extra'"));
}

TEST_CASE("training options out of range are refused by name", "[training][error]") {
  TrainingOptions options;
  options.accumulate = 5;
  REQUIRE_THROWS_WITH(check_options(options), Contains("training.accumulate"));
  options.accumulate = 1;
  options.steps = 0;
  REQUIRE_THROWS_WITH(check_options(options), Contains("training.steps"));
}

namespace {

/// Records as a CUDA graph does: replayed work leaves what it computes where the recording did.
RecordedGradient::Recorder recorder_of(FlatParameters& parameters, int& recordings) {
  return [&](torch::Device, const std::function<void()>& work,
             const RecordedGradient::Generators& rngs) -> std::function<void()> {
    ++recordings;
    std::vector<torch::Tensor> states;
    for (const auto& rng : rngs) states.push_back(rng.get_state());
    work();
    for (size_t i = 0; i < rngs.size(); ++i) at::Generator(rngs[i]).set_state(states[i]);
    std::vector<torch::Tensor> place;
    for (const auto& slot : parameters.slots()) place.push_back(slot.parameter.grad());
    return [=, &parameters, collected = parameters.collected()] {
      work();
      for (size_t i = 0; i < place.size(); ++i) {
        if (place[i].defined())
          torch::Tensor(place[i]).copy_(parameters.slots()[i].parameter.grad());
      }
      if (collected.defined()) torch::Tensor(collected).copy_(parameters.collected());
      parameters.clear_gradients();  // a graph knows memory, not whose it is
    };
  };
}

}  // namespace

TEST_CASE("steps that replay a recorded gradient equal plain steps bit for bit",
          "[training][graph]") {
  Run run;
  run.training.precision = GENERATE(Precision::fp32, Precision::bf16);
  run.training.accumulate = GENERATE(1, 3);
  auto plain = run.fresh();
  run.advance(plain, 10);

  auto state = run.fresh();
  int recordings = 0;
  RecordedGradient recorded(recorder_of(state.parameters, recordings));
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning,
                          &recorded};
  StepReport first;
  train(
      state, task, [&] { return run.batch_at(state.images); },
      [&](const StepReport& report) {
        if (report.step == 1) first = report;
        const ScopedValues averaged(state.parameters, state.emas.front().average);  // as a picture
        return report.step < 10;
      });
  CHECK(recordings == 1);
  CHECK(torch::equal(first.x0, run.batch_at(0).x0));
  CHECK(
      torch::equal(first.loss.error, (first.loss.denoised - first.x0).square().flatten(1).mean(1)));
  CHECK(same(plain.weights(plain.parameters.values()), state.weights(state.parameters.values())));
  CHECK(same(plain.weights(plain.emas[1].average), state.weights(state.emas[1].average)));
  CHECK(same(plain.training_tensors(), state.training_tensors()));
}

TEST_CASE("a gradient is recorded anew for another size of batch, and for moved weights",
          "[training][graph]") {
  Run run;
  auto state = run.fresh();
  int recordings = 0;
  RecordedGradient recorded(recorder_of(state.parameters, recordings));
  const auto step = [&] {
    const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning,
                            &recorded};
    train_step(state, task, run.batch_at(state.images));
  };
  step();
  step();
  CHECK(recordings == 1);
  run.training.batch = 6;
  step();
  CHECK(recordings == 2);
  auto& moved = state.parameters.slots().front().parameter;
  torch::Tensor(moved).set_data(moved.detach().clone());
  step();
  CHECK(recordings == 3);
}

TEST_CASE("steps replayed by a CUDA graph are plain steps", "[training][graph][cuda]") {
  HALCYON_NEEDS_CUDA();
  if (!cuda::RecordedWork::may_draw()) return;
  Run run;
  run.device = torch::Device(torch::kCUDA, 0);
  run.training.accumulate = GENERATE(1, 3);
  run.preconditioning_options.name = GENERATE("edm", "epsilon");
  run.preconditioning = make_preconditioning(run.preconditioning_options);
  auto plain = run.fresh();
  run.advance(plain, 10);

  auto state = run.fresh();
  RecordedGradient recorded;
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning,
                          &recorded};
  train(
      state, task, [&] { return run.batch_at(state.images); },
      [&](const StepReport& report) { return report.step < 10; });
  CHECK(torch::allclose(plain.parameters.values(), state.parameters.values(), 1e-4, 1e-5));
  CHECK(same({{"rng", plain.noise_rng.get_state()}}, {{"rng", state.noise_rng.get_state()}}));
  CHECK(same({{"rng", plain.dropout_rng.get_state()}}, {{"rng", state.dropout_rng.get_state()}}));
}
