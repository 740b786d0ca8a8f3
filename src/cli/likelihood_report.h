#pragma once

#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "data/dequantization.h"
#include "fisher/information_likelihood.h"
#include "fisher/likelihood_options.h"
#include "io/table.h"

namespace halcyon {

/// The mean of -ln p(x; sigma_min) over images by the probability-flow ODE, in nats.
struct OdeNll {
  Estimate nll = {};
  int64_t nfe = 0;  ///< per image
  OdeOptions options;
  std::string prior;  ///< law at sigma_max
};

/// What is known of a toy, in nats: what the number above it would be for a perfect model.
struct ExactNll {
  std::optional<Estimate> bound;    ///< entropy of p(x; sigma_min)
  std::optional<Estimate> matched;  ///< entropy of the clean law, if it has a density
  std::optional<Estimate> ode;      ///< mean of -ln p(x; sigma_min) over the same images
};

/// Everything that `halcyon evaluate`, and the likelihood of `halcyon fisher`, find out of a model.
struct LikelihoodReport {
  std::string source, weights, split, data;
  int64_t step = 0;
  uint64_t seed = 0;
  int64_t images = 0;
  int64_t dim = 0;
  Dequantization dequantization = Dequantization::none;
  double bin_width = 1;
  std::string reference;  ///< which Gaussian stands for the data
  double sigma_min = 0;
  double sigma_max = 0;
  double seconds = 0;
  std::optional<InformationNll> information;
  std::optional<OdeNll> ode;
  bool has_density = true;  ///< the clean data, without which no matched tail has a meaning
  ExactNll exact;
  std::optional<Estimate> entropy;  ///< of p(x; sigma_min), by Fisher integration
  std::optional<Estimate> path_kl;  ///< to another model's reverse SDE
  std::optional<Estimate> class_information;
  std::optional<Estimate> class_information_of_loss;
  int64_t classes = 0;
  int64_t levels = 0;  ///< behind the entropy and the class information
};

/// The numbers, a row each, and below them the conditions that they hold under.
std::string likelihood_text(const LikelihoodReport& report);

/// All of it, for programs.
std::string likelihood_json(const LikelihoodReport& report);

/// A row of fisher_integrals.csv.
Table likelihood_row(const LikelihoodReport& report);

}  // namespace halcyon
