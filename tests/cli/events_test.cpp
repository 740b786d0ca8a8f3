#include <cmath>
#include <set>
#include <sstream>

#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/event_reader.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon::testing;

namespace {

namespace fs = std::filesystem;

const char* const kTinyRun =
    "train --data.path toy:mixture --data.limit 500 --model.name mlp --model.mlp.width 16 "
    "--model.mlp.depth 1 --training.batch 16 --run.log_every 5 --run.checkpoint_every 20 "
    "--run.sample_every 20 --run.sample_count 4 --run.fisher_every 20 --fisher.levels 3 "
    "--fisher.images 16 --run.threads 1 --run.dir ";

using Row = std::map<std::string, std::string>;

std::vector<std::string> cells_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> cells;
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

std::vector<Row> rows_of(const std::string& path) {
  std::istringstream in(slurp(path));
  std::string line;
  std::getline(in, line);
  const auto columns = cells_of(line);
  std::vector<Row> rows;
  while (std::getline(in, line)) {
    const auto cells = cells_of(line);
    auto& row = rows.emplace_back();
    for (size_t i = 0; i < cells.size(); ++i) row[columns.at(i)] = cells[i];
  }
  return rows;
}

float number(const std::string& text) { return static_cast<float>(std::stod(text)); }

/// (step, tag) and the bytes of a value; what tells the time is left out.
std::map<std::pair<int64_t, std::string>, std::string> lasting(const std::string& run) {
  std::map<std::pair<int64_t, std::string>, std::string> values;
  for (const auto& [step, tag, value] : read_events(run + "/tensorboard")) {
    const bool timed = tag == "train/seconds" || tag == "train/images_per_second" ||
                       tag.rfind("_hparams_/session", 0) == 0 || tag == "config";
    std::string bytes;
    for (const auto& [field, parts] : value.fields) {
      for (const auto& part : parts) bytes += std::to_string(field) + ":" + (timed ? "" : part);
    }
    REQUIRE(values.emplace(std::pair(step, tag), bytes).second);  // no value is there twice
  }
  return values;
}

}  // namespace

TEST_CASE("TensorBoard is told what the tables and pictures of a run say", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto run = dir / "run";
  succeeds(kTinyRun + run + " --training.steps 40 --optimizer.weight_decay 0.125");
  std::map<std::pair<int64_t, std::string>, Message> values;
  for (const auto& [step, tag, value] : read_events(run + "/tensorboard")) {
    values.emplace(std::pair(step, tag), value);
  }
  const auto scalar = [&](int64_t step, const std::string& tag) {
    INFO(tag << " at step " << step);
    REQUIRE(values.count({step, tag}) == 1);
    return unpacked<float>(values.at({step, tag}).bytes(2));
  };
  size_t scalars = 0;
  const auto metrics = rows_of(run + "/metrics.csv");
  REQUIRE(metrics.size() == 8);
  for (const auto& row : metrics) {
    for (const auto& [column, text] : row) {
      if (column == "step") continue;
      REQUIRE(scalar(std::stoll(row.at("step")), "train/" + column) == number(text));
      ++scalars;
    }
  }
  size_t levels = 0;
  for (const auto& row : rows_of(run + "/fisher_levels.csv")) {
    if (row.at("weights") != "ema") continue;
    ++levels;
    char sigma[32];
    std::snprintf(sigma, sizeof sigma, "/sigma_%.3g", std::stod(row.at("sigma")));
    const auto step = std::stoll(row.at("step"));
    for (const auto& [tag, column] :
         std::map<std::string, std::string>{{"J_exp", "fisher_info_exp"},
                                            {"J_obs", "fisher_info_obs"},
                                            {"calibration", "score_calibration"},
                                            {"eps_mse", "eps_mse"}}) {
      REQUIRE(scalar(step, "fisher/" + tag + sigma) == number(row.at(column)));
      ++scalars;
    }
  }
  REQUIRE(levels == 6);
  REQUIRE(values.at({40, "samples"}).message(4).bytes(4) ==
          slurp(run + "/samples/step-00000040.png"));
  REQUIRE(values.at({20, "samples"}).message(4).bytes(4) ==
          slurp(run + "/samples/step-00000020.png"));
  REQUIRE(values.at({40, "denoising"}).message(4).bytes(4) == slurp(run + "/plots/denoising.png"));
  if (fs::exists(run + "/plots/fisher_information.png")) {
    REQUIRE(values.at({40, "fisher_information"}).message(4).bytes(4) ==
            slurp(run + "/plots/fisher_information.png"));
  }
  size_t found = 0;
  double samples = 0;
  for (const auto& [key, value] : values) {
    found += value.has(2) ? 1 : 0;
    if (key.second.rfind("score_norm/", 0) == 0) {
      for (const double count : value.message(5).numbers(7)) samples += count;
    }
  }
  REQUIRE(found == scalars);
  REQUIRE(samples == 40 * 16);  // every training sample is in one band of one table
  const auto start = values.at({0, "_hparams_/session_start_info"}).message(9).message(1);
  const auto told = start.message(2).message(3);
  std::set<std::string> keys;
  for (const auto& entry : told.fields.at(1)) {
    const Message pair(entry);
    keys.insert(pair.bytes(1));
    if (pair.bytes(1) == "optimizer.weight_decay") REQUIRE(pair.message(2).number(2) == 0.125);
    if (pair.bytes(1) == "data.path") REQUIRE(pair.message(2).bytes(3) == "toy:mixture");
  }
  REQUIRE(keys.count("optimizer.weight_decay") + keys.count("data.path") == 2);
  REQUIRE(keys.count("run.dir") == 0);
  REQUIRE(values.count({40, "_hparams_/session_end_info"}) == 1);
  std::string config = values.at({0, "config"}).message(8).bytes(8);
  for (size_t at; (at = config.find("\n    ")) != std::string::npos;) config.erase(at + 1, 4);
  REQUIRE("    " + slurp(run + "/config.ini") == config);
}

TEST_CASE("events of a resumed run are those of an uninterrupted one", "[cli][roundtrip]") {
  const TemporaryDirectory dir;
  const auto whole = dir / "whole", parts = dir / "parts";
  succeeds(kTinyRun + whole + " --training.steps 60");
  const bool killed = GENERATE(false, true);
  if (killed) {  // past the checkpoint of step 20, and in the midst of an event
    succeeds(kTinyRun + parts + " --training.steps 60");
    fs::remove_all(parts + "/checkpoints/step-00000040");
    fs::remove_all(parts + "/checkpoints/step-00000060");
    const auto file = event_files(parts + "/tensorboard").back();
    fs::resize_file(file, fs::file_size(file) - 7);
    succeeds("train --resume --run.dir " + parts);
  } else {
    succeeds(kTinyRun + parts + " --training.steps 20");
    succeeds("train --resume --training.steps 40 --run.dir " + parts);
    succeeds("train --resume --training.steps 60 --run.dir " + parts);
  }
  REQUIRE(event_files(parts + "/tensorboard").size() == (killed ? 2 : 3));
  const auto expected = lasting(whole);
  REQUIRE(expected.size() > 100);
  const auto found = lasting(parts);
  for (const auto& [key, bytes] : expected) {
    INFO(key.second << " at step " << key.first);
    REQUIRE(found.count(key) == 1);
    REQUIRE((found.at(key) == bytes));  // in brackets: not printed
  }
  REQUIRE(found.size() == expected.size());
  REQUIRE(slurp(parts + "/samples/film.safetensors") == slurp(whole + "/samples/film.safetensors"));
}

TEST_CASE("a run without events writes none and is otherwise the same", "[cli]") {
  const TemporaryDirectory dir;
  succeeds(kTinyRun + (dir / "with") + " --training.steps 20");
  succeeds(kTinyRun + (dir / "without") + " --training.steps 20 --run.tensorboard false");
  REQUIRE_FALSE(fs::exists(dir / "without/tensorboard"));
  for (const char* file : {"/checkpoints/step-00000020/ema.safetensors", "/fisher_levels.csv"}) {
    REQUIRE(slurp(dir / "with" + file) == slurp(dir / "without" + file));
  }
  // Events that begin late still tell what run it is.
  succeeds("train --resume --training.steps 40 --run.tensorboard true --run.dir " +
           dir / "without");
  bool told = false;
  for (const auto& value : read_events(dir / "without/tensorboard")) {
    REQUIRE((value.step >= 20 || value.step == 0));
    told = told || value.tag == "_hparams_/session_start_info";
  }
  REQUIRE(told);
}
